"""Runs of known length for the queue, which advance only as far as a test lets them."""

import threading

import pytest

from engine import Accepted, Finished, Progress, Recipe, StageDone, Stopped
from engine.runs import store
from engine.runs.cache import RunCache
from engine.serving.entry import Request
from engine.serving.queue import RunQueue


class FakeClock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class FakeRuns:
    """Runs that yield stages when a test lets them; `done` lists (prompt, stage) in the order they finished."""

    def __init__(self, stages=3, steps=2):
        self.stages, self.steps, self.done = stages, steps, []
        self.let = threading.Semaphore(10**6)
        self.at_work = threading.Event()

    def __call__(self, request, run):
        name = request.recipe.prompt
        yield Accepted(str(run), request.recipe, ((1.0, (8, 8)),) * self.stages, 1, 1)
        for stage in range(1, self.stages + 1):
            for step in range(1, self.steps + 1):
                if (run / store.STOP_FILE).exists():
                    yield Stopped(stage, step)
                    return
                self.at_work.set()
                self.let.acquire()
                yield Progress(stage, step, self.steps, 0, 0)
            self.done.append((name, stage))
            yield StageDone(stage, 1.0, (8, 8), "", "", 0.0, 1)
        yield Finished(self.stages)

    def hold(self):
        """Let no run advance until go() is called."""
        self.let = threading.Semaphore(0)
        self.at_work.clear()

    def go(self, steps=10**6):
        self.let.release(steps)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def fake_runs():
    return FakeRuns()


@pytest.fixture
def queue(tmp_path, fake_runs, clock):
    made = RunQueue(RunCache(tmp_path), fake_runs, lambda request: (10.0, 20.0, 40.0), clock=clock)
    yield made
    fake_runs.go()
    made.close()


def submit_prompt(queue, name, **more):
    return queue.submit(Request(Recipe(prompt=name), **more))


def last_event(queue, run):
    return list(queue.follow(run))[-1]
