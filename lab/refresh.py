"""Remakes all that is derived from the weights: samples and tables. Every figure carries the weights' hash.

python -m lab.refresh [--of assets/postcards] [--to lab/figures] [--only vae samples]
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from engine import load_model
from lab import measure_base, measure_judge, measure_vae, repetition
from lab.measure_base import native
from lab.measure_vae import unseen

SAMPLES, LARGE_SAMPLES = 64, 8
STRIP = 16
"""px under a figure, for the hash."""


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
    "vae": measure_vae.measure,
    "judge": measure_judge.measure,
    "base": measure_base.measure,
    "repetition": repetition.measure,
}
FIGURES: dict[str, Callable[[Path], Image.Image]] = {
    "samples": samples,
    "large": large,
    "repeated": repetition.figure,
}


def signed(figure: Image.Image, weights: str) -> Image.Image:
    """The figure over a strip that says which weights made it."""
    whole = Image.new("RGB", (figure.width, figure.height + STRIP), "white")
    whole.paste(figure)
    ImageDraw.Draw(whole).text((4, figure.height + 2), f"Postcards {weights}", fill="black")
    return whole


def refresh(of: Path, to: Path, only: list[str]) -> None:
    weights = load_model(of).facts.hash[:12]
    to.mkdir(parents=True, exist_ok=True)
    for name in only:
        print(name, flush=True)
        if name in TABLES:
            (to / f"{name}.md").write_text(f"Postcards {weights}\n\n{TABLES[name](of)}\n", encoding="utf-8")
        else:
            signed(FIGURES[name](of), weights).save(to / f"{name}.jpg", quality=88)


def main() -> None:
    asked = argparse.ArgumentParser(prog="lab.refresh", description=__doc__)
    asked.add_argument("--of", type=Path, default=Path("assets/postcards"))
    asked.add_argument("--to", type=Path, default=Path("lab/figures"))
    known = [*TABLES, *FIGURES]
    asked.add_argument("--only", nargs="*", choices=known, default=known)
    given = asked.parse_args()
    refresh(given.of, given.to, given.only)


if __name__ == "__main__":
    main()
