import os

import numpy as np
import pytest
from PIL import Image

from engine.errors import Fault
from engine.runs import store
from engine.runs.cache import DAY, HOUR, MEASURE_INTERVAL, RunCache
from engine.runs.disk import disk_usage
from tests.support.stored_stages import overwrite

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
    return RunCache(tmp_path / "runs", clock, monotonic=clock)


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
    overwrite(store.stage_folder(folder, 2, B) / "latents.safetensors", b"half")
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


def test_an_active_run_is_not_removed(cache, clock):
    one = run(cache, A)
    clock.now += 9 * DAY
    cache.max_bytes = 0
    assert cache.sweep(spare=[one]) == []


def test_runs_that_were_just_used_are_removed_too_when_the_limit_is_reached(cache):
    runs = [run(cache, key) for key in (A, B, C)]
    for seconds, folder in zip((30, 20, 10), runs, strict=True):
        set_age(cache, folder, seconds)
    cache.max_bytes = 1.5 * disk_usage(runs[:1])
    assert cache.sweep() == runs[:2]
    assert cache.runs() == runs[2:]
    cache.max_bytes = 0
    assert cache.sweep(spare=[runs[2]]) == []
    assert cache.sweep() == [runs[2]]


def test_marking_a_run_as_used_moves_it_to_the_end(cache, clock):
    one, two = run(cache, A), run(cache, B)
    clock.now += 60
    cache.mark_used(one)
    cache.max_bytes = 1.5 * disk_usage([one])
    assert cache.sweep() == [two]


def test_other_files_count_towards_the_limit(cache):
    one = run(cache, A)
    cache.max_bytes = disk_usage([one]) + 1000
    assert cache.sweep() == []
    cache.other_bytes = lambda: 2000
    assert cache.sweep() == [one]


def test_a_damaged_stage_counts_and_is_removed_with_its_run(cache):
    one = run(cache, A)
    before = disk_usage([one])
    overwrite(store.stage_folder(one, 1, A) / "thumb.jpg", bytes(20_000))
    assert find_keys(cache, A) == []
    assert cache.count_cached([A]) == 0
    assert disk_usage([one]) > before
    cache.max_bytes = 0
    assert cache.sweep() == [one]
    assert list(cache.root.iterdir()) == []


def test_a_clock_that_is_set_ahead_removes_no_run_at_once(tmp_path, clock):
    passed = Clock()
    cache = RunCache(tmp_path, clock, monotonic=passed)
    used, old = run(cache, A), run(cache, B)
    set_age(cache, old, 20 * HOUR)
    clock.now += 25 * HOUR
    after = run(cache, C)
    assert cache.sweep() == []
    clock.now, passed.now = clock.now + 5 * HOUR, passed.now + 5 * HOUR
    assert cache.sweep() == [old]
    clock.now, passed.now = clock.now + 20 * HOUR, passed.now + 20 * HOUR
    assert sorted(cache.sweep()) == sorted([used, after])


def share(cache, name, age):
    """Make a folder of exports of the run that comes with the app, which was last used so many seconds ago."""
    folder = cache.root / "shared" / name
    folder.mkdir(parents=True)
    (folder / "dive.webp").write_bytes(bytes(20_000))
    then = cache.clock() - age
    os.utime(folder, (then, then))
    return folder


def test_exports_of_the_shared_run_are_removed_by_age(cache):
    old, young = share(cache, "stage-3-10-10", DAY + 1), share(cache, "stage-3-10-11", DAY - 1)
    assert cache.sweep() == [old]
    assert not old.exists()
    assert young.exists()
    assert [path.name for path in old.parent.iterdir()] == ["stage-3-10-11"]


def test_exports_and_runs_are_removed_in_the_order_of_their_last_use(cache):
    older, newer = share(cache, "a", 300), share(cache, "b", 100)
    one = run(cache, A)
    set_age(cache, one, 200)
    cache.max_bytes = 1.5 * disk_usage([newer])
    assert cache.sweep() == [older, one]
    assert newer.exists()


def test_there_is_space_for_a_run_as_long_as_old_runs_can_be_removed(cache):
    runs = [run(cache, key) for key in (A, B)]
    cache.max_bytes = 1.5 * disk_usage(runs[:1])
    set_age(cache, runs[0], 10)
    cache.check_space(1000)
    assert cache.runs() == [runs[1]]


def test_a_run_is_refused_when_what_is_needed_fills_the_limit(cache):
    one = run(cache, A)
    cache.max_bytes = 100
    with pytest.raises(Fault, match="fill the space"):
        cache.check_space(1000, spare=[one])
    assert one.exists()
    cache.max_bytes, cache.other_bytes = 1e6, lambda: 2_000_000
    with pytest.raises(Fault, match="fill the space"):
        cache.check_space(1000)


def test_a_run_is_refused_when_the_disk_has_too_little_space(cache):
    cache.check_space(0)
    with pytest.raises(Fault, match=r"1000000000\.2 GB of disk space"):
        cache.check_space(10**18)


def test_the_measured_size_is_used_again_for_some_seconds(cache, clock):
    cache.max_bytes = 1e5
    cache.check_space(0)
    one = run(cache, A)
    overwrite(store.stage_folder(one, 1, A) / "proxy.jpg", bytes(200_000))
    clock.now += MEASURE_INTERVAL - 1
    cache.check_space(0, spare=[one])
    clock.now += 1
    with pytest.raises(Fault, match="fill the space"):
        cache.check_space(0, spare=[one])


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
