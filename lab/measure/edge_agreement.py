"""Measures how closely Postcards follows the edges of a ControlNet condition.

python -m lab.measure.edge_agreement [--prompts 16] [--large] [--steps 30] [--of FOLDER] [--to pairs.png]

Held-out scenes are rendered. Their prompts are then drawn twice from one seed, with and without the edges of
the rendering as condition: at 256 px, or with --large at 1024 px in stages of 1, 2 and 4.
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
from lab.measure.pictures import STEPS, add_signature, generate_picture
from lab.measure.tables import Row, table
from lab.training.controlnet import DEFAULT_THRESHOLDS, FOLDER, canny_edges, comparison_grid
from lab.world.lessons import NATIVE_SIDE
from lab.world.paint import Array
from lab.world.scenes import Scene, held_out_scenes, phrases, render

# The last scale of --large.
LARGE = 4
# px by which an edge may miss the reference edge.
TOLERANCE = 2
# Resamplings for a confidence interval.
BOOTSTRAP_SAMPLES = 4000
# Pairs in the grid, and the largest side in px of a picture in it.
GRID_PAIRS, MAX_PICTURE_PX = 8, 512

# Draws a prompt with a seed, following the edges of the picture at the path, if there is one.
DrawFunction = Callable[[str, int, Path | None], Array]


class Agreement(NamedTuple):
    """How well found edges agree with reference edges, each number from 0 to 1."""

    # Harmonic mean of precision and recall.
    score: float
    # Share of the found edges that lie near a reference edge.
    precision: float
    # Share of the reference edges that lie near a found edge.
    recall: float


def compare_edges(found: Array, reference: Array, tolerance: float = TOLERANCE) -> Agreement:
    """Compare two edge maps, True on an edge. Two empty maps agree; an empty and a filled one do not."""
    if not found.any() or not reference.any():
        value = float(not found.any() and not reference.any())
        return Agreement(value, value, value)
    precision, recall = _share_near(found, reference, tolerance), _share_near(reference, found, tolerance)
    return Agreement(f_score(precision, recall), precision, recall)


def f_score(precision: float, recall: float) -> float:
    """Return the harmonic mean of precision and recall."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _share_near(first: Array, second: Array, tolerance: float) -> float:
    """Return the share of the first map's edges that lie within the tolerance of one of the second's."""
    distance = cv2.distanceTransform(np.uint8(~second), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float((distance[first] <= tolerance).mean())


def bootstrap_interval(values: Iterable[float], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % confidence interval of the mean of these values, by bootstrap."""
    values = np.asarray(list(values), float)
    chosen = np.random.RandomState(seed).randint(len(values), size=(BOOTSTRAP_SAMPLES, len(values)))
    low, high = np.percentile(values[chosen].mean(1), (2.5, 97.5))
    return float(low), float(high)


@dataclass(frozen=True, eq=False)
class Pair:
    """A scene's edges, and its prompt drawn with and without them."""

    # The edge map of the rendered scene.
    reference: Array
    # The picture drawn with the edges as condition, and the one drawn without.
    controlled: Array
    plain: Array

    @property
    def agreements(self) -> tuple[Agreement, Agreement]:
        """Agreement of both pictures with the scene's edges: of the controlled one, and of the plain one."""
        controlled, plain = (
            compare_edges(canny_edges(picture, *DEFAULT_THRESHOLDS), self.reference)
            for picture in (self.controlled, self.plain)
        )
        return controlled, plain


def draw_pairs(draw: DrawFunction, scenes: list[Scene], side: int) -> Iterable[Pair]:
    """Yield a pair for each scene, rendered and drawn at this side in px, each with a seed of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for seed, one in enumerate(scenes):
            true = render(one, (side, side))
            path = Path(folder, f"{seed}.png")
            Image.fromarray(true).save(path)
            prompt = phrases(one)[0]
            yield Pair(
                canny_edges(true, *DEFAULT_THRESHOLDS), draw(prompt, seed, path), draw(prompt, seed, None)
            )


def engine_drawing(folder: Path, scales: tuple[float, ...], steps: int = STEPS) -> DrawFunction:
    """Return a function that draws with the model of a pipeline folder and its ControlNet."""
    model, net = load_model(folder), str(folder / FOLDER)

    def draw(prompt: str, seed: int, image: Path | None) -> Array:
        controls = ({"kind": "canny", "image": str(image), "net": net},) if image else ()
        return generate_picture(model, prompt, seed, scales, steps, controls=controls)

    return draw


def agreement_table(pairs: list[Pair]) -> str:
    """Return a table of mean agreements with their confidence intervals."""
    both = np.array([pair.agreements for pair in pairs])
    rows = []
    for k, name in enumerate(("F-score", "precision", "recall")):
        controlled, plain = both[:, 0, k], both[:, 1, k]
        rows.append(Row(name, *(_mean_text(values) for values in (controlled, plain, controlled - plain))))
    title = f"{len(pairs)} held-out scenes, {len(pairs[0].reference)} px"
    head = (title, "with control", "without", "difference")
    return table(rows, head)


def _mean_text(values: Array) -> str:
    """Return a mean with its confidence interval."""
    low, high = bootstrap_interval(values)
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def pairs_grid(pairs: list[Pair]) -> Image.Image:
    """Show the first eight pairs: edges, with control, without."""
    side = min(MAX_PICTURE_PX, len(pairs[0].reference))

    def small(picture: Array) -> Array:
        return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)

    columns = zip(
        *((_to_picture(one.reference), one.controlled, one.plain) for one in pairs[:GRID_PAIRS]), strict=True
    )
    return comparison_grid(*(np.stack([small(picture) for picture in column]) for column in columns))


def _to_picture(lines: Array) -> Array:
    """Convert an edge map to white lines on black, in bytes (rows, cols, 3)."""
    return np.repeat(np.uint8(255 * lines)[..., None], 3, -1)


def make_pairs(folder: Path, prompts: int, large: bool, steps: int) -> list[Pair]:
    """Render and draw this many held-out scenes, at native size or at four times the side."""
    scales, side = ((1, 2, LARGE), LARGE * NATIVE_SIDE) if large else ((1,), NATIVE_SIDE)
    return list(draw_pairs(engine_drawing(folder, scales, steps), held_out_scenes(prompts), side))


def measure(folder: Path, prompts: int, large: bool, to: Path | None, steps: int) -> str:
    """Return a table of the agreement of edges; write a grid of pairs to the path, if there is one."""
    pairs = make_pairs(folder, prompts, large, steps)
    if to:
        add_signature(pairs_grid(pairs), load_model(folder, dtype="float32").facts.hash[:12]).save(to)
    return agreement_table(pairs)


def figure(folder: Path, large: bool = False) -> Image.Image:
    """Draw the grid of eight pairs at native size, or of four at 1024 px in fewer steps."""
    prompts, steps = (4, 12) if large else (8, 20)
    return pairs_grid(make_pairs(folder, prompts, large, steps))


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.measure.edge_agreement", description=__doc__)
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--large", action="store_true", help="at 1024 px, after three stages")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--of", type=Path, default=Path("assets/postcards"))
    parser.add_argument("--to", type=Path, help="a picture of eight pairs")
    arguments = parser.parse_args()
    print(measure(arguments.of, arguments.prompts, arguments.large, arguments.to, arguments.steps))


if __name__ == "__main__":
    main()
