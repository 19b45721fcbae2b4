"""The state of a run, derived from its events, and the estimate of the time that is left."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from engine.planning.cost import relative_cost, upscaling_cost
from engine.planning.plan import Plan
from engine.runs.events import (
    END,
    Accepted,
    Event,
    Preview,
    Progress,
    Retreated,
    StageDone,
    Upscaling,
    Waiting,
)
from ui.session.finished import FinishedStage

# The time left in a stage is estimated from earlier runs until the stage has run for this many seconds. Then it is
# estimated from the speed of the stage.
MEASURE_SECONDS = 1.0


@dataclass(eq=False)
class RunProgress:
    """The state of a run, derived from the events that the run has sent so far."""

    # The run's folder.
    folder: Path
    # The event with which the run began; None before it began.
    accepted: Accepted | None = None
    # The run's plan; None if it is unknown.
    plan: Plan | None = None
    # All finished stages by number, including the stages that were taken from the cache.
    finished: dict[int, StageDone | FinishedStage] = field(default_factory=dict)
    # The newest Progress or Upscaling event of the present stage.
    last_progress: Progress | Upscaling | None = None
    # The newest Preview event of the present stage.
    preview: Preview | None = None
    # The newest Waiting event, which holds the run's position in the queue; None if the run is not waiting.
    waiting: Waiting | None = None
    # When the newest Waiting event arrived, in seconds of `clock`.
    waiting_began: float = 0.0
    # The event with which the run ended; None before the end.
    end: Event | None = None
    # Whether memory ran out and the run continued with smaller batches or tiles.
    has_smaller_batch: bool = False
    # Whether the person has asked the run to stop.
    is_stopping: bool = False
    # The number of the next event to fetch from the queue.
    next_event: int = 0
    # Number of evaluations of this run before the present stage.
    evaluations_before: int = 0
    # When the first Progress or Upscaling event of the present stage arrived (in seconds of `clock`), and the fraction
    # of the stage that was done at that time.
    first_progress: tuple[float, float] | None = None
    # The number of the stage after which the run ends, as requested at its start; None for the last stage.
    until: int | None = None
    # The number of the stage after which the run pauses, as chosen during the run; None if no pause was chosen.
    pause_after: int | None = None
    # The name of the model that the run was started with.
    model: str = ""
    # Returns the present time in seconds.
    clock: Callable[[], float] = time.monotonic

    @property
    def name(self) -> str:
        """The run's name, which is the name of its folder."""
        return self.folder.name

    @property
    def last_finished_stage(self) -> int:
        """The number of the last finished stage; 0 if none is finished."""
        return max(self.finished, default=0)

    @property
    def is_complete(self) -> bool:
        """Whether every stage of the run's plan is finished."""
        return self.plan is not None and self.last_finished_stage >= len(self.plan.stages)

    def take_events(self, events: Iterable[Event]) -> bool:
        """Apply new events to the state.

        Return whether screen readers must announce the change: the run began, finished a stage or ended.
        """
        announce = False
        for event in events:
            announce = announce or isinstance(event, Accepted | StageDone | END)
            self._take_event(event)
        return announce

    def _take_event(self, event: Event) -> None:
        """Apply one event to the state."""
        match event:
            case Accepted():
                self.accepted, self.plan = event, event.plan
                self.waiting = None
                self.finished |= {stage.stage: stage for stage in event.kept}
            case StageDone():
                self.finished[event.stage] = event
                self.evaluations_before += event.evaluations
                self.preview = self.last_progress = self.first_progress = None
            case Progress() | Upscaling():
                self.last_progress, self.waiting = event, None
                self.first_progress = self.first_progress or (self.clock(), self.stage_fraction)
            case Preview():
                self.preview = event
            case Waiting():
                self.waiting, self.waiting_began = event if event.place else None, self.clock()
                # If a stage was in progress, it begins anew, because its worker was lost.
                self.preview = self.last_progress = self.first_progress = None
            case Retreated():
                self.has_smaller_batch = True
            case _:
                self.end, self.preview, self.waiting = event, None, None

    @property
    def stage_fraction(self) -> float:
        """The fraction of the present stage that is done, from 0 to 1."""
        if not (self.last_progress and self.plan):
            return 0.0
        stage = self.plan.stages[self.last_progress.stage - 1]
        cost = relative_cost(stage)
        upscaling = upscaling_cost(stage) / cost if cost else float(stage.upscales)
        if isinstance(self.last_progress, Upscaling):
            return upscaling * self.last_progress.tile / max(1, self.last_progress.tiles)
        done = self.last_progress.evaluations - self.evaluations_before
        return upscaling + (1 - upscaling) * min(1.0, done / max(1, stage.evaluations))

    @property
    def waiting_seconds(self) -> float | None:
        """Estimated seconds until the run's turn, counted down since the newest Waiting event; None if unknown."""
        if self.waiting is None or self.waiting.seconds is None:
            return None
        return max(0.0, self.waiting.seconds - (self.clock() - self.waiting_began))

    def seconds_left(self, estimates: tuple[float | None, ...]) -> tuple[float | None, float | None]:
        """Return (seconds left in the present stage, seconds left until the run ends or pauses); None if unknown.

        estimates: the seconds of each stage of the plan, estimated from earlier runs.
        """
        if not (self.last_progress and self.plan and self.accepted):
            return None, None
        number = self.last_progress.stage
        measured = self._measured_seconds()
        stage_seconds = estimates[number - 1] if measured is None else measured
        if stage_seconds is None:
            return None, None
        left_in_stage = stage_seconds * (1 - self.stage_fraction)
        later = estimates[number : self.pause_after or self.until]
        if None in later:
            return left_in_stage, None
        return left_in_stage, left_in_stage + sum(seconds for seconds in later if seconds)

    def _measured_seconds(self) -> float | None:
        """Return the seconds of the whole present stage at its speed so far; None if it is too early to measure."""
        if not (self.first_progress and self.last_progress and self.plan):
            return None
        began, fraction = self.first_progress
        spent, done = self.clock() - began, self.stage_fraction - fraction
        if spent <= MEASURE_SECONDS or done <= 0:
            return None
        return spent / done
