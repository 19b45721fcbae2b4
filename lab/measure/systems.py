"""All systems side by side: the same prompts and seeds, one model, one labelled picture.

python -m lab.measure.systems [--of assets/postcards] [--to lab/figures] [--scale 4] [--steps 10]
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from engine import Model, load_model
from engine.export.lettering import font_of
from engine.methods import METHODS
from lab.measure.drawing import kept, quickest, signed

PROMPTS = (
    "a red house on snow at night",
    "a white boat on water at sunset",
    "a green tree on grass at noon",
    "a yellow balloon on sand at day",
)
STEPS = {2: 20, 4: 10}
"""By how many times the side."""
SIDE, HEAD = 320, 28
"""px of a picture as it is shown, and of the line above it."""


def scales_to(scale: int) -> tuple[float, ...]:
    """1, 2, 4 … to this one."""
    return tuple(float(2**k) for k in range(scale.bit_length()))


def row(model: Model, method: str, scale: int, steps: int) -> list[np.ndarray]:
    """One system's pictures."""
    return [
        kept(model, prompt, seed, scales_to(scale), steps, method=method)
        for seed, prompt in enumerate(PROMPTS)
    ]


def sheet(rows: dict[str, list[np.ndarray]]) -> Image.Image:
    """A column for each system, a row for each prompt."""
    names = list(rows)
    whole = Image.new("RGB", (SIDE * len(names), HEAD + SIDE * len(PROMPTS)), "white")
    pen = ImageDraw.Draw(whole)
    for k, name in enumerate(names):
        pen.text((SIDE * k + 6, 4), name, fill="black", font=font_of(18))
        for n, picture in enumerate(rows[name]):
            small = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            whole.paste(small, (SIDE * k, HEAD + SIDE * n))
    return whole


def figure(folder: Path, scale: int, steps: int | None = None) -> Image.Image:
    """All systems at this many times the side."""
    model, rows = load_model(folder, dtype=quickest()), {}
    for method in METHODS:
        rows[method] = row(model, method, scale, steps or STEPS[scale])
        print(method, flush=True)
    return sheet(rows)


def main() -> None:
    asked = argparse.ArgumentParser(prog="lab.measure.systems", description=__doc__)
    asked.add_argument("--of", type=Path, default=Path("assets/postcards"))
    asked.add_argument("--to", type=Path, default=Path("lab/figures"))
    asked.add_argument("--scale", type=int, choices=tuple(STEPS), default=4)
    asked.add_argument("--steps", type=int)
    given = asked.parse_args()
    whole = signed(figure(given.of, given.scale, given.steps), load_model(given.of).facts.hash[:12])
    given.to.mkdir(parents=True, exist_ok=True)
    whole.save(given.to / f"systems-{given.scale}x.jpg", quality=88)


if __name__ == "__main__":
    main()
