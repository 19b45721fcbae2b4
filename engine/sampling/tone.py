"""The tone of a latent: its mean and standard deviation. The first finished stage sets it for all later ones."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Tone:
    """Mean and standard deviation over all channels and cells."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, latent: Tensor) -> "Tone":
        return cls(latent.mean().item(), latent.std().item())


def match_tone(latent: Tensor, tone: Tone | None) -> tuple[Tensor, Tone]:
    """Return the latent with this tone, or with its own where there is none yet, and that tone."""
    tone = tone or Tone.of(latent)
    return with_tone(latent, tone.mean, tone.deviation), tone


def with_tone(latent: Tensor, mean: Tensor | float, deviation: Tensor | float) -> Tensor:
    """Return the latent with this mean and standard deviation."""
    return (latent - latent.mean()) / latent.std() * deviation + mean
