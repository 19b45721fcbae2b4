"""The signals that the loop yields. The public events of a run are in engine/runs/events.py."""

from dataclasses import dataclass

from torch import Tensor

from engine.planning.stage import Stage
from engine.sampling.tone import Tone


@dataclass(frozen=True)
class StepStarted:
    """Step n of a stage starts, counted from 1; n = 0 says that the stage starts."""

    stage: Stage
    n: int


@dataclass(frozen=True)
class NetworkCalled:
    """The network was called once. The caller may close the loop at this signal, so a run stops within one call."""


@dataclass(frozen=True)
class X0Predicted:
    """The present step has predicted the denoised latent x0."""

    x0: Tensor


@dataclass(frozen=True)
class StageMade:
    """A stage is finished: its latent, and the tone (mean and deviation) to which all stages are matched."""

    stage: Stage
    latent: Tensor
    tone: Tone


Signal = StepStarted | NetworkCalled | X0Predicted | StageMade
