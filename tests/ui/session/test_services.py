"""What is kept for so many hours goes after them, whether or not anyone comes."""

import os
import threading

import pytest

from engine.runs import store
from engine.serving.model_pool import Lender
from ui.session.services import keep_tidy, open_house


@pytest.fixture
def house(tmp_path):
    made = open_house(tmp_path / "runs", Lender([]), age=86400)
    yield made
    made.desk.close()


def old_run(house):
    run = store.new_run(house.shelf.root)
    os.utime(run, (0, 0))
    return run


def test_old_runs_go_at_once_when_the_house_is_opened(tmp_path):
    (tmp_path / "runs").mkdir()
    run = store.new_run(tmp_path / "runs")
    os.utime(run, (0, 0))
    open_house(tmp_path / "runs", Lender([]), age=86400)
    assert not run.exists()


def test_a_run_that_one_in_the_line_goes_on_from_stays_and_cannot_be_forgotten(house, monkeypatch):
    needed, other = old_run(house), old_run(house)
    monkeypatch.setattr(house.desk, "needed", lambda: frozenset([needed]))
    house.tidy()
    assert (needed.exists(), other.exists()) == (True, False)
    assert not house.forget(needed.name)
    assert needed.exists()


def test_it_is_looked_after_again_and_again(house, monkeypatch):
    run, swept, tidy = old_run(house), threading.Semaphore(0), house.shelf.sweep
    monkeypatch.setattr(house.shelf, "sweep", lambda spare: (tidy(spare), swept.release()))
    over = keep_tidy(house, every=0.001)
    assert all(swept.acquire(timeout=20) for _ in range(3))
    over.set()
    assert not run.exists()
