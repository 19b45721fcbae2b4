"""Tests of the removal of old runs, which needs no open page."""

import os
import threading

import pytest

from engine import Recipe, plan
from engine.errors import Fault
from engine.runs import store
from engine.runs.owner import set_owner
from engine.serving.entry import Request
from engine.serving.model_pool import ModelPool
from tests.support.planning import make_facts
from ui.session.services import open_services, start_cleanup


@pytest.fixture
def services(tmp_path):
    services = open_services(tmp_path / "runs", ModelPool([]), max_age=86400)
    yield services
    services.queue.close()


# The secret of a browser.
OWNER = "a" * 32


def create_old_run(services):
    """Create a run that was last used long ago and return its folder."""
    run = store.create_run(services.cache.root)
    os.utime(run, (0, 0))
    return run


def test_old_runs_are_removed_when_the_services_are_opened(tmp_path):
    (tmp_path / "runs").mkdir()
    run = store.create_run(tmp_path / "runs")
    os.utime(run, (0, 0))
    open_services(tmp_path / "runs", ModelPool([]), max_age=86400)
    assert not run.exists()


def test_a_run_that_a_queued_run_needs_is_not_removed(services, monkeypatch):
    needed, other = create_old_run(services), create_old_run(services)
    monkeypatch.setattr(services.queue, "needed_paths", lambda: frozenset([needed]))
    services.clean_up()
    assert (needed.exists(), other.exists()) == (True, False)
    set_owner(needed, OWNER)
    assert not services.remove_run(needed.name, OWNER)
    assert needed.exists()


def test_old_runs_are_removed_repeatedly(services, monkeypatch):
    run, swept, sweep = create_old_run(services), threading.Semaphore(0), services.cache.sweep
    monkeypatch.setattr(services.cache, "sweep", lambda spare: (sweep(spare), swept.release()))
    stopped = start_cleanup(services, interval=0.001)
    assert all(swept.acquire(timeout=20) for _ in range(3))
    stopped.set()
    assert not run.exists()


def test_the_name_of_a_run_opens_it_to_its_owner_only(services):
    run = services.cache.create_run()
    set_owner(run, OWNER)
    assert services.run_folder(run.name, OWNER) == run
    assert services.run_folder(run.name, "b" * 32) is None
    assert services.run_progress(run.name, "b" * 32) is None
    assert not services.remove_run(run.name, "b" * 32)
    assert services.remove_run(run.name, OWNER)


def test_uploads_count_towards_the_space_for_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()
    services = open_services(tmp_path / "runs", ModelPool([]), max_age=86400, max_bytes=1_000_000)
    assert services.uploads.max_bytes == 250_000
    assert services.cache.other_bytes() == 0
    (services.uploads.folder / "copy.png").write_bytes(bytes(300_000))
    (tmp_path / "uploads" / "picture.png").write_bytes(bytes(700_000))
    monkeypatch.setattr(services.upload_folder, "_measured_at", float("-inf"))
    assert services.cache.other_bytes() == 1_000_000
    with pytest.raises(Fault, match="uploads fill the space"):
        services.queue.submit(Request(Recipe()))


def test_a_run_that_the_disk_has_no_room_for_is_refused_before_its_folder_is_made(services, monkeypatch):
    monkeypatch.setattr("engine.runs.cache.DISK_RESERVE", 10**18)
    planned = plan(Recipe(), make_facts())
    with pytest.raises(Fault, match="GB of disk space"):
        services.queue.submit(Request(planned.recipe, plan=planned))
    assert services.cache.runs() == []


def test_the_run_that_is_continued_is_not_removed_to_make_room(services):
    run = services.cache.create_run()
    (run / "file").write_bytes(bytes(10_000))
    services.cache.max_bytes = 1
    with pytest.raises(Fault, match="fill the space"):
        services.queue.submit(Request(Recipe(), resume=(run, 1)))
    assert run.exists()
