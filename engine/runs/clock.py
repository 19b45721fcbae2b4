"""How long the work took, without the time of whoever watches."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


class Clock:
    """Seconds at work since it was last read; those in which an event is looked at do not count."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.seconds = 0.0

    def __enter__(self) -> None:
        self.began = self.now()

    def __exit__(self, *fault: object) -> None:
        self.seconds += self.now() - self.began

    def during(self, items: Iterator[Item]) -> Iterator[Item]:
        end = object()
        while True:
            with self:
                item = next(items, end)
            if item is end:
                return
            yield item

    def read(self) -> float:
        spent, self.seconds = self.seconds, 0.0
        return spent
