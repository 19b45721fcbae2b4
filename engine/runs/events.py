"""The events of a run: Accepted, then Progress, Previews and a StageDone for each stage, and a last one.

Events can be pickled. The last one is Finished, Stopped or Failed. Waiting comes from the queue, before Accepted.
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

    # How many runs come before this one.
    place: int
    # Estimated seconds until it is this run's turn; None if unknown.
    seconds: float | None


@dataclass(frozen=True)
class Progress:
    """The network has been called."""

    stage: int
    # The step in progress, counted from 1, and the steps of the stage.
    step: int
    steps: int
    # Evaluations of this run so far, and until its end.
    evaluations: int
    of: int


@dataclass(frozen=True)
class Preview:
    """The picture as it is predicted at a step."""

    stage: int
    step: int
    # A small JPEG file.
    image: bytes


@dataclass(frozen=True)
class StageDone:
    """A stage is finished and stored."""

    stage: int
    scale: float
    # (height, width) in px.
    size: tuple[int, int]
    # Path of the PNG file.
    image: str
    # Path of the safetensors file that holds the float32 tensor "latents".
    latents: str
    # How long the stage took.
    seconds: float
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
    # Evaluations that the stages to be made take.
    evaluations: int
    # The number of the first stage to be made.
    first: int
    # Settings that were changed but have no effect.
    unused: tuple[str, ...] = ()
    # Sentences on what the person who requested the run may not expect.
    notes: tuple[str, ...] = ()
    # Stages that were cached and are not made again.
    kept: tuple[StageDone, ...] = ()
    # The plan that the run follows; not compared, so that events are equal if their plain values are.
    plan: Plan | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Retreated:
    """Memory ran out and the run continues with less at once; the picture does not change."""

    stage: int
    # Views in a call of the network from now on.
    view_batch: int
    # The side of the decoder's tiles in latent cells, if memory ran out in the decoder.
    tile: int | None = None


@dataclass(frozen=True)
class Finished:
    """All requested stages are finished."""

    # The number of the last one.
    stage: int


@dataclass(frozen=True)
class Stopped:
    """The run was stopped; finished stages are kept."""

    # The stage and the step that were not finished; both 0 if the run had not begun.
    stage: int
    step: int


@dataclass(frozen=True)
class Failed:
    """The run cannot go on; finished stages are kept."""

    # What happened, for the person who requested the run.
    sentence: str
    # The recipe's field that is to blame, if one is.
    field: str = ""
    # A code that marks the cause in the log, if it was unexpected.
    code: str = ""


def unexpected(fault: BaseException) -> Failed:
    """Log an exception that no code handles, and return the event that reports it."""
    code = secrets.token_hex(2)
    log.error("unexpected fault %s", code, exc_info=fault)
    return Failed(errors.UNEXPECTED.format(code=code), code=code)


Event = Accepted | Waiting | Progress | Preview | Retreated | StageDone | Finished | Stopped | Failed
# The last event of a run is one of these.
END = Finished | Stopped | Failed
