"""Wait in a test until another thread or process has done something."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# Seconds after which an expectation gives up. Nothing waits that long unless it fails.
TIMEOUT = 30.0


def wait_until(is_true: Callable[[], object]) -> None:
    """Wait until a condition holds; fail if it does not within TIMEOUT."""
    end = time.monotonic() + TIMEOUT
    while not is_true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def run_async(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in another thread, as browser tests leave an event loop running in this one."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, coroutine).result()
