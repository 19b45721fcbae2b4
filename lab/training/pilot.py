"""The pilot: the same body on raw pictures of 32 px, no VAE, six subjects, an hour on two cores.

It answers before the long training whether the size ids of the lessons do what they are for.

python -m lab.training.train pilot --to folder;  python -m lab.training.pilot folder pictures.png
"""

import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from safetensors.torch import load_file, save_model
from safetensors.torch import load_model as load_model_weights
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from engine import Failed, Model, Recipe, StageDone, generate
from engine.catalogue.entries import Defaults, Facts
from lab.measure.plain_loop import draw
from lab.models import architecture
from lab.training.base import SHOWN, Base, Learner

SUBJECTS = ("house", "tree", "balloon", "boat", "rocket", "flower")
STEPS = 20
SPREAD = 0.5
"""Deviation of a picture's levels between -1 and 1."""


class Pixels(nn.Module):
    """In a VAE's place: each cell of 8 x 8 px is its mean colour."""

    dtype, device = torch.float32, torch.device("cpu")
    config = SimpleNamespace(
        scaling_factor=1 / SPREAD, latent_channels=3, block_out_channels=(1, 1), sample_size=256
    )

    def encode(self, pixels: Tensor) -> SimpleNamespace:
        return SimpleNamespace(latents=avg_pool2d(pixels, 8))

    def decode(self, latents: Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=interpolate(latents, scale_factor=8))


class Pilot(Base):
    """The base's course on mean colours; always at full size, as that is what it asks about."""

    small_first = 0.0
    subjects = SUBJECTS
    squares = 1.0

    def __init__(
        self, source: Path | None, device: torch.device, lessons: int = 40_000, batch: int = 32
    ) -> None:
        super().__init__(source, device, lessons, batch)

    def begin(self, source: Path | None) -> StableDiffusionXLPipeline:
        pipe = architecture.pipeline(channels=3)
        pipe.vae = Pixels()
        return pipe

    def write(self, learned: nn.Module, folder: Path) -> None:
        """Without a VAE it is no pipeline: only what learned is kept, for `pictures`."""
        folder.mkdir(parents=True, exist_ok=True)
        save_model(learned, folder / "pilot.safetensors")


def model(folder: Path) -> Model:
    """The pilot as the engine sees a model."""
    pipe = architecture.pipeline(channels=3)
    learned = Learner(pipe)
    load_model_weights(learned, folder / "pilot.safetensors")
    learned.eval().requires_grad_(False)
    facts = Facts(
        name="pilot",
        family="sdxl",
        window=32,
        cell=8,
        channels=3,
        scheduler=dict(pipe.scheduler.config),
        defaults=Defaults(30, 5.0, "ddim", (1.0, 2.0, 4.0)),
        buckets=((256, 256),),
    )
    colours = torch.cat([SPREAD * torch.eye(3), torch.zeros(1, 3)])
    pipe.vae = Pixels()
    return Model(facts, pipe, colours, torch.device("cpu"))


def shown(latent: Tensor, side: int = 256) -> np.ndarray:
    """A latent of mean colours as a picture of this side."""
    pixels = (latent[0] * SPREAD).clamp(-1, 1).permute(1, 2, 0).numpy()
    levels = ((pixels + 1) * 127.5).round().astype(np.uint8)
    return np.kron(levels, np.ones((side // len(levels), side // len(levels), 1), np.uint8))


def pictures(folder: Path, prompts: tuple[str, ...], seed: int = 0) -> Image.Image:
    """For each prompt a row: native with both whole-picture ids, then direct, MultiDiffusion, DemoFusion as
    published and ours, at four times the side."""
    pilot, rows = model(folder), []
    for prompt in prompts:
        plain = {"seed": seed, "steps": STEPS}
        row = [
            draw(pilot, prompt, (32, 32), **plain),
            draw(pilot, prompt, (32, 32), **plain, ids=(1024, 1024)),
            draw(pilot, prompt, (128, 128), **plain),
            draw(pilot, prompt, (128, 128), **plain, stride=16),
        ]
        for asked in ({"faithful": True}, {"scales": (1, 2, 4)}):
            recipe = Recipe(prompt=prompt, width=1024, height=1024, **plain, **asked)
            row.append(_last(recipe, pilot))
        rows.append(np.concatenate([shown(latent) for latent in row], 1))
    return Image.fromarray(np.concatenate(rows, 0))


def _last(recipe: Recipe, pilot: Model) -> Tensor:
    """The last stage's latent."""
    with tempfile.TemporaryDirectory() as out:
        for event in generate(recipe, pilot, out=out):
            if isinstance(event, Failed):
                raise SystemExit(event.sentence)
            if isinstance(event, StageDone):
                latent = torch.tensor(load_file(event.latents)["latents"])
    return latent


if __name__ == "__main__":
    pictures(Path(sys.argv[1]), SHOWN[:4]).save(sys.argv[2])
