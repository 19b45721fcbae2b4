"""What a run tells, in order: Accepted, then Progress and Preview, a StageDone for each stage, and one end.

Plain values that can be pickled and sent; an end is Finished, Stopped or Failed. Waiting comes from a queue.
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
    """Runs before this one, and about how long they take; None while that is not known."""

    place: int
    seconds: float | None


@dataclass(frozen=True)
class Progress:
    """After a call of the network: the step at work, and evaluations of the whole run."""

    stage: int
    step: int
    steps: int
    evaluations: int
    of: int


@dataclass(frozen=True)
class Preview:
    """The picture that the present step foresees: JPEG bytes, small."""

    stage: int
    step: int
    image: bytes


@dataclass(frozen=True)
class StageDone:
    """A stage is on disk: image is its PNG, latents the safetensors file with its float32 "latents"."""

    stage: int
    scale: float
    size: tuple[int, int]
    image: str
    latents: str
    seconds: float
    evaluations: int


@dataclass(frozen=True)
class Accepted:
    """The run will be tried. stages: (scale, size) of all; kept: those that are there already; first: the
    first to be made. unused: settings that were changed and do nothing. notes: worth knowing. plan: whole.
    """

    run: str
    recipe: Recipe
    stages: tuple[tuple[float, tuple[int, int]], ...]
    evaluations: int
    first: int
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    kept: tuple[StageDone, ...] = ()
    # Events are compared by their plain values.
    plan: Plan | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Retreated:
    """Memory ran out and the run goes on with this many views at once; the picture stays the same.

    tile: side in cells of the decoder's tiles, where it was the decoder's memory.
    """

    stage: int
    view_batch: int
    tile: int | None = None


@dataclass(frozen=True)
class Finished:
    """All that was asked for is done; `stage` is the last one made."""

    stage: int


@dataclass(frozen=True)
class Stopped:
    """Stopped by request inside this stage, before this step; earlier ones are kept. Stage 0: it waited."""

    stage: int
    step: int


@dataclass(frozen=True)
class Failed:
    """What happened, in a sentence. `field`: the setting at fault. `code`: marks the cause in the log."""

    sentence: str
    field: str = ""
    code: str = ""


def unexpected(fault: BaseException) -> Failed:
    """What nobody foresaw, under a code that marks it in the log."""
    code = secrets.token_hex(2)
    log.error("unexpected fault %s", code, exc_info=fault)
    return Failed(errors.UNEXPECTED.format(code=code), code=code)


Event = Accepted | Waiting | Progress | Preview | Retreated | StageDone | Finished | Stopped | Failed
END = Finished | Stopped | Failed
