"""The pilot: the same body on raw pictures of 32 px, no VAE, six subjects, an hour on two cores.

It answers before the long training whether the size ids of the lessons do what they are for.
"""

from pathlib import Path
from types import SimpleNamespace

import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import save_model
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from lab import anatomy
from lab.base import Base

SUBJECTS = ("house", "tree", "balloon", "boat", "rocket", "flower")
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
        pipe = anatomy.pipeline(channels=3)
        pipe.vae = Pixels()
        return pipe

    def write(self, learned: nn.Module, folder: Path) -> None:
        """Without a VAE it is no pipeline: only what learned is kept, for `pictures`."""
        folder.mkdir(parents=True, exist_ok=True)
        save_model(learned, folder / "pilot.safetensors")
