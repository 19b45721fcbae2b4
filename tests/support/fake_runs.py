"""A pytest plugin with a queue whose worker only pretends to make stages, as far as a test lets it."""

import threading

import pytest

from engine import Progress, Recipe, StageDone, Stopped
from engine.runs import store
from engine.runs.cache import RunCache
from engine.serving.entry import Request
from engine.serving.queue import RunQueue
from tests.support.planning import make_facts

# Those of a model whose default is three stages.
FACTS = make_facts()


class FakeClock:
    """A clock that stands still until a test changes `now`."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class FakeRuns:
    """A worker of a RunQueue that computes nothing; models have any names.

    finished_stages: (prompt, stage) in the order in which they finished.
    started: set when a run has begun a step since hold() was called.
    """

    def __init__(self, steps=2):
        self.steps = steps
        self.finished_stages = []
        self.permits = threading.Semaphore(10**6)
        self.started = threading.Event()

    def load(self, model):
        return FACTS

    def loaded_facts(self, model):
        return FACTS

    def make_stage(self, run, number, model):
        for step in range(1, self.steps + 1):
            if (run.folder / store.STOP_FILE).exists():
                yield Stopped(number, step)
                return
            self.started.set()
            self.permits.acquire()
            yield Progress(number, step, self.steps, 0, 0)
        self.finished_stages.append((run.plan.recipe.prompt, number))
        yield StageDone(number, 1.0, (8, 8), "", "", 0.0, 1)

    def stop(self, run):
        """Do nothing: the file in the run's folder stops it."""

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
    run_queue = RunQueue(RunCache(tmp_path), [fake_runs], lambda request: (10.0, 20.0, 40.0), clock=clock)
    yield run_queue
    fake_runs.release()
    run_queue.close()


def submit_prompt(queue, name, **more):
    """Put a run with this prompt into the queue; return its name."""
    return queue.submit(Request(Recipe(prompt=name), **more))


def last_event(queue, run):
    """Follow a run to its end and return its last event."""
    return list(queue.follow(run))[-1]
