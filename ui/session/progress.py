"""What is known of a run from its events, and how long it will still take."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from engine.planning.plan import Plan
from engine.runs.events import END, Accepted, Event, Preview, Progress, Retreated, StageDone, Waiting
from ui.session.finished import FinishedStage

# Seconds after which the speed measured in the present stage replaces the remembered one.
MEASURE_SECONDS = 1.0


@dataclass(eq=False)
class RunProgress:
    """A run as the pages that follow it know it: the state that results from its events so far."""

    # The run's folder.
    run: Path
    # The event with which the run began.
    accepted: Accepted | None = None
    plan: Plan | None = None
    # Finished stages by number, those that were cached among them.
    finished: dict[int, StageDone | FinishedStage] = field(default_factory=dict)
    # The newest event of its kind in the present stage.
    last_progress: Progress | None = None
    preview: Preview | None = None
    # The run's place in the queue, while it waits.
    waiting: Waiting | None = None
    # The event with which the run ended.
    end: Event | None = None
    # Whether memory ran out and the run continued with smaller batches or tiles.
    has_smaller_batch: bool = False
    # Whether the run was asked to stop.
    is_stopping: bool = False
    # The number of the next event to ask the queue for.
    next_event: int = 0
    # Evaluations of this run before the present stage.
    evaluations_before: int = 0
    # When the first progress of the present stage arrived, and at how many evaluations of the run.
    first_progress: tuple[float, int] | None = None
    # The stage that the run was started to end with; None for the last one.
    until: int | None = None
    # The stage after which the run is to pause, as chosen while it runs.
    pause_after: int | None = None
    # The name of the model that the run was started with.
    model: str = ""
    clock: Callable[[], float] = time.monotonic

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def last_stage(self) -> int:
        """The number of the last finished stage; 0 if none is finished."""
        return max(self.finished, default=0)

    def take_events(self, events: Iterable[Event]) -> bool:
        """Apply new events. Return whether screen readers are to announce any: a start, a stage or an end."""
        announce = False
        for event in events:
            announce = announce or isinstance(event, Accepted | StageDone | END)
            self._take_event(event)
        return announce

    def _take_event(self, event: Event) -> None:
        match event:
            case Accepted():
                self.accepted, self.plan = event, event.plan
                self.waiting = None
                self.finished |= {stage.stage: stage for stage in event.kept}
            case StageDone():
                self.finished[event.stage] = event
                self.evaluations_before += event.evaluations
                self.preview = self.last_progress = self.first_progress = None
            case Progress():
                self.last_progress, self.waiting = event, None
                self.first_progress = self.first_progress or (self.clock(), event.evaluations)
            case Preview():
                self.preview = event
            case Waiting():
                self.waiting = event
            case Retreated():
                self.has_smaller_batch = True
            case _:
                self.end, self.preview, self.waiting = event, None, None

    @property
    def stage_fraction(self) -> float:
        """How much of the present stage is done, from 0 to 1."""
        if not (self.last_progress and self.plan):
            return 0.0
        stage = self.plan.stages[self.last_progress.stage - 1]
        done = self.last_progress.evaluations - self.evaluations_before
        return min(1.0, done / max(1, stage.evaluations))

    def seconds_left(self, estimates: tuple[float | None, ...]) -> tuple[float | None, float | None]:
        """Return the seconds that the present stage and the whole run still take; None where unknown.

        estimates: the remembered seconds of each stage of the plan.
        """
        if not (self.last_progress and self.plan and self.accepted):
            return None, None
        number = self.last_progress.stage
        measured = self._measured_seconds()
        stage_seconds = estimates[number - 1] if measured is None else measured
        if stage_seconds is None:
            return None, None
        left_in_stage = stage_seconds * (1 - self.stage_fraction)
        later = estimates[number:]
        if None in later:
            return left_in_stage, None
        return left_in_stage, left_in_stage + sum(seconds for seconds in later if seconds)

    def _measured_seconds(self) -> float | None:
        """Return how long the present stage takes at its own speed; None before it can be measured."""
        if not (self.first_progress and self.last_progress and self.plan):
            return None
        began, evaluations = self.first_progress
        spent, done = self.clock() - began, self.last_progress.evaluations - evaluations
        if spent <= MEASURE_SECONDS or done <= 0:
            return None
        return spent / done * self.plan.stages[self.last_progress.stage - 1].evaluations
