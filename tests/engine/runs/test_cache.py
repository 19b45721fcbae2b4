import os

import numpy as np
import pytest
from PIL import Image

from engine.runs import store
from engine.runs.cache import DAY, HOUR, Shelf

A, B, C = "a" * 32, "b" * 32, "c" * 32


class Clock:
    def __init__(self):
        self.now = 1e9

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shelf(tmp_path, clock):
    return Shelf(tmp_path / "runs", clock)


def keep(run, number, key, value=0.0):
    latents = np.full((1, 4, 2, 2), value, np.float32)
    return store.write(run, number, key, store.Kept(latents, (0.0, 1.0), {}), Image.new("RGB", (64, 64)))


def run(shelf, *keys, value=0.0):
    folder = shelf.new_run()
    for number, key in enumerate(keys, 1):
        keep(folder, number, key, value)
    age(shelf, folder, 0)
    return folder


def age(shelf, folder, seconds):
    """As if it had been left alone for so long."""
    then = shelf.clock() - seconds
    for path in (folder / "looked", folder):
        os.utime(path, (then, then))


def found(shelf, *keys):
    return [one.key for one in shelf.chain(keys)]


def test_where_nothing_is_kept_nothing_is_found(shelf):
    assert found(shelf, A) == []


def test_the_longest_chain_of_first_stages_is_found(shelf):
    run(shelf, A, B)
    assert found(shelf, A, B, C) == [A, B]
    assert found(shelf, A, C) == [A]
    assert found(shelf, B, A) == [B, A]
    assert found(shelf, C, B) == []


def test_a_chain_is_found_across_runs(shelf):
    run(shelf, A)
    other = shelf.new_run()
    keep(other, 2, B)
    assert found(shelf, A, B) == [A, B]


def test_a_stage_that_cannot_be_read_ends_the_chain(shelf):
    folder = run(shelf, A, B)
    (store.stage_folder(folder, 2, B) / "latents.safetensors").write_bytes(b"half")
    assert found(shelf, A, B) == [A]


def test_half_written_stages_and_foreign_files_are_not_found(shelf):
    folder = run(shelf, A)
    os.rename(store.stage_folder(folder, 1, A), folder / f".stage-1-{A}.1234")
    (shelf.root / "notes.txt").write_text("mine")
    (shelf.root / "holiday").mkdir()
    assert found(shelf, A) == []


def test_old_runs_are_swept_and_young_ones_stay(shelf):
    old, young = run(shelf, A), run(shelf, B)
    age(shelf, old, DAY + 1)
    age(shelf, young, DAY - 1)
    assert shelf.sweep() == [old]
    assert shelf.runs() == [young]


def test_a_run_that_was_looked_at_within_the_hour_is_never_swept(shelf, clock):
    one, two = run(shelf, A), run(shelf, B)
    clock.now += 2 * DAY
    shelf.look(one)
    clock.now += HOUR - 1
    shelf.age = shelf.size = 0
    assert shelf.sweep() == [two]
    clock.now += 2
    assert shelf.sweep() == [one]


def test_a_run_at_work_is_spared_by_name(shelf, clock):
    one = run(shelf, A)
    clock.now += 9 * DAY
    assert shelf.sweep(spare=[one]) == []


def test_when_room_is_short_the_oldest_go_first(shelf):
    runs = [run(shelf, key) for key in (A, B, C)]
    for hours, folder in zip((2, 5, 3), runs, strict=True):
        age(shelf, folder, hours * HOUR)
    one = sum(path.lstat().st_blocks * 512 for path in runs[0].rglob("*") if path.is_file())
    shelf.size = 2.5 * one
    assert shelf.sweep() == [runs[1]]
    assert sorted(shelf.runs()) == sorted([runs[0], runs[2]])


def test_sweeping_takes_no_other_runs_stage(shelf):
    old = run(shelf, A, value=3.0)
    new = shelf.new_run()
    store.take_along(store.stage_folder(old, 1, A), new, 1, A)
    age(shelf, old, 2 * DAY)
    age(shelf, new, 0)
    assert shelf.sweep() == [old]
    assert store.read(store.find(new, 1)[1]).latents.max() == 3.0
    assert found(shelf, A) == [A]


def test_what_is_not_a_run_is_never_swept(shelf):
    run(shelf, A)
    other = shelf.root / "holiday"
    other.mkdir()
    os.utime(other, (0, 0))
    shelf.age = shelf.size = 0
    assert other not in shelf.sweep()
    assert other.is_dir()


def test_what_a_cut_short_removal_left_is_swept(shelf):
    folder = run(shelf, A)
    left = folder.with_name(f".{folder.name}.0123abcd")
    os.rename(folder, left)
    shelf.sweep()
    assert not left.exists()


def test_forgetting_what_is_gone_is_no_fault(shelf):
    folder = run(shelf, A)
    shelf.forget(folder)
    shelf.forget(folder)
    assert shelf.runs() == []
    assert list(shelf.root.iterdir()) == []
