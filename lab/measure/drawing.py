"""Pictures that the engine draws to be measured and shown."""

import tempfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from engine import Failed, Model, Recipe, StageDone, generate
from lab.training.train import halves
from lab.world.paint import Array

STEPS = 30
STRIP = 16
"""px under a figure, for the hash."""
KEPT = Path(".training/drawn")
"""May be removed at any time, and is to be when the engine draws otherwise."""


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


def kept(
    model: Model, prompt: str, seed: int, scales: tuple[float, ...], steps: int = STEPS, **more: object
) -> Array:
    """The same, drawn once for these weights and settings: what was interrupted goes on, and another judge
    looks at the same pictures.
    """
    asked = (model.facts.hash, prompt, seed, tuple(map(float, scales)), steps, sorted(more.items()))
    file = KEPT / f"{sha256(repr(asked).encode()).hexdigest()[:32]}.png"
    if not file.is_file():
        made = drawn(model, prompt, seed, scales, steps, **more)
        KEPT.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        Image.fromarray(made).save(partial, "png")
        partial.replace(file)
    return np.asarray(Image.open(file))


def quickest() -> str:
    """The number format: half of it where a CPU computes with that, as fifty large pictures take an hour."""
    return "auto" if torch.cuda.is_available() or not halves(torch.device("cpu")) else "bfloat16"


def signed(figure: Image.Image, weights: str) -> Image.Image:
    """The figure over a strip that says which weights made it."""
    whole = Image.new("RGB", (figure.width, figure.height + STRIP), "white")
    whole.paste(figure)
    ImageDraw.Draw(whole).text((4, figure.height + 2), f"Postcards {weights}", fill="black")
    return whole
