"""Whether Postcards follows the edges that it is given.

python -m lab.measure.edge_agreement [--prompts 16] [--large] [--steps 30] [--of FOLDER] [--to pairs.png]

Held-out scenes are rendered, and drawn from their words and one seed with and without the edges of the
rendering: at 256 px, or with --large at 1024 px in stages of 1, 2 and 4.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from engine import load_model
from lab.measure.drawing import STEPS, drawn, quickest, signed
from lab.measure.tables import Row, table
from lab.measure.vae_quality import unseen
from lab.training.controlnet import DEFAULT, FOLDER, beside, edges
from lab.world.lessons import NATIVE
from lab.world.paint import Array
from lab.world.scenes import Scene, phrases, render

LARGE = 4
TOLERANCE = 2
"""px that an edge may lie beside the given one."""
REDRAWN = 4000
"""Times that the prompts are drawn again for an interval."""
SHOWN, WIDEST = 8, 512
"""Pairs in the picture, and px of one at most."""

Drawing = Callable[[str, int, Path | None], Array]
"""A picture of a prompt and a seed that follows the picture at the path, or none."""


class Agreement(NamedTuple):
    """precision: share of the found edges that lie at given ones. recall: the reverse."""

    score: float
    precision: float
    recall: float


def agreement(found: Array, given: Array, tolerance: float = TOLERANCE) -> Agreement:
    """Of two maps of edges, True where one runs. Without any in both they agree; in one alone they do not."""
    if not found.any() or not given.any():
        alike = float(not found.any() and not given.any())
        return Agreement(alike, alike, alike)
    precision, recall = _near(found, given, tolerance), _near(given, found, tolerance)
    return Agreement(f_score(precision, recall), precision, recall)


def f_score(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _near(these: Array, those: Array, tolerance: float) -> float:
    """Share of these that lie within the tolerance of one of those."""
    away = cv2.distanceTransform(np.uint8(~those), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float((away[these] <= tolerance).mean())


def interval(values: Iterable[float], seed: int = 0) -> tuple[float, float]:
    """Where the true mean lies, at 95 %: the means of prompts drawn again and again from these."""
    values = np.asarray(list(values), float)
    drawn = np.random.RandomState(seed).randint(len(values), size=(REDRAWN, len(values)))
    low, high = np.percentile(values[drawn].mean(1), (2.5, 97.5))
    return float(low), float(high)


@dataclass(frozen=True, eq=False)
class Pair:
    """Edges of a scene, and its prompt drawn with and without them."""

    given: Array
    led: Array
    plain: Array

    @property
    def agreements(self) -> tuple[Agreement, Agreement]:
        """Of the led picture and of the plain one."""
        led, plain = (agreement(edges(made, *DEFAULT), self.given) for made in (self.led, self.plain))
        return led, plain


def pairs(draw: Drawing, scenes: list[Scene], side: int) -> Iterable[Pair]:
    """Every scene's, from one seed each."""
    with tempfile.TemporaryDirectory() as folder:
        for seed, one in enumerate(scenes):
            true = render(one, (side, side))
            path = Path(folder, f"{seed}.png")
            Image.fromarray(true).save(path)
            prompt = phrases(one)[0]
            yield Pair(edges(true, *DEFAULT), draw(prompt, seed, path), draw(prompt, seed, None))


def by_engine(folder: Path, scales: tuple[float, ...], steps: int = STEPS) -> Drawing:
    """Drawings of the model of a folder, led by its own ControlNet."""
    model, net = load_model(folder, dtype=quickest()), str(folder / FOLDER)

    def draw(prompt: str, seed: int, image: Path | None) -> Array:
        controls = ({"kind": "canny", "image": str(image), "net": net},) if image else ()
        return drawn(model, prompt, seed, scales, steps, controls=controls)

    return draw


def told(found: list[Pair]) -> str:
    """Means with their intervals as a table."""
    both = np.array([pair.agreements for pair in found])
    rows = []
    for k, name in enumerate(("F-score", "precision", "recall")):
        led, plain = both[:, 0, k], both[:, 1, k]
        rows.append(Row(name, *(_mean(values) for values in (led, plain, led - plain))))
    head = (f"{len(found)} held-out scenes, {len(found[0].given)} px", "led", "plain", "difference")
    return table(rows, head)


def _mean(values: Array) -> str:
    low, high = interval(values)
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def shown(found: list[Pair]) -> Image.Image:
    """The first eight: edges, led, plain."""
    side = min(WIDEST, len(found[0].given))

    def small(picture: Array) -> Array:
        return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)

    columns = zip(*((_white(one.given), one.led, one.plain) for one in found[:SHOWN]), strict=True)
    return beside(*(np.stack([small(picture) for picture in column]) for column in columns))


def _white(lines: Array) -> Array:
    return np.repeat(np.uint8(255 * lines)[..., None], 3, -1)


def led_and_plain(folder: Path, prompts: int, large: bool, steps: int) -> list[Pair]:
    scales, side = ((1, 2, LARGE), LARGE * NATIVE) if large else ((1,), NATIVE)
    return list(pairs(by_engine(folder, scales, steps), unseen(prompts), side))


def measure(folder: Path, prompts: int, large: bool, to: Path | None, steps: int) -> str:
    made = led_and_plain(folder, prompts, large, steps)
    if to:
        signed(shown(made), load_model(folder).facts.hash[:12]).save(to)
    return told(made)


def figure(folder: Path, large: bool = False) -> Image.Image:
    """Eight pairs at native size, or four at 1024 px in fewer steps."""
    return shown(led_and_plain(folder, *((4, True, 12) if large else (8, False, 20))))


def main() -> None:
    asked = argparse.ArgumentParser(prog="lab.measure.edge_agreement", description=__doc__)
    asked.add_argument("--prompts", type=int, default=16)
    asked.add_argument("--large", action="store_true", help="at 1024 px, after three stages")
    asked.add_argument("--steps", type=int, default=STEPS)
    asked.add_argument("--of", type=Path, default=Path("assets/postcards"))
    asked.add_argument("--to", type=Path, help="a picture of eight pairs")
    given = asked.parse_args()
    print(measure(given.of, given.prompts, given.large, given.to, given.steps))


if __name__ == "__main__":
    main()
