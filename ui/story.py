"""What a run has told so far, and how long it will still take."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from engine.catalogue import Facts
from engine.errors import BadRecipe
from engine.events import (
    END,
    Accepted,
    Event,
    Preview,
    Progress,
    Retreated,
    StageDone,
    Waiting,
)
from engine.plan import Plan, plan
from ui.pictures import Picture

SURE = 1.0
"""Seconds of a stage after which its own pace is believed more than what is remembered."""


@dataclass(eq=False)
class Story:
    """A run as its watchers know it. next: the number of the event to ask for.
    began: when, and after how many evaluations, the present stage began.
    """

    run: Path
    facts: Facts
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
    began: tuple[float, int] = (0.0, 0)
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
                self.plan = _planned(event, self.facts)
                self.began = (self.clock(), 0)
            case StageDone():
                self.made[event.stage] = event
                self.preview = None
                evaluations = self.progress.evaluations if self.progress else 0
                self.began, self.progress = (self.clock(), evaluations), None
            case Progress():
                self.progress, self.waiting = event, None
            case Preview():
                self.preview = event
            case Waiting():
                self.waiting = event
            case Retreated():
                self.smaller = True
            case _:
                self.end, self.preview, self.progress, self.waiting = event, None, self.progress, None

    @property
    def stage_share(self) -> float:
        """How much of the present stage is done."""
        if not (self.progress and self.plan):
            return 0.0
        stage = self.plan.stages[self.progress.stage - 1]
        return min(1.0, (self.progress.evaluations - self.began[1]) / max(1, stage.evaluations))

    def left(self, prices: tuple[float | None, ...]) -> tuple[float | None, float | None]:
        """Seconds that the present stage and the whole run still take, as far as they can be known."""
        if not (self.progress and self.plan and self.accepted):
            return None, None
        price = prices[self.progress.stage - 1]
        spent, share = self.clock() - self.began[0], self.stage_share
        if spent > SURE and share > 0.02:
            price = spent / share
        here = None if price is None else price * (1 - share)
        later = prices[self.progress.stage :]
        if here is None or None in later:
            return here, None
        return here, here + sum(seconds for seconds in later if seconds)


def _planned(accepted: Accepted, facts: Facts) -> Plan | None:
    try:
        return plan(accepted.recipe, facts)
    except BadRecipe:  # Of another model, which is not at hand any more.
        return None
