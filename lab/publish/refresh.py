"""Remakes all that is derived from the weights: tables, figures, and the example that the page opens with.

Every table and figure is signed with the weights' hash. On two cores it takes hours; after an interruption
most pictures need not be drawn again.

python -m lab.publish.refresh [--of assets/postcards] [--to lab/figures] [--only vae samples]
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from engine import load_model
from lab.measure import (
    base_quality,
    edge_agreement,
    judge_accuracy,
    relay_quality,
    upscalers,
    vae_quality,
)
from lab.measure.base_quality import native_pictures
from lab.measure.pictures import add_signature
from lab.publish import example
from lab.world.scenes import held_out_scenes

SAMPLES = 64


def draw_samples(folder: Path) -> Image.Image:
    """Draw a sheet of held-out prompts at native size, not selected."""
    return _contact_sheet(
        list(native_pictures(load_model(folder, dtype="float32"), held_out_scenes(SAMPLES))), 8
    )


def _contact_sheet(pictures: list[np.ndarray], across: int) -> Image.Image:
    """Combine pictures to one, this many side by side."""
    rows = [np.concatenate(pictures[k : k + across], 1) for k in range(0, len(pictures), across)]
    return Image.fromarray(np.concatenate(rows, 0))


# What `refresh` makes, by name: tables as Markdown, and figures.
TABLES: dict[str, Callable[[Path], str]] = {
    "vae": vae_quality.measure,
    "judge": judge_accuracy.measure,
    "base": base_quality.measure,
    "upscalers": upscalers.measure,
    "relay": relay_quality.measure,
}
FIGURES: dict[str, Callable[[Path], Image.Image]] = {
    "rebuilt": vae_quality.figure,
    "samples": draw_samples,
    "enlarged": upscalers.figure,
    "control": edge_agreement.figure,
    "control-1024": partial(edge_agreement.figure, large=True),
}
EXAMPLES = "examples"


def refresh(of: Path, to: Path, only: list[str]) -> None:
    """Remake what is named in `only` with the model in `of`; tables and figures go to `to`."""
    weights = load_model(of, dtype="float32").facts.hash[:12]
    to.mkdir(parents=True, exist_ok=True)
    for name in only:
        print(name, flush=True)
        if name in TABLES:
            (to / f"{name}.md").write_text(f"Postcards {weights}\n\n{TABLES[name](of)}\n", encoding="utf-8")
        elif name == EXAMPLES:
            for each in example.EXAMPLES:
                example.make_named_example(of, each)
        else:
            add_signature(FIGURES[name](of), weights).save(to / f"{name}.jpg", quality=88)


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.publish.refresh", description=__doc__)
    parser.add_argument("--of", type=Path, default=Path("assets/postcards"))
    parser.add_argument("--to", type=Path, default=Path("lab/figures"))
    known = [*TABLES, *FIGURES, EXAMPLES]
    parser.add_argument("--only", nargs="*", choices=known, default=known)
    arguments = parser.parse_args()
    refresh(arguments.of, arguments.to, arguments.only)


if __name__ == "__main__":
    main()
