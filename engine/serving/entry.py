"""Runs in the queue: what was requested, how far each is, and how long others wait for it. No torch."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import errors
from engine.planning.plan import Plan
from engine.recipe.recipe import Recipe
from engine.runs import store
from engine.runs.events import Event, Waiting
from engine.serving.log import EventLog

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What a run is to do: the arguments that the queue passes on to generate()."""

    recipe: Recipe
    # What the function that starts the run understands; the model pool takes a model's name.
    model: Any = None
    # (run folder, number): the stage of another run to continue from.
    resume: tuple[str | Path, int] | None = None
    # The stage to end after; None for the last one.
    until: int | None = None
    # The recipe's plan if it has been made already; only used to estimate how long the run takes.
    plan: Plan | None = None


# Starts a run in its folder and yields its events.
StartRun = Callable[[Request, Path], Iterator[Event]]
# Estimates the seconds of each stage of a request; None where they are unknown.
EstimateStages = Callable[[Request], tuple[float | None, ...]]


def no_estimate(request: Request) -> tuple[float | None, ...]:
    """Return that nothing is known of how long a request takes."""
    return ()


@dataclass(eq=False)
class Entry:
    """A run in the queue."""

    request: Request
    # The run's folder.
    run: Path
    # Estimated seconds of each stage of the plan; empty if nothing is known.
    stage_seconds: tuple[float | None, ...]
    # The clock's time when somebody last read the run's events.
    last_watched: float
    # The clock's time when the run's folder was last marked as used.
    last_marked: float
    log: EventLog = field(default_factory=EventLog)
    # What the run yields; None before it starts and after it has ended.
    events: Iterator[Event] | None = None
    # How many stages are finished.
    finished_stages: int = 0
    # The number of the last stage that was requested; 0 before the run is accepted.
    last_stage: int = 0
    # The stage to pause after, as chosen while the run goes on.
    pause_after: int | None = None

    @property
    def next_stage_seconds(self) -> float | None:
        """Estimated seconds of the next stage; None if unknown."""
        if self.finished_stages >= len(self.stage_seconds):
            return None
        return self.stage_seconds[self.finished_stages]

    @property
    def needed_paths(self) -> tuple[Path, ...]:
        """Files and folders that must stay until the run has ended.

        They are its own folder, that of the run it continues, and its images.
        """
        recipe, resume = self.request.recipe, self.request.resume
        paths = [recipe.image, *(control.image for control in recipe.controls)]
        if resume:
            paths.append(resume[0])
        return (self.run, *(Path(path) for path in paths if path))

    @property
    def is_stop_requested(self) -> bool:
        return (self.run / store.STOP_FILE).exists()

    def request_stop(self) -> None:
        """Leave a file in the run's folder that makes the run stop before its next call of the network."""
        try:
            (self.run / store.STOP_FILE).touch()
        except OSError as fault:
            log.warning("%s cannot be stopped: %s", self.run, fault)


def announce_positions(entries: Sequence[Entry], spent: float) -> None:
    """Log for each waiting run how many runs are before it, and how long they will take.

    entries: all runs in the queue, the active one first.
    spent: seconds that the active run has been at its present stage.
    """
    # Seconds until the turn of the entry in the loop; None once a run before it has no estimate.
    until_turn: float | None = 0.0
    for position, entry in enumerate(entries):
        if position > 0:
            entry.log.add(Waiting(position, until_turn))
        seconds = entry.next_stage_seconds
        if until_turn is None or seconds is None:
            until_turn = None
        elif position == 0:
            until_turn = max(0.0, seconds - spent)
        else:
            until_turn += seconds


def queue_full_message(entries: Sequence[Entry]) -> str:
    """Return a sentence that no more runs may wait, and when to try again."""
    seconds = [entry.next_stage_seconds for entry in entries]
    wait = errors.wait_time(None if None in seconds else sum(seconds))
    return errors.QUEUE_FULL.format(count=len(entries) - 1, when=wait)
