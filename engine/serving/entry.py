"""Runs in the queue: what was requested, how far each run is, and how long waiting runs will wait. No torch."""

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
    # The model, in the form that the queue's StartRun function takes; for the model pool it is a model's name.
    model: Any = None
    # (run folder, number) of a stage to continue from, even if it was made with other settings. With None, only cached
    # stages with the same settings are reused.
    resume: tuple[str | Path, int] | None = None
    # The number of the stage to end after; None for the last stage.
    until: int | None = None
    # The recipe's plan, only used to estimate how long the run takes; None if no plan has been made yet.
    plan: Plan | None = None
    # The secret that owns the run, see engine/runs/owner.py; empty for a run without an owner.
    owner: str = field(default="", repr=False)
    # Who asked for the run, for the limit of runs per client; empty for no limit.
    client: str = ""


# Starts a run in its folder and yields its events.
StartRun = Callable[[Request, Path], Iterator[Event]]
# Estimates the seconds of each stage of a request; None for a stage whose time is unknown.
EstimateStages = Callable[[Request], tuple[float | None, ...]]


def no_estimate(request: Request) -> tuple[float | None, ...]:
    """Return an empty tuple: an EstimateStages function that knows nothing about any request."""
    return ()


@dataclass(eq=False)
class Entry:
    """A run in the queue."""

    request: Request
    # The run's folder.
    run: Path
    # Estimated seconds of each stage of the plan; empty if the plan is unknown.
    stage_seconds: tuple[float | None, ...]
    # When somebody last watched the run, in seconds of the queue's clock.
    last_watched: float
    # When the run's folder was last marked as used, in seconds of the queue's clock.
    last_marked: float
    # The events of the run so far.
    log: EventLog = field(default_factory=EventLog)
    # The iterator that advances the run; None before the run starts and after it has ended.
    events: Iterator[Event] | None = None
    # The number of finished stages.
    finished_stages: int = 0
    # The number of the last stage that was requested; 0 before the run is accepted.
    last_stage: int = 0
    # The number of the stage to pause after, chosen while the run goes on; None without a pause.
    pause_after: int | None = None

    @property
    def next_stage_seconds(self) -> float | None:
        """Estimated seconds of the next stage; None if unknown."""
        if self.finished_stages >= len(self.stage_seconds):
            return None
        return self.stage_seconds[self.finished_stages]

    @property
    def needed_paths(self) -> tuple[Path, ...]:
        """Files and folders that must not be removed before the run has ended.

        They are the run's folder, the folder of the run that it continues, and the recipe's images.
        """
        recipe, resume = self.request.recipe, self.request.resume
        paths: list[str | Path | None] = [recipe.image, *(control.image for control in recipe.controls)]
        if resume:
            paths.append(resume[0])
        return (self.run, *(Path(path) for path in paths if path))

    @property
    def is_stop_requested(self) -> bool:
        """Whether the run's folder contains the file that makes the run stop."""
        return (self.run / store.STOP_FILE).exists()

    def request_stop(self) -> None:
        """Make the run stop before its next call of the network, by a file in the run's folder."""
        try:
            (self.run / store.STOP_FILE).touch()
        except OSError as fault:
            log.warning("%s cannot be stopped: %s", self.run, fault)


def announce_positions(entries: Sequence[Entry], seconds_spent: float) -> None:
    """Add a Waiting event to the log of each waiting run: its position in the queue, and the seconds until its turn.

    entries: all runs in the queue, the active one first.
    seconds_spent: seconds since the active run began its present stage.
    """
    # Seconds until the turn of the entry; None after an entry without an estimate.
    until_turn: float | None = 0.0
    for position, entry in enumerate(entries):
        if position > 0:
            entry.log.add(Waiting(position, until_turn))
        seconds = entry.next_stage_seconds
        if until_turn is None or seconds is None:
            until_turn = None
        elif position == 0:
            until_turn = max(0.0, seconds - seconds_spent)
        else:
            until_turn += seconds


def queue_full_message(entries: Sequence[Entry]) -> str:
    """Return the message that the queue is full and when to try again."""
    seconds = [entry.next_stage_seconds for entry in entries]
    known = [each for each in seconds if each is not None]
    wait = errors.waiting_phrase(sum(known) if len(known) == len(seconds) else None)
    return errors.QUEUE_FULL.format(count=len(entries) - 1, when=wait)
