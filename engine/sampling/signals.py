"""What the loop yields while it works. The public events of a run are in engine/runs/events.py."""

from dataclasses import dataclass

from torch import Tensor

from engine.planning.stage import Stage
from engine.sampling.tone import Tone


@dataclass(frozen=True)
class StepStarted:
    """The n-th step of a stage starts; n is 0 before the first one, when the stage starts."""

    stage: Stage
    n: int


@dataclass(frozen=True)
class NetworkCalled:
    """The network was called once. The loop may be closed here, so that a run stops within one call."""


@dataclass(frozen=True)
class X0Predicted:
    """The denoised latent x0 that the present step predicts."""

    x0: Tensor


@dataclass(frozen=True)
class StageMade:
    """A stage's finished latent, and the tone that all stages of the run share."""

    stage: Stage
    latent: Tensor
    tone: Tone


Signal = StepStarted | NetworkCalled | X0Predicted | StageMade
