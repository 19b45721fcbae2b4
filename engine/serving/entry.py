"""Runs in the queue: what was requested, and how far each run is. No torch."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import errors
from engine.planning.plan import Plan
from engine.recipe.recipe import Recipe
from engine.runs import store
from engine.runs.prepare import PreparedRun
from engine.serving.log import EventLog

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What a run is to do."""

    recipe: Recipe
    # The model, in the form that the queue's workers take; for the app's workers it is a model's name.
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
    # Who takes the run's turns; empty for its owner, else its client.
    turns_of: str = ""


# Estimates the seconds of each stage of a request; None for a stage whose time is unknown.
EstimateStages = Callable[[Request], tuple[float | None, ...]]


def no_estimate(request: Request) -> tuple[float | None, ...]:
    """Return an empty tuple: an EstimateStages function that knows nothing about any request."""
    return ()


@dataclass(eq=False)
class Place:
    """A place in the queue: one run, or several that were requested together and are watched as a whole."""

    # When somebody last watched one of the runs, in seconds of the queue's clock.
    last_watched: float
    # When the runs' folders were last marked as used, in seconds of the queue's clock.
    last_marked: float
    # The runs that have not ended.
    entries: list["Entry"] = field(default_factory=list)


@dataclass(eq=False)
class Entry:
    """A run in the queue."""

    request: Request
    # The run's folder.
    run: Path
    # Estimated seconds of each stage of the plan; empty if the plan is unknown.
    stage_seconds: tuple[float | None, ...]
    place: Place
    # The events of the run so far.
    log: EventLog = field(default_factory=EventLog)
    # The run as it was prepared at its first turn; None before it.
    prepared: PreparedRun | None = None
    # The device on which the run began; empty before its first turn.
    device: str = ""
    # Whether a worker or the queue itself is busy with the run at present.
    is_active: bool = False
    # Whether the last event says that the run waits.
    is_told_to_wait: bool = False
    # Whether the run was requested to stop.
    has_stop_request: bool = False
    # The number of finished stages.
    finished_stages: int = 0
    # The number of the last stage that was requested; 0 before the run is accepted.
    last_stage: int = 0
    # The number of the stage to pause after, chosen while the run goes on; None without a pause.
    pause_after: int | None = None
    # How many workers were lost while they made the present stage.
    lost_workers: int = 0

    @property
    def owner(self) -> str:
        """Who takes the run's turns: turns go between owners."""
        return self.request.turns_of or self.request.owner or self.request.client or self.run.name

    @property
    def next_stage(self) -> int:
        """The number of the next stage."""
        return self.finished_stages + 1

    @property
    def next_key(self) -> str:
        """The stage key of the next stage; empty before the run is prepared."""
        return self.prepared.key(self.next_stage) if self.prepared else ""

    @property
    def remaining_seconds(self) -> tuple[float | None, ...]:
        """Estimated seconds of each remaining stage; of a single one of unknown length if the plan is unknown."""
        return self.stage_seconds[self.finished_stages : self.last_stage or None] or (None,)

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
        """Whether the run is to stop: the queue was asked to stop it, or its folder contains the file that stops it."""
        return self.has_stop_request or (self.run / store.STOP_FILE).exists()

    def request_stop(self) -> None:
        """Make the run stop before its next call of the network, by a file in the run's folder."""
        self.has_stop_request = True
        try:
            (self.run / store.STOP_FILE).touch()
        except OSError as fault:
            log.warning("%s has no file that stops it: %s", self.run, fault)


def queue_full_message(entries: list[Entry], waiting: int, workers: int) -> str:
    """Return the message that the queue is full and when to try again.

    entries: all runs in the queue. waiting: how many places are waiting. workers: the number of workers.
    """
    seconds = [entry.remaining_seconds[0] for entry in entries]
    known = [each for each in seconds if each is not None]
    wait = errors.waiting_phrase(sum(known) / workers if len(known) == len(seconds) else None)
    return errors.QUEUE_FULL.format(count=waiting, when=wait)
