"""The events of a run: Accepted, then Progress, Previews and a StageDone for each stage, and a last event.

Events can be pickled. The last event is Finished, Stopped or Failed. Waiting comes from the queue, before
Accepted and between stages.
"""

import logging
import secrets
from dataclasses import dataclass, field

from engine import errors
from engine.planning.plan import Plan
from engine.recipe.recipe import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Waiting:
    """The run waits in the queue."""

    # How many runs come before this one; 0 when its turn has come.
    place: int
    # Estimated seconds until it is this run's turn; None if unknown.
    seconds: float | None


@dataclass(frozen=True)
class Progress:
    """How far the run is, after a call of the network."""

    # The number of the stage in progress.
    stage: int
    # The denoising step in progress, counted from 1.
    step: int
    # The number of steps in the stage.
    steps: int
    # The number of evaluations so far in this run.
    evaluations: int
    # The number of evaluations in the whole run.
    of: int


@dataclass(frozen=True)
class Upscaling:
    """How far an upscaler is with the enlargement that a stage starts from, or that is the stage's picture."""

    # The number of the stage in progress.
    stage: int
    # The number of finished tiles of the picture.
    tile: int
    # The number of all tiles.
    tiles: int


@dataclass(frozen=True)
class Preview:
    """A small image of the picture that a denoising step predicts."""

    # The number of the stage.
    stage: int
    # The number of the step, counted from 1.
    step: int
    # A small JPEG file.
    image: bytes


@dataclass(frozen=True)
class StageDone:
    """A stage is finished and stored."""

    # The number of the stage.
    stage: int
    # The picture's side over the native side.
    scale: float
    # (height, width) in px.
    size: tuple[int, int]
    # Path of the PNG file.
    image: str
    # Path of the safetensors file that holds the float32 tensor "latents".
    latents: str
    # Seconds that the stage took.
    seconds: float
    # The number of evaluations that the stage took.
    evaluations: int


@dataclass(frozen=True)
class Accepted:
    """The recipe is valid and the run begins."""

    # The run's folder.
    run: str
    # The recipe with every field filled.
    recipe: Recipe
    # Scale and (height, width) in px of all stages of the plan.
    stages: tuple[tuple[float, tuple[int, int]], ...]
    # The number of evaluations in the stages that are still to be made.
    evaluations: int
    # The number of the first stage that is still to be made.
    first: int
    # Settings that were changed but have no effect.
    unused: tuple[str, ...] = ()
    # Sentences for the person who requested the run, on what may be unexpected.
    notes: tuple[str, ...] = ()
    # The events of cached stages, which are not made again.
    kept: tuple[StageDone, ...] = ()
    # The plan that the run follows; not compared, so that events are equal if their plain values are.
    plan: Plan | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Retreated:
    """Memory ran out; the run continues with smaller batches or tiles, which do not change the result."""

    # The number of the stage.
    stage: int
    # The number of views in one call of the network from now on.
    view_batch: int
    # The new side of the decoder's tiles in latent cells; None if memory did not run out in the decoder.
    tile: int | None = None


@dataclass(frozen=True)
class Finished:
    """All requested stages are finished."""

    # The number of the last finished stage.
    stage: int


@dataclass(frozen=True)
class Stopped:
    """The run was stopped; finished stages are kept."""

    # The number of the unfinished stage; 0 if the run had not begun.
    stage: int
    # The number of the unfinished step; 0 if the stage had not begun.
    step: int


@dataclass(frozen=True)
class Failed:
    """The run cannot go on; finished stages are kept."""

    # What happened, for the person who requested the run.
    sentence: str
    # The name of the recipe's field that caused the failure; empty if no field did.
    field: str = ""
    # A code that also marks the cause in the log; empty if the fault is a known one.
    code: str = ""


def unexpected(fault: BaseException) -> Failed:
    """Log an exception that no other code handles, and return the event that reports the exception."""
    code = secrets.token_hex(2)
    log.error("unexpected fault %s", code, exc_info=fault)
    return Failed(errors.UNEXPECTED.format(code=code), code=code)


Event = (
    Accepted | Waiting | Progress | Upscaling | Preview | Retreated | StageDone | Finished | Stopped | Failed
)
# The last event of a run is one of these.
END = Finished | Stopped | Failed
