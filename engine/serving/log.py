"""What a run has told so far, for any number of readers at any pace. No torch."""

import threading
from collections.abc import Iterator

from engine.runs.events import END, Event, Preview, Progress, Waiting

PASSING = (Waiting, Progress, Preview)
"""Of these only the newest is of interest."""


class Log:
    """Events by number, from 0. A passing one goes when a newer one of its kind comes, or the run ends."""

    def __init__(self) -> None:
        self._events: dict[int, Event] = {}
        self._next = 0
        self._news = threading.Condition()

    def add(self, event: Event) -> None:
        with self._news:
            stale = PASSING if isinstance(event, END) else (type(event),)
            if isinstance(event, END | Waiting | Progress | Preview):
                for n in [n for n, old in self._events.items() if isinstance(old, stale)]:
                    del self._events[n]
            self._events[self._next] = event
            self._next += 1
            self._news.notify_all()

    @property
    def ended(self) -> bool:
        with self._news:
            return bool(self._events) and isinstance(self._events[self._next - 1], END)

    def since(self, first: int = 0) -> tuple[list[Event], int]:
        """The events from this number on that still matter, and the number to ask from next time."""
        with self._news:
            return [event for n, event in self._events.items() if n >= first], self._next

    def wait(self, first: int, seconds: float) -> None:
        """Until there is an event of this number or a later one, or the time is over."""
        with self._news:
            self._news.wait_for(lambda: self._next > first, seconds)


def follow(log: Log, first: int = 0, every: float = 1.0) -> Iterator[Event | None]:
    """The events as they come, to the end; None when there was none for so many seconds."""
    while True:
        log.wait(first, every)
        events, first = log.since(first)
        if log.ended:
            yield from events + log.since(first)[0]
            return
        yield from events or (None,)
