"""Generates the pictures that are measured and shown, and signs figures with the weights that made them."""

import os
import tempfile
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from engine import Failed, Model, Recipe, StageDone, generate
from engine.runs.keys import PICTURES_VERSION
from lab.world.paint import Array

STEPS = 30
# Height in px of the strip under a figure that holds the signature.
SIGNATURE_PX = 16
# Generated pictures, for reuse.
CACHE = Path(".training/drawn")


def generate_picture(
    model: Model, prompt: str, seed: int, scales: tuple[float, ...], steps: int = STEPS, **more: object
) -> Array:
    """Generate a picture with the engine and return the last stage's, in bytes (rows, cols, 3).

    more: further fields of the recipe.
    """
    return draw(model, Recipe(prompt=prompt, seed=seed, scales=scales, steps=steps, **more))


def draw(model: Model, recipe: Recipe) -> Array:
    """Draw a recipe with the engine and return the last stage's picture, in bytes (rows, cols, 3)."""
    with tempfile.TemporaryDirectory() as out:
        for event in generate(recipe, model, out=out):
            if isinstance(event, Failed):
                raise SystemExit(event.sentence)
            if isinstance(event, StageDone):
                picture = np.asarray(Image.open(event.image).convert("RGB"))
    return picture


def cached_picture(
    model: Model, prompt: str, seed: int, scales: tuple[float, ...], steps: int = STEPS, **more: object
) -> Array:
    """Return the picture with these settings from the cache, or generate it and add it; see draw_cached."""
    return draw_cached(
        model, Recipe(prompt=prompt, seed=seed, scales=tuple(map(float, scales)), steps=steps, **more)
    )


def draw_cached(model: Model, recipe: Recipe) -> Array:
    """Return the picture of a recipe from the cache, or draw it and add it.

    So an interrupted measurement continues where it was, and another judge sees the same pictures. Pictures of other
    weights, of another upscaler's file, and of an engine with another PICTURES_VERSION are not reused.
    """
    key = (model.facts.hash, recipe.hash, PICTURES_VERSION)
    file = CACHE / f"{sha256(repr(key).encode()).hexdigest()[:32]}.png"
    if not file.is_file():
        picture = draw(model, recipe)
        CACHE.mkdir(parents=True, exist_ok=True)
        # Another measurement may draw the same picture meanwhile.
        partial = file.with_suffix(f".{os.getpid()}")
        Image.fromarray(picture).save(partial, "png")
        partial.replace(file)
    return np.asarray(Image.open(file))


def add_signature(figure: Image.Image, weights: str) -> Image.Image:
    """Return the figure above a strip with the hash of the weights that made it."""
    whole = Image.new("RGB", (figure.width, figure.height + SIGNATURE_PX), "white")
    whole.paste(figure)
    ImageDraw.Draw(whole).text((4, figure.height + 2), f"Postcards {weights}", fill="black")
    return whole
