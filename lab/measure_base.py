"""Whether Postcards draws what it is asked for."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from engine import Failed, Model, Recipe, StageDone, generate, load_model
from lab.evidence import NAMES
from lab.judge import load, verdicts
from lab.measure_vae import unseen
from lab.paint import Array
from lab.tables import Row, rate, table
from lab.world import Scene, phrases, render

STEPS = 30


@dataclass(frozen=True)
class Answers:
    """What the judge says of pictures of these scenes."""

    scenes: list[Scene]
    told: dict[str, Array]

    def hits(self, *heads: str) -> int:
        """Pictures that show what was asked, in all these respects."""
        right = np.ones(len(self.scenes), bool)
        for head in heads:
            asked = [NAMES[head].index(getattr(one, head)) for one in self.scenes]
            right &= self.told[head] == np.array(asked)
        return int(right.sum())

    def share(self, of: Callable[[Array], Array]) -> str:
        return rate(int(of(self.told["number"]).sum()), len(self.scenes))


def prompts(scenes: list[Scene]) -> list[str]:
    return [phrases(one)[k % 5] for k, one in enumerate(scenes)]


def native(model: Model, scenes: list[Scene], steps: int = STEPS) -> Iterator[Array]:
    """The pictures of the first stage."""
    for seed, prompt in enumerate(prompts(scenes)):
        yield drawn(model, prompt, seed, (1,), steps)


def drawn(
    model: Model, prompt: str, seed: int, scales: tuple[float, ...], steps: int = STEPS, **more: object
) -> Array:
    """The last stage's picture."""
    recipe = Recipe(prompt=prompt, seed=seed, scales=scales, steps=steps, **more)
    with tempfile.TemporaryDirectory() as out:
        for event in generate(recipe, model, out=out):
            if isinstance(event, Failed):
                raise SystemExit(event.sentence)
            if isinstance(event, StageDone):
                picture = np.asarray(Image.open(event.image).convert("RGB"))
    return picture


def measure(folder: Path, number: int = 200, steps: int = STEPS) -> str:
    """Held-out prompts at native size, beside the judge's rates on true renderings of the same scenes."""
    judge, scenes = load(folder), unseen(number)
    model = load_model(folder)
    made = Answers(scenes, verdicts(judge, list(native(model, scenes, steps))))
    true = Answers(scenes, verdicts(judge, [render(one, (256, 256)) for one in scenes]))
    respects = (("subject",), ("subject", "colour"), ("ground",), ("sky",))
    rows = [
        Row(" and ".join(heads), *(rate(of.hits(*heads), number) for of in (made, true)))
        for heads in respects
    ]
    rows.append(Row("exactly one subject", *(of.share(lambda n: n == 1) for of in (made, true))))
    return table(rows, (f"{number} held-out prompts, {steps} steps", "drawn", "true renderings"))
