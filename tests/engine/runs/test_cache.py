import os

import numpy as np
import pytest
from PIL import Image

from engine.runs import store
from engine.runs.cache import DAY, HOUR, RunCache

A, B, C = "a" * 32, "b" * 32, "c" * 32


class Clock:
    """A clock that stands still until a test changes `now`."""

    def __init__(self):
        self.now = 1e9

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(tmp_path, clock):
    return RunCache(tmp_path / "runs", clock)


def write_stage(run, number, key, value=0.0):
    latents = np.full((1, 4, 2, 2), value, np.float32)
    return store.write_stage(
        run, number, key, store.StoredStage(latents, (0.0, 1.0), {}), Image.new("RGB", (64, 64))
    )


def run(cache, *keys, value=0.0):
    folder = cache.create_run()
    for number, key in enumerate(keys, 1):
        write_stage(folder, number, key, value)
    set_age(cache, folder, 0)
    return folder


def set_age(cache, folder, seconds):
    """Set the times of a run's folder as if it had not been used for so long."""
    then = cache.clock() - seconds
    for path in (folder / "looked", folder):
        os.utime(path, (then, then))


def find_keys(cache, *keys):
    return [one.key for one in cache.longest_chain(keys)]


def test_an_empty_cache_finds_nothing(cache):
    assert find_keys(cache, A) == []


def test_the_longest_chain_of_first_stages_is_found(cache):
    run(cache, A, B)
    assert find_keys(cache, A, B, C) == [A, B]
    assert find_keys(cache, A, C) == [A]
    assert find_keys(cache, B, A) == [B, A]
    assert find_keys(cache, C, B) == []


def test_a_chain_is_found_across_runs(cache):
    run(cache, A)
    other = cache.create_run()
    write_stage(other, 2, B)
    assert find_keys(cache, A, B) == [A, B]


def test_a_stage_that_cannot_be_read_ends_the_chain(cache):
    folder = run(cache, A, B)
    (store.stage_folder(folder, 2, B) / "latents.safetensors").write_bytes(b"half")
    assert find_keys(cache, A, B) == [A]


def test_incomplete_stages_and_other_files_are_not_found(cache):
    folder = run(cache, A)
    os.rename(store.stage_folder(folder, 1, A), folder / f".stage-1-{A}.1234")
    (cache.root / "notes.txt").write_text("mine")
    (cache.root / "holiday").mkdir()
    assert find_keys(cache, A) == []


def test_old_runs_are_removed_and_recent_ones_kept(cache):
    old, young = run(cache, A), run(cache, B)
    set_age(cache, old, DAY + 1)
    set_age(cache, young, DAY - 1)
    assert cache.sweep() == [old]
    assert cache.runs() == [young]


def test_a_run_that_was_used_within_the_hour_is_never_removed(cache, clock):
    one, two = run(cache, A), run(cache, B)
    clock.now += 2 * DAY
    cache.mark_used(one)
    clock.now += HOUR - 1
    cache.max_age = cache.max_bytes = 0
    assert cache.sweep() == [two]
    clock.now += 2
    assert cache.sweep() == [one]


def test_an_active_run_is_not_removed(cache, clock):
    one = run(cache, A)
    clock.now += 9 * DAY
    assert cache.sweep(spare=[one]) == []


def test_the_oldest_runs_are_removed_first_when_the_disk_is_full(cache):
    runs = [run(cache, key) for key in (A, B, C)]
    for hours, folder in zip((2, 5, 3), runs, strict=True):
        set_age(cache, folder, hours * HOUR)
    one = sum(path.lstat().st_blocks * 512 for path in runs[0].rglob("*") if path.is_file())
    cache.max_bytes = 2.5 * one
    assert cache.sweep() == [runs[1]]
    assert sorted(cache.runs()) == sorted([runs[0], runs[2]])


def test_removing_a_run_keeps_stages_it_shares_with_others(cache):
    old = run(cache, A, value=3.0)
    new = cache.create_run()
    store.link_stage(store.stage_folder(old, 1, A), new, 1, A)
    set_age(cache, old, 2 * DAY)
    set_age(cache, new, 0)
    assert cache.sweep() == [old]
    assert store.read_stage(store.find_stage(new, 1)[1]).latents.max() == 3.0
    assert find_keys(cache, A) == [A]


def test_folders_that_are_not_runs_are_never_removed(cache):
    run(cache, A)
    other = cache.root / "holiday"
    other.mkdir()
    os.utime(other, (0, 0))
    cache.max_age = cache.max_bytes = 0
    assert other not in cache.sweep()
    assert other.is_dir()


def test_the_rest_of_an_interrupted_removal_is_removed(cache):
    folder = run(cache, A)
    left = folder.with_name(f".{folder.name}.0123abcd")
    os.rename(folder, left)
    cache.sweep()
    assert not left.exists()


def test_removing_a_missing_run_is_no_error(cache):
    folder = run(cache, A)
    cache.remove_run(folder)
    cache.remove_run(folder)
    assert cache.runs() == []
    assert list(cache.root.iterdir()) == []
