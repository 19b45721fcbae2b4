"""Turns of work that takes long: how many calls wait, and that no client holds up the others."""

import asyncio
import threading

import pytest

from tests.support.waiting import run_async
from ui.session.turns import TooManyWaiting, Turns


def start(turns, client, function, *arguments):
    """Begin a call."""
    return asyncio.ensure_future(turns.run(client, function, *arguments))


def test_calls_return_their_results_and_raise_their_faults():
    async def call():
        turns = Turns("test", 1, 4, 4)
        assert await turns.run("a", int, "3") == 3
        with pytest.raises(ValueError, match="invalid literal"):
            await turns.run("a", int, "x")
        return await turns.run("a", int, "4")

    assert run_async(call()) == 4


def test_one_client_takes_only_some_of_the_places():
    async def fill():
        turns, ended = Turns("test", 2, 4, 2), threading.Event()
        waiting = [start(turns, "a", ended.wait) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyWaiting) as refused:
            await turns.run("a", ended.wait)
        assert refused.value.of_client
        waiting += [start(turns, "", ended.wait) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyWaiting) as refused:
            await turns.run("b", ended.wait)
        assert not refused.value.of_client
        ended.set()
        assert await asyncio.gather(*waiting) == [True] * 4
        return await turns.run("a", ended.wait)

    assert run_async(fill())


def test_a_client_with_many_calls_leaves_a_thread_to_others():
    async def call():
        turns, ended = Turns("test", 2, 10, 5), threading.Event()
        waiting = [start(turns, "a", ended.wait) for _ in range(5)]
        await asyncio.sleep(0.05)
        assert await turns.run("b", int, "3") == 3
        ended.set()
        return await asyncio.gather(*waiting)

    assert run_async(call()) == [True] * 5
