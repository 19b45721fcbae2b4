"""A run's place in the line. No torch."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import store
from engine.events import Event
from engine.log import Log
from engine.recipe import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What generate() is asked for; `model` is whatever `start` understands."""

    recipe: Recipe
    model: Any = None
    resume: tuple[str | Path, int] | None = None
    until: int | None = None


Start = Callable[[Request, Path], Iterator[Event]]
Price = Callable[[Request], tuple[float | None, ...]]
"""Seconds of each stage of a request, as far as they are known."""


def unknown(request: Request) -> tuple[float | None, ...]:
    return ()


@dataclass(eq=False)
class Ticket:
    """A run's place in the line. stage: the next to be made, counted from 0; last: how many there will be."""

    request: Request
    run: Path
    prices: tuple[float | None, ...]
    watched: float
    looked: float
    log: Log = field(default_factory=Log)
    events: Iterator[Event] | None = None
    stage: int = 0
    last: int = 0

    @property
    def price(self) -> float | None:
        """Seconds of its next stage; nothing is left after the last."""
        return self.prices[self.stage] if self.stage < len(self.prices) else None

    @property
    def to_stop(self) -> bool:
        return (self.run / store.STOP).exists()

    def ask_to_stop(self) -> None:
        try:
            (self.run / store.STOP).touch()
        except OSError as fault:
            log.warning("%s cannot be asked to stop: %s", self.run, fault)
