"""What a run has told so far, and how long it will still take."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from engine.planning.plan import Plan
from engine.runs.events import END, Accepted, Event, Preview, Progress, Retreated, StageDone, Waiting
from ui.session.finished import Picture

SURE = 1.0
"""Seconds of a stage after which its own pace is believed more than what is remembered."""


@dataclass(eq=False)
class Story:
    """A run as its watchers know it. next: the number of the event to ask for.
    before: evaluations of this run before the present stage.   first: when its progress was first heard,
    and at how many evaluations.   until: the stage that the run was asked to end with.
    pause: the one that it is to stop after, said while it goes on.   model: by name.
    """

    run: Path
    accepted: Accepted | None = None
    plan: Plan | None = None
    made: dict[int, StageDone | Picture] = field(default_factory=dict)
    progress: Progress | None = None
    preview: Preview | None = None
    waiting: Waiting | None = None
    end: Event | None = None
    smaller: bool = False
    stopping: bool = False
    next: int = 0
    before: int = 0
    first: tuple[float, int] | None = None
    until: int | None = None
    pause: int | None = None
    model: str = ""
    clock: Callable[[], float] = time.monotonic

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def last(self) -> int:
        """The last stage that is finished, or 0."""
        return max(self.made, default=0)

    def hear(self, events: Iterable[Event]) -> bool:
        """Takes in events; whether any of them is one to speak of: a beginning, a stage, an end."""
        worth = False
        for event in events:
            worth |= isinstance(event, Accepted | StageDone | END)
            self._hear(event)
        return worth

    def _hear(self, event: Event) -> None:
        match event:
            case Accepted():
                self.accepted, self.waiting = event, None
                self.made |= {stage.stage: stage for stage in event.kept}
                self.plan = event.plan
            case StageDone():
                self.made[event.stage] = event
                self.before += event.evaluations
                self.preview = self.progress = self.first = None
            case Progress():
                self.progress, self.waiting = event, None
                self.first = self.first or (self.clock(), event.evaluations)
            case Preview():
                self.preview = event
            case Waiting():
                self.waiting = event
            case Retreated():
                self.smaller = True
            case _:
                self.end, self.preview, self.waiting = event, None, None

    @property
    def stage_share(self) -> float:
        """How much of the present stage is done."""
        if not (self.progress and self.plan):
            return 0.0
        stage = self.plan.stages[self.progress.stage - 1]
        return min(1.0, (self.progress.evaluations - self.before) / max(1, stage.evaluations))

    def left(self, prices: tuple[float | None, ...]) -> tuple[float | None, float | None]:
        """Seconds that the present stage and the whole run still take, as far as they can be known."""
        if not (self.progress and self.plan and self.accepted):
            return None, None
        number, price = self.progress.stage, prices[self.progress.stage - 1]
        since, heard = self.first or (self.clock(), self.progress.evaluations)
        spent, done = self.clock() - since, self.progress.evaluations - heard
        if spent > SURE and done > 0:
            price = spent / done * self.plan.stages[number - 1].evaluations
        here = None if price is None else price * (1 - self.stage_share)
        later = prices[number:]
        if here is None or None in later:
            return here, None
        return here, here + sum(seconds for seconds in later if seconds)
