"""Mean and deviation of a latent: the tone that the first finished one sets and every later one is given."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Tone:
    mean: float
    deviation: float

    @classmethod
    def of(cls, latent: Tensor) -> "Tone":
        return cls(latent.mean().item(), latent.std().item())

    def match(self, latent: Tensor) -> Tensor:
        return toned(latent, self.mean, self.deviation)


def toned(latent: Tensor, mean: Tensor | float, deviation: Tensor | float) -> Tensor:
    """The latent with this mean and deviation, over all channels and cells."""
    return (latent - latent.mean()) / latent.std() * deviation + mean
