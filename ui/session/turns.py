"""Turns of work that takes long, such as decoding: few threads for all clients, one call at a time for each client."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

Result = TypeVar("Result")


class TooManyWaiting(Exception):
    """Too many calls wait for their turn."""

    def __init__(self, of_client: bool) -> None:
        """of_client: whether they are the client's own calls."""
        super().__init__()
        self.of_client = of_client


class Turns:
    """Calls functions in a few threads. In Gradio's own threads they would hold up all other handlers.

    A client's calls are carried out one after another, so that no client ever holds all threads.
    """

    def __init__(self, name: str, threads: int, max_waiting: int, max_per_client: int) -> None:
        """Create the threads.

        name: of the threads. max_waiting: the calls that are carried out or wait, of all clients. max_per_client: the
        same of one client.
        """
        self.max_waiting, self.max_per_client = max_waiting, max_per_client
        self._threads = ThreadPoolExecutor(threads, name)
        # The calls that have not ended, by client, and the lock that a client's calls wait for. Only the event loop
        # uses both.
        self._waiting = Counter[str]()
        self._locks: dict[str, asyncio.Lock] = {}

    async def run(self, client: str, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function when it is its turn, and return its result.

        Raise TooManyWaiting if too many calls wait, because in Gradio's queue each takes a place that others need.

        client: the key of the client that asks; empty if it is not known.
        """
        if self._waiting.total() >= self.max_waiting:
            raise TooManyWaiting(of_client=False)
        if client and self._waiting[client] >= self.max_per_client:
            raise TooManyWaiting(of_client=True)
        self._waiting[client] += 1
        lock = self._locks.setdefault(client, asyncio.Lock()) if client else asyncio.Lock()
        try:
            async with lock:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, partial(function, *arguments))
        finally:
            self._waiting[client] -= 1
            if not self._waiting[client]:
                del self._waiting[client]
                self._locks.pop(client, None)
