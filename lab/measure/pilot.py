"""Draws the pilot's pictures: does a small model repeat its subject, and which method avoids it?

python -m lab.measure.pilot FOLDER pictures.png

FOLDER holds the weights that `python -m lab.training.train pilot --to FOLDER` has written.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from safetensors.torch import load_file, load_model
from torch import Tensor

from engine import Failed, Model, Recipe, StageDone, generate
from engine.catalogue.entries import Defaults, Facts
from lab.measure import plain_loop
from lab.models import architecture
from lab.training.base import PREVIEW_PROMPTS, Learner
from lab.training.pilot import FILE, PIXEL_DEVIATION, MeanColourVae

STEPS = 20


def pilot_facts(pipe: StableDiffusionXLPipeline) -> Facts:
    """Return the pilot's facts for the engine: mean colours of 8 x 8 px, native size 256 x 256 px."""
    return Facts(
        name="pilot",
        family="sdxl",
        window=32,
        cell=8,
        channels=3,
        scheduler=dict(pipe.scheduler.config),
        defaults=Defaults(30, 5.0, "ddim", (1.0, 2.0, 4.0)),
        buckets=((256, 256),),
    )


def load_pilot(folder: Path) -> Model:
    """Load the trained pilot as a model that the engine can run."""
    pipe = architecture.new_pipeline(channels=3)
    learner = Learner(pipe)
    load_model(learner, folder / FILE)
    learner.eval().requires_grad_(False)
    pipe.vae = MeanColourVae()
    preview_colours = torch.cat([PIXEL_DEVIATION * torch.eye(3), torch.zeros(1, 3)])
    return Model(pilot_facts(pipe), pipe, preview_colours, torch.device("cpu"))


def to_picture(latent: Tensor, side: int = 256) -> np.ndarray:
    """Convert a latent of mean colours to a picture of `side` px, each latent cell a plain square."""
    pixels = (latent[0] * PIXEL_DEVIATION).clamp(-1, 1).permute(1, 2, 0).numpy()
    levels = ((pixels + 1) * 127.5).round().astype(np.uint8)
    return np.kron(levels, np.ones((side // len(levels), side // len(levels), 1), np.uint8))


def comparison(folder: Path, prompts: tuple[str, ...], seed: int = 0) -> Image.Image:
    """Draw one row of six pictures for each prompt.

    The first two are of native size, with the size ids of a native and of a large picture. Four are of four
    times the side: direct inference, MultiDiffusion, DemoFusion as published, and our DemoFusion.
    """
    model, rows = load_pilot(folder), []
    for prompt in prompts:
        common = {"seed": seed, "steps": STEPS}
        row = [
            plain_loop.draw(model, prompt, (32, 32), **common),
            plain_loop.draw(model, prompt, (32, 32), **common, ids=(1024, 1024)),
            plain_loop.draw(model, prompt, (128, 128), **common),
            plain_loop.draw(model, prompt, (128, 128), **common, stride=16),
        ]
        for settings in ({"faithful": True}, {"scales": (1, 2, 4)}):
            recipe = Recipe(prompt=prompt, width=1024, height=1024, **common, **settings)
            row.append(_last_latent(recipe, model))
        rows.append(np.concatenate([to_picture(latent) for latent in row], 1))
    return Image.fromarray(np.concatenate(rows, 0))


def _last_latent(recipe: Recipe, model: Model) -> Tensor:
    """Run the recipe and return the latent of its last stage."""
    with tempfile.TemporaryDirectory() as out:
        for event in generate(recipe, model, out=out):
            if isinstance(event, Failed):
                raise SystemExit(event.sentence)
            if isinstance(event, StageDone):
                latent = torch.tensor(load_file(event.latents)["latents"])
    return latent


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.measure.pilot", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder with the pilot's weights")
    parser.add_argument("to", type=Path, help="the picture to write")
    arguments = parser.parse_args()
    comparison(arguments.folder, PREVIEW_PROMPTS[:4]).save(arguments.to)


if __name__ == "__main__":
    main()
