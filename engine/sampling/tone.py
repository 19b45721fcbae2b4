"""The tone of a latent: its mean and standard deviation. The first finished stage sets it for all later ones."""

from typing import NamedTuple

import torch
from torch import Tensor


class Tone(NamedTuple):
    """Mean and standard deviation of a latent over all channels and cells, as tensors without dimensions.

    They stay on the latent's device, because reading them would wait for it.
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, latent: Tensor) -> "Tone":
        """Return the tone of a latent."""
        return cls(latent.mean(), latent.std())

    @classmethod
    def from_numbers(cls, mean: float, deviation: float, device: torch.device | None = None) -> "Tone":
        """Return a tone with this mean and standard deviation, on a device (CPU if None)."""
        return cls(
            *(torch.tensor(number, dtype=torch.float32, device=device) for number in (mean, deviation))
        )

    def to_numbers(self) -> tuple[float, float]:
        """Return the mean and the standard deviation as numbers."""
        return self.mean.item(), self.deviation.item()


def match_tone(latent: Tensor, tone: Tone | None) -> tuple[Tensor, Tone]:
    """Return the latent shifted and scaled to a tone, and this tone. None keeps the latent's own tone."""
    tone = tone or Tone.of(latent)
    return with_tone(latent, tone.mean, tone.deviation), tone


def with_tone(latent: Tensor, mean: Tensor | float, deviation: Tensor | float) -> Tensor:
    """Return the latent shifted and scaled to this mean and standard deviation."""
    return (latent - latent.mean()) / latent.std() * deviation + mean
