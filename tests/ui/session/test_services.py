"""What is kept for so many hours goes after them, whether or not anyone comes."""

import os
import threading

import pytest

from engine.runs import store
from engine.serving.model_pool import ModelPool
from ui.session.services import open_services, start_cleanup


@pytest.fixture
def services(tmp_path):
    made = open_services(tmp_path / "runs", ModelPool([]), age=86400)
    yield made
    made.queue.close()


def old_run(services):
    run = store.create_run(services.cache.root)
    os.utime(run, (0, 0))
    return run


def test_old_runs_go_at_once_when_the_services_are_opened(tmp_path):
    (tmp_path / "runs").mkdir()
    run = store.create_run(tmp_path / "runs")
    os.utime(run, (0, 0))
    open_services(tmp_path / "runs", ModelPool([]), age=86400)
    assert not run.exists()


def test_a_run_that_one_in_the_queue_continues_stays_and_cannot_be_forgotten(services, monkeypatch):
    needed, other = old_run(services), old_run(services)
    monkeypatch.setattr(services.queue, "needed_paths", lambda: frozenset([needed]))
    services.clean_up()
    assert (needed.exists(), other.exists()) == (True, False)
    assert not services.remove_run(needed.name)
    assert needed.exists()


def test_old_runs_are_removed_again_and_again(services, monkeypatch):
    run, swept, tidy = old_run(services), threading.Semaphore(0), services.cache.sweep
    monkeypatch.setattr(services.cache, "sweep", lambda spare: (tidy(spare), swept.release()))
    over = start_cleanup(services, interval=0.001)
    assert all(swept.acquire(timeout=20) for _ in range(3))
    over.set()
    assert not run.exists()
