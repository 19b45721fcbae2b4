"""The events of a run, kept for any number of readers. No torch."""

import threading
from collections.abc import Iterator
from types import UnionType

from engine.runs.events import END, Event, Preview, Progress, Upscaling, Waiting

# Types of events of which a log keeps only the newest of each type, and none after the run has ended.
TRANSIENT = Waiting | Progress | Upscaling | Preview


class EventLog:
    """A thread-safe list of a run's events, which are numbered from 0.

    Outdated events are removed; the remaining events keep their numbers.
    """

    def __init__(self) -> None:
        self._events: dict[int, Event] = {}
        self._next_number = 0
        self._changed = threading.Condition()

    def add(self, event: Event) -> None:
        """Append an event, and remove the events that the new event outdates."""
        with self._changed:
            if isinstance(event, END):
                self._remove(TRANSIENT)
            elif isinstance(event, TRANSIENT):
                self._remove(type(event))
            self._events[self._next_number] = event
            self._next_number += 1
            self._changed.notify_all()

    def _remove(self, types: type | UnionType) -> None:
        """Remove all events of these types."""
        self._events = {n: event for n, event in self._events.items() if not isinstance(event, types)}

    @property
    def has_ended(self) -> bool:
        """Whether the run's last event is in the log."""
        with self._changed:
            return bool(self._events) and isinstance(self._events[self._next_number - 1], END)

    def events_since(self, first: int = 0) -> tuple[list[Event], int]:
        """Return the events numbered `first` or higher, and the number to pass as `first` next time."""
        with self._changed:
            return [event for n, event in self._events.items() if n >= first], self._next_number

    def wait(self, first: int, seconds: float) -> None:
        """Wait until event number `first` or a later event exists, for at most `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._next_number > first, seconds)


def follow(log: EventLog, first: int = 0, interval: float = 1.0) -> Iterator[Event | None]:
    """Yield the events numbered `first` or higher as they arrive, until the run has ended.

    Yield None when no event has arrived for `interval` seconds.
    """
    while True:
        log.wait(first, interval)
        events, first = log.events_since(first)
        if log.has_ended:
            later, _ = log.events_since(first)
            yield from events + later
            return
        yield from events or (None,)
