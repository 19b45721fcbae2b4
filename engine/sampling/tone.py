"""The tone of a latent: its mean and standard deviation. The first finished stage sets it for all later ones."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Tone:
    """Mean and standard deviation of a latent over all channels and cells."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, latent: Tensor) -> "Tone":
        """Return the tone of a latent."""
        return cls(latent.mean().item(), latent.std().item())


def match_tone(latent: Tensor, tone: Tone | None) -> tuple[Tensor, Tone]:
    """Return the latent shifted and scaled to a tone, and this tone. None keeps the latent's own tone."""
    tone = tone or Tone.of(latent)
    return with_tone(latent, tone.mean, tone.deviation), tone


def with_tone(latent: Tensor, mean: Tensor | float, deviation: Tensor | float) -> Tensor:
    """Return the latent shifted and scaled to this mean and standard deviation."""
    return (latent - latent.mean()) / latent.std() * deviation + mean
