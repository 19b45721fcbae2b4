"""Measures whether the base draws what its prompt says, as the judge sees it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine import Model, load_model
from lab.judge.cases import CLASSES
from lab.judge.judge import classify, load_judge
from lab.measure.pictures import STEPS, cached_picture
from lab.measure.tables import Row, rate_text, table
from lab.world.paint import Array
from lab.world.scenes import Scene, held_out_scenes, phrases, render


@dataclass(frozen=True)
class Verdicts:
    """The judge's answers for pictures that shall show these scenes."""

    scenes: list[Scene]
    # For each head the class of each picture.
    classes: dict[str, Array]

    def hits(self, *heads: str) -> int:
        """Return how many pictures show what their scene has, for all of these heads."""
        right = np.ones(len(self.scenes), bool)
        for head in heads:
            wanted = [CLASSES[head].index(getattr(one, head)) for one in self.scenes]
            right &= self.classes[head] == np.array(wanted)
        return int(right.sum())

    def share(self, condition: Callable[[Array], Array]) -> str:
        """Return as text the share of pictures whose number of subjects meets the condition."""
        return rate_text(int(condition(self.classes["number"]).sum()), len(self.scenes))


def scene_prompts(scenes: list[Scene]) -> list[str]:
    """Return a prompt for each scene, worded in five ways by turns."""
    return [phrases(one)[k % 5] for k, one in enumerate(scenes)]


def native_pictures(model: Model, scenes: list[Scene], steps: int = STEPS) -> Iterator[Array]:
    """Yield the base's picture of each scene's prompt at native size."""
    for seed, prompt in enumerate(scene_prompts(scenes)):
        yield cached_picture(model, prompt, seed, (1,), steps)


def measure(folder: Path, number: int = 200, steps: int = STEPS) -> str:
    """Return a table of how many held-out prompts are met, by drawn pictures and by true renderings."""
    judge, scenes = load_judge(folder), held_out_scenes(number)
    model = load_model(folder, dtype="float32")
    made = Verdicts(scenes, classify(judge, list(native_pictures(model, scenes, steps))))
    true = Verdicts(scenes, classify(judge, [render(one, (256, 256)) for one in scenes]))
    respects = (("subject",), ("subject", "colour"), ("ground",), ("sky",))
    rows = [
        Row(" and ".join(heads), *(rate_text(verdicts.hits(*heads), number) for verdicts in (made, true)))
        for heads in respects
    ]
    rows.append(Row("exactly one subject", *(verdicts.share(lambda n: n == 1) for verdicts in (made, true))))
    return table(rows, (f"{number} held-out prompts, {steps} steps", "drawn", "true renderings"))
