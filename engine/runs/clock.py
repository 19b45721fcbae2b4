"""Measure how long the work of a run takes, without the time that the reader of its events takes."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


class Stopwatch:
    """A stopwatch that runs inside its `with` blocks and while `measure` waits for the next item."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start at zero. now: returns the time in seconds."""
        self.now = now
        # Seconds measured since the last reset.
        self.seconds = 0.0

    def __enter__(self) -> None:
        self.began = self.now()

    def __exit__(self, *fault: object) -> None:
        self.seconds += self.now() - self.began

    def measure(self, items: Iterator[Item]) -> Iterator[Item]:
        """Yield the items. Measure the time that each item takes to produce, not the time between items."""
        while True:
            with self:
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def reset(self) -> float:
        """Return the seconds measured since the last reset, and start again at zero."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds
