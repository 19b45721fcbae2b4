"""The signals that the loop yields. The public events of a run are in engine/runs/events.py."""

from dataclasses import dataclass

from PIL import Image
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
    # The picture of a stage that an upscaler made; None if the picture is decoded from the latent.
    picture: Image.Image | None = None


@dataclass(frozen=True)
class TileUpscaled:
    """The upscaler starts the enlargement with which a stage starts, or has finished a tile of it."""

    # The number of finished tiles.
    done: int
    # The number of all tiles.
    of: int
    # The new side of a tile in px if memory has run out, so that tiles are smaller from now on; else None.
    smaller_side: int | None = None


Signal = StepStarted | TileUpscaled | NetworkCalled | X0Predicted | StageMade
