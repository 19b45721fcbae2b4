"""What the loop yields as it goes."""

from dataclasses import dataclass

from torch import Tensor

from engine.planning.stage import Stage
from engine.sampling.tone import Tone


@dataclass(frozen=True)
class At:
    """The loop has come to the n-th step that this stage works."""

    stage: Stage
    n: int


@dataclass(frozen=True)
class Foreseen:
    """The clean latent that the present step predicts."""

    clean: Tensor


@dataclass(frozen=True)
class Made:
    """A stage's finished latent, and the tone of the run."""

    stage: Stage
    latent: Tensor
    tone: Tone


Moment = At | Foreseen | Made | None
"""None comes after each call of the network."""
