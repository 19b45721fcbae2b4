"""A run's place in the line. No torch."""

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
from engine.serving.log import Log

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What generate() is asked for; `model` is whatever `start` understands.

    plan: of this recipe on this model, if it has been made already; it serves the estimate alone.
    """

    recipe: Recipe
    model: Any = None
    resume: tuple[str | Path, int] | None = None
    until: int | None = None
    plan: Plan | None = None


Start = Callable[[Request, Path], Iterator[Event]]
Price = Callable[[Request], tuple[float | None, ...]]
"""Seconds of each stage of a request, as far as they are known."""


def unknown(request: Request) -> tuple[float | None, ...]:
    return ()


@dataclass(eq=False)
class Ticket:
    """A run's place in the line. stage: the next to be made, counted from 0; last: how many there will be.
    pause: the stage that it is to stop after, said while it goes on.
    """

    request: Request
    run: Path
    prices: tuple[float | None, ...]
    watched: float
    looked: float
    log: Log = field(default_factory=Log)
    events: Iterator[Event] | None = None
    stage: int = 0
    last: int = 0
    pause: int | None = None

    @property
    def price(self) -> float | None:
        """Seconds of its next stage; nothing is left after the last."""
        return self.prices[self.stage] if self.stage < len(self.prices) else None

    @property
    def needs(self) -> tuple[Path, ...]:
        """What is to stay meanwhile: its folder, that of the run it goes on from, and its pictures."""
        recipe, (source, *_) = self.request.recipe, self.request.resume or (None,)
        pictures = (recipe.image, *(control.image for control in recipe.controls))
        return (self.run, *(Path(path) for path in (source, *pictures) if path))

    @property
    def to_stop(self) -> bool:
        return (self.run / store.STOP).exists()

    def ask_to_stop(self) -> None:
        try:
            (self.run / store.STOP).touch()
        except OSError as fault:
            log.warning("%s cannot be asked to stop: %s", self.run, fault)


def tell_places(line: Sequence[Ticket], spent: float) -> None:
    """Tells each waiting run its place, and how long those before it take. spent: seconds on the first."""
    before: float | None = None
    for place, ticket in enumerate(line):
        if place:
            ticket.log.add(Waiting(place, before))
        price = ticket.price
        if place == 0:
            before = None if price is None else max(0.0, price - spent)
        else:
            before = None if price is None or before is None else before + price


def full(line: Sequence[Ticket]) -> str:
    """That no more may wait, and when to come again."""
    prices = [ticket.price for ticket in line]
    when = errors.wait_time(None if None in prices else sum(prices))
    return errors.QUEUE_FULL.format(count=len(line) - 1, when=when)
