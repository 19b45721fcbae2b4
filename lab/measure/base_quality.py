"""Whether Postcards draws what it is asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine import Model, load_model
from lab.judge.cases import NAMES
from lab.judge.judge import load, verdicts
from lab.measure.drawing import STEPS, kept
from lab.measure.tables import Row, rate, table
from lab.measure.vae_quality import unseen
from lab.world.paint import Array
from lab.world.scenes import Scene, phrases, render


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
        yield kept(model, prompt, seed, (1,), steps)


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
