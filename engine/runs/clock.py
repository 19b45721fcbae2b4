"""Measure how long the work of a run takes, without the time that its reader takes between events."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


class Stopwatch:
    """Adds up seconds: those inside a `with` block, and those in which `measure` waits for the next item."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start at zero. now: returns the time in seconds."""
        self.now = now
        self.seconds = 0.0

    def __enter__(self) -> None:
        self.began = self.now()

    def __exit__(self, *fault: object) -> None:
        self.seconds += self.now() - self.began

    def measure(self, items: Iterator[Item]) -> Iterator[Item]:
        """Yield the items and add the seconds that each takes to be made, not those between them."""
        while True:
            with self:
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def reset(self) -> float:
        """Return the seconds since the last reset and start again at zero."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds
