"""A pytest plugin with worker processes, which start once for all tests because each imports torch anew."""

import pytest

from engine.serving.process_worker import ProcessPool
from tests.support.running_app import tiny_entry


@pytest.fixture(scope="session")
def process_pool(tiny_folder, model):
    """Two worker processes that have loaded the tiny model, with its defaults and as many threads as the tests."""
    entry = tiny_entry(tiny_folder, defaults=model.facts.defaults)
    made = ProcessPool([entry], ["cpu", "cpu"], "float32", threads=1)
    for worker in made.workers:
        worker.load("")
    yield made
    made.close()
