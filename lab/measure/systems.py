"""Draws all systems side by side in one labelled picture, with the same model, prompts and seeds.

A system is a method; the method `upscaler` appears once for each of the upscalers that are compared.

python -m lab.measure.systems [--of assets/postcards] [--to lab/figures] [--scale 4] [--steps 10]
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from engine import Model, load_model
from engine.catalogue.upscalers import has_upscaler
from engine.export.lettering import load_font
from engine.methods import METHODS
from lab.measure.pictures import add_signature, cached_picture

PROMPTS = (
    "a red house on snow at night",
    "a white boat on water at sunset",
    "a green tree on grass at noon",
    "a yellow balloon on sand at day",
)
# The upscalers that are compared; those that are not on this machine are left out.
UPSCALERS = ("lanczos", "postcards", "realesrgan")
# Steps by scale.
STEPS = {2: 20, 4: 10}
# px of a picture's side in the figure, and of the height of the title line above it.
PICTURE_PX, TITLE_PX = 320, 28


def scales_to(scale: int) -> tuple[float, ...]:
    """Return the scales of all stages: 1, 2, 4 and so on up to this one."""
    return tuple(float(2**k) for k in range(scale.bit_length()))


def systems() -> dict[str, dict[str, str]]:
    """Return the settings of each system by its name."""
    plain = {method: {"method": method} for method in METHODS if not METHODS[method].upscales}
    present = [name for name in UPSCALERS if has_upscaler(name)]
    return plain | {f"upscaler: {name}": {"method": "upscaler", "enlarge": name} for name in present}


def draw_row(model: Model, settings: dict[str, str], scale: int, steps: int) -> list[np.ndarray]:
    """Draw all prompts with one system."""
    return [
        cached_picture(model, prompt, seed, scales_to(scale), steps, **settings)
        for seed, prompt in enumerate(PROMPTS)
    ]


def sheet(rows: dict[str, list[np.ndarray]]) -> Image.Image:
    """Combine pictures by system to one figure: a column for each system, a row for each prompt."""
    names = list(rows)
    whole = Image.new("RGB", (PICTURE_PX * len(names), TITLE_PX + PICTURE_PX * len(PROMPTS)), "white")
    pen = ImageDraw.Draw(whole)
    for k, name in enumerate(names):
        pen.text((PICTURE_PX * k + 6, 4), name, fill="black", font=load_font(18))
        for n, picture in enumerate(rows[name]):
            small = Image.fromarray(picture).resize((PICTURE_PX, PICTURE_PX), Image.Resampling.LANCZOS)
            whole.paste(small, (PICTURE_PX * k, TITLE_PX + PICTURE_PX * n))
    return whole


def figure(folder: Path, scale: int, steps: int | None = None) -> Image.Image:
    """Draw the figure of all systems at this scale."""
    model, rows = load_model(folder), {}
    for name, settings in systems().items():
        rows[name] = draw_row(model, settings, scale, steps or STEPS[scale])
        print(name, flush=True)
    return sheet(rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.measure.systems", description=__doc__)
    parser.add_argument("--of", type=Path, default=Path("assets/postcards"))
    parser.add_argument("--to", type=Path, default=Path("lab/figures"))
    parser.add_argument("--scale", type=int, choices=tuple(STEPS), default=4)
    parser.add_argument("--steps", type=int)
    arguments = parser.parse_args()
    whole = add_signature(
        figure(arguments.of, arguments.scale, arguments.steps),
        load_model(arguments.of, dtype="float32").facts.hash[:12],
    )
    arguments.to.mkdir(parents=True, exist_ok=True)
    whole.save(arguments.to / f"systems-{arguments.scale}x.jpg", quality=88)


if __name__ == "__main__":
    main()
