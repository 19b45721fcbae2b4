"""Counts the new sessions of each client. Gradio keeps about half a megabyte for each session, of whatever name."""

import time
from collections import OrderedDict
from collections.abc import Callable

# The new sessions that one client may begin within the time, in seconds. Each time a page is opened it begins one.
MAX_NEW_SESSIONS, PERIOD = 300, 3600.0
# The sessions of at most this many clients are remembered.
MAX_CLIENTS = 10_000


class NewSessions:
    """The sessions that each client has begun within the last hour."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Create an empty count. clock: returns seconds."""
        self.clock = clock
        # By client, when each of its sessions was begun. The client that asked longest ago comes first.
        self._begun: OrderedDict[str, dict[str, float]] = OrderedDict()

    def accept(self, client: str, session_hash: str) -> bool:
        """Return whether a client may use a session: one that it has begun, or another one if it is not too many.

        client: the client's address; empty if it is not known, and then all sessions are accepted.
        """
        if not client:
            return True
        now = self.clock()
        begun = {name: at for name, at in self._begun.pop(client, {}).items() if now - at < PERIOD}
        self._begun[client] = begun
        while len(self._begun) > MAX_CLIENTS:
            self._begun.popitem(last=False)
        if session_hash not in begun:
            if len(begun) >= MAX_NEW_SESSIONS:
                return False
            begun[session_hash] = now
        return True
