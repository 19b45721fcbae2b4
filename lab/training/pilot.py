"""The pilot: a quick training of the UNet on pictures of 32 px, without a VAE and with six subjects only.

It takes an hour on two cores and answers, before the long training, whether the size ids of the lessons do
what they are for. `lab.measure.pilot` draws with it.

python -m lab.training.train pilot --to folder
"""

from pathlib import Path
from types import SimpleNamespace

import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import save_model
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from lab.models import architecture
from lab.training.base import BaseCourse

FILE = "pilot.safetensors"
SUBJECTS = ("house", "tree", "balloon", "boat", "rocket", "flower")
# Standard deviation of a picture's pixel values, which lie between -1 and 1.
PIXEL_DEVIATION = 0.5


class MeanColourVae(nn.Module):
    """A stand-in for a VAE whose latent holds the mean colour of each block of 8 x 8 px."""

    dtype, device = torch.float32, torch.device("cpu")
    config = SimpleNamespace(
        scaling_factor=1 / PIXEL_DEVIATION, latent_channels=3, block_out_channels=(1, 1), sample_size=256
    )

    def encode(self, pixels: Tensor) -> SimpleNamespace:
        return SimpleNamespace(latents=avg_pool2d(pixels, 8))

    def decode(self, latents: Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=interpolate(latents, scale_factor=8))


class PilotCourse(BaseCourse):
    """The base's course on mean colours in place of VAE latents, at full size from the first batch on."""

    small_first = 0.0
    subjects = SUBJECTS
    squares = 1.0

    def __init__(
        self, source: Path | None, device: torch.device, lessons: int = 40_000, batch: int = 32
    ) -> None:
        super().__init__(source, device, lessons, batch)

    def load_pipeline(self, source: Path | None) -> StableDiffusionXLPipeline:
        """Return a new pipeline for three channels; the pilot never continues from saved weights."""
        pipe = architecture.new_pipeline(channels=3)
        pipe.vae = MeanColourVae()
        return pipe

    def write(self, learned: nn.Module, folder: Path) -> None:
        """Save the UNet and text encoders alone, as without a VAE there is no whole pipeline."""
        folder.mkdir(parents=True, exist_ok=True)
        save_model(learned, folder / FILE)
