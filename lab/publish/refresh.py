"""Remakes all that is derived from the weights: samples, tables, the systems side by side, pictures that
follow edges, the one that the page opens with. Every figure carries the weights' hash.

On two cores it takes hours; most of what was drawn before an interruption is kept.

python -m lab.publish.refresh [--of assets/postcards] [--to lab/figures] [--only vae samples]
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from engine import Recipe, load_model
from lab.measure import base_quality, edge_agreement, judge_accuracy, repetition, systems, vae_quality
from lab.measure.base_quality import native
from lab.measure.drawing import signed
from lab.measure.vae_quality import unseen
from lab.publish import example

SAMPLES, LARGE_SAMPLES = 64, 8


def samples(folder: Path) -> Image.Image:
    """Held-out prompts at native size, as they come."""
    return _sheet(list(native(load_model(folder), unseen(SAMPLES))), 8)


def large(folder: Path) -> Image.Image:
    """Held-out prompts at four times the side: the first of those in which subjects are counted."""
    _, made = repetition.pictures(folder, LARGE_SAMPLES)
    return _sheet(made["DemoFusion"], 4)


def _sheet(pictures: list[np.ndarray], across: int) -> Image.Image:
    rows = [np.concatenate(pictures[k : k + across], 1) for k in range(0, len(pictures), across)]
    return Image.fromarray(np.concatenate(rows, 0))


TABLES: dict[str, Callable[[Path], str]] = {
    "vae": vae_quality.measure,
    "judge": judge_accuracy.measure,
    "base": base_quality.measure,
    "repetition": repetition.measure,
}
FIGURES: dict[str, Callable[[Path], Image.Image]] = {
    "rebuilt": vae_quality.figure,
    "samples": samples,
    "large": large,
    "repeated": repetition.figure,
    "systems-2x": partial(systems.figure, scale=2),
    "systems-4x": partial(systems.figure, scale=4),
    "control": edge_agreement.figure,
    "control-1024": partial(edge_agreement.figure, large=True),
}
EXAMPLE = "example"


def refresh(of: Path, to: Path, only: list[str]) -> None:
    weights = load_model(of).facts.hash[:12]
    to.mkdir(parents=True, exist_ok=True)
    for name in only:
        print(name, flush=True)
        if name in TABLES:
            (to / f"{name}.md").write_text(f"Postcards {weights}\n\n{TABLES[name](of)}\n", encoding="utf-8")
        elif name == EXAMPLE:
            example.example(of, example.PLACE, Recipe(prompt=example.PROMPT, seed=example.SEED))
        else:
            signed(FIGURES[name](of), weights).save(to / f"{name}.jpg", quality=88)


def main() -> None:
    asked = argparse.ArgumentParser(prog="lab.publish.refresh", description=__doc__)
    asked.add_argument("--of", type=Path, default=Path("assets/postcards"))
    asked.add_argument("--to", type=Path, default=Path("lab/figures"))
    known = [*TABLES, *FIGURES, EXAMPLE]
    asked.add_argument("--only", nargs="*", choices=known, default=known)
    given = asked.parse_args()
    refresh(given.of, given.to, given.only)


if __name__ == "__main__":
    main()
