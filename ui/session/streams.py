"""The event streams of pages and programs: which of them are open, so that somebody gets what is sent.

Gradio runs a handler whether or not anybody reads what it yields. Whether a run is watched is therefore decided by the
streams, over which Gradio sends at least a heartbeat every few seconds.
"""

import threading
import time
from collections.abc import Callable

# A stream counts as open for this many seconds after something was sent over it. Gradio sends a heartbeat every 15 s.
OPEN_SECONDS = 40.0


class EventStreams:
    """When something was last sent over each event stream.

    A stream is named by what identifies it in its URL: the hash of a session, or the id of a call of the API.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Create a record without streams. clock: returns the time in seconds."""
        self.clock = clock
        # Whether somebody reports what is sent. Without reports all streams count as open.
        self.is_observed = False
        self._sent: dict[str, float] = {}
        self._lock = threading.Lock()

    def mark_sent(self, name: str) -> None:
        """Record that something was sent over a stream now."""
        now = self.clock()
        with self._lock:
            self._sent[name] = now
            self._sent = {name: at for name, at in self._sent.items() if now - at <= OPEN_SECONDS}

    def is_open(self, *names: str | None) -> bool:
        """Return whether something was sent over a stream of one of these names a short time ago."""
        if not self.is_observed:
            return True
        now = self.clock()
        with self._lock:
            return any(now - self._sent[name] <= OPEN_SECONDS for name in names if name in self._sent)
