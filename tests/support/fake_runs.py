"""A pytest plugin with a queue of fake runs, which advance only as far as a test lets them."""

import threading

import pytest

from engine import Accepted, Finished, Progress, Recipe, StageDone, Stopped
from engine.runs import store
from engine.runs.cache import RunCache
from engine.serving.entry import Request
from engine.serving.queue import RunQueue


class FakeClock:
    """A clock that stands still until a test changes `now`."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class FakeRuns:
    """A function that starts fake runs, as a RunQueue calls it.

    finished_stages: (prompt, stage) in the order in which they finished.
    started: set when a run has begun a step since hold() was called.
    """

    def __init__(self, stages=3, steps=2):
        self.stages, self.steps = stages, steps
        self.finished_stages = []
        self.permits = threading.Semaphore(10**6)
        self.started = threading.Event()

    def __call__(self, request, run):
        name = request.recipe.prompt
        yield Accepted(str(run), request.recipe, ((1.0, (8, 8)),) * self.stages, 1, 1)
        for stage in range(1, self.stages + 1):
            for step in range(1, self.steps + 1):
                if (run / store.STOP_FILE).exists():
                    yield Stopped(stage, step)
                    return
                self.started.set()
                self.permits.acquire()
                yield Progress(stage, step, self.steps, 0, 0)
            self.finished_stages.append((name, stage))
            yield StageDone(stage, 1.0, (8, 8), "", "", 0.0, 1)
        yield Finished(self.stages)

    def hold(self):
        """Let no run advance until release() is called."""
        self.permits = threading.Semaphore(0)
        self.started.clear()

    def release(self, steps=10**6):
        """Let runs advance by so many steps in all."""
        self.permits.release(steps)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def fake_runs():
    return FakeRuns()


@pytest.fixture
def queue(tmp_path, fake_runs, clock):
    run_queue = RunQueue(RunCache(tmp_path), fake_runs, lambda request: (10.0, 20.0, 40.0), clock=clock)
    yield run_queue
    fake_runs.release()
    run_queue.close()


def submit_prompt(queue, name, **more):
    """Put a run with this prompt into the queue; return its name."""
    return queue.submit(Request(Recipe(prompt=name), **more))


def last_event(queue, run):
    """Follow a run to its end and return its last event."""
    return list(queue.follow(run))[-1]
