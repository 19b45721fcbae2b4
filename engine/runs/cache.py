"""The runs under one root folder: find finished stages of all runs by their keys, and remove old runs.

Needs no torch.
"""

import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine import errors
from engine.errors import BadRecipe, Fault
from engine.runs import store
from engine.runs.disk import disk_usage
from engine.runs.files import temporary_path
from engine.runs.store import StoredStage

log = logging.getLogger(__name__)

# In seconds.
HOUR = 3600.0
DAY = 24 * HOUR
# The file in a run's folder whose modification time says when the run was last used.
USED_FILE = "looked"
# The folder beside the runs that contains a folder for each export of the run that comes with the app.
SHARED_FOLDER = "shared"
# The clock has been set, rather than run a little fast, if it is this many seconds ahead.
MIN_CLOCK_JUMP = HOUR
# Seconds for which the measured size of all runs is used again: to measure it, every file is looked at.
MEASURE_INTERVAL = 15.0
# Runs leave this many bytes of the disk free. The app writes other files too, and so does the system.
DISK_RESERVE = 200_000_000
GB = 1e9
# The temporary name of a run's folder while it is removed.
_REMOVED_NAME = re.compile(r"\.[0-9a-f]{32}\.[0-9a-f]{8}")


@dataclass(frozen=True)
class CachedStage:
    """A finished stage that was found by its stage key."""

    # The stage key, see engine/runs/keys.py.
    key: str
    # The stage's folder.
    folder: Path
    # What the stage's file of latents contains.
    stored: StoredStage


def _no_bytes() -> int:
    """Return 0: nothing but runs counts towards the limit."""
    return 0


class RunCache:
    """All runs under one root folder; old ones are removed by `sweep`."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        clock: Callable[[], float] = time.time,
        *,
        max_age: float = DAY,
        max_bytes: float = float("inf"),
        other_bytes: Callable[[], int] = _no_bytes,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the cache.

        root: the folder that contains a folder for each run.
        clock: returns the time in seconds since the epoch.
        max_age: seconds after its last use for which a run is kept.
        max_bytes: largest total size of all runs; above it, the least recently used runs are removed.
        other_bytes: returns the bytes of other files that count towards max_bytes, such as uploads.
        monotonic: returns seconds that only ever pass, whatever the clock is set to.
        """
        self.root, self.clock, self.monotonic = Path(root), clock, monotonic
        self.max_age, self.max_bytes, self.other_bytes = max_age, max_bytes, other_bytes
        # When both clocks were last compared, by each of them.
        self._compared_at = (clock(), monotonic())
        # The size of all runs, and until when it is used, by `monotonic`.
        self._measured_bytes, self._measured_until = 0, float("-inf")
        self._sweep_lock = threading.Lock()

    def runs(self) -> list[Path]:
        """Return the folders of all runs."""
        if not self.root.is_dir():
            return []
        return [folder for folder in map(Path, os.scandir(self.root)) if store.is_run(folder)]

    def create_run(self) -> Path:
        """Create a run's folder and mark it as used."""
        run = store.create_run(self.root)
        self.mark_used(run)
        return run

    def mark_used(self, run: Path) -> None:
        """Record that a run, or a folder of exports, is used now. Those that are used longest ago are removed first."""
        self._set_last_use(run, self.clock())

    def _set_last_use(self, run: Path, when: float) -> None:
        """Record when a run or a folder of exports was last used, in seconds since the epoch."""
        try:
            (run / USED_FILE).touch()
            os.utime(run / USED_FILE, (when, when))
        except OSError as fault:
            log.warning("%s could not be marked as used: %s", run, fault)

    def longest_chain(self, keys: Sequence[str]) -> tuple[CachedStage, ...]:
        """Return the finished stages of the first keys, from any run, up to the first key without one.

        All files of these stages are checked. A damaged stage that is met on the way is set aside in its run.

        keys: the stage keys of a plan, in order. A stage that cannot be read counts as missing.
        """
        folders = self._folders_by_key(set(keys))
        chain = []
        for key in keys:
            stage = _first_readable(key, folders.get(key, []))
            if stage is None:
                break
            chain.append(stage)
        return tuple(chain)

    def count_cached(self, keys: Sequence[str]) -> int:
        """Return the number of keys before the first key without a finished stage.

        This is fast, because only the names of folders are read: damage that was not found yet is not noticed.
        """
        folders = self._folders_by_key(set(keys))
        for count, key in enumerate(keys):
            if key not in folders:
                return count
        return len(keys)

    def find_image(self, digest: str) -> Path | None:
        """Return the file of the input image with this digest from any run; None if no run has it."""
        for run in self.runs():
            path = store.find_image(run, digest)
            if path:
                return path
        return None

    def _folders_by_key(self, keys: set[str]) -> dict[str, list[Path]]:
        """Return the folders of the finished stages with these stage keys, as lists by key."""
        found: dict[str, list[Path]] = {}
        for run in self.runs():
            try:
                stages = store.finished_stages(run)
            except OSError:  # Another process has removed the run meanwhile.
                continue
            for key, folder in stages.values():
                if key in keys:
                    found.setdefault(key, []).append(folder)
        return found

    def check_space(self, bytes_needed: int, spare: Sequence[Path] = ()) -> None:
        """Raise Fault if there is no room for a new run: within max_bytes, or on the disk.

        If the limit is reached, old runs are removed first.

        bytes_needed: an estimate of what the run will take, see engine/runs/disk.py.
        spare: folders of runs that are not removed.
        """
        free, needed = _free_bytes(self.root), bytes_needed + DISK_RESERVE
        if free < needed:
            raise Fault(errors.DISK_FULL.format(need=needed / GB, free=free / GB))
        if self._is_full():
            self.sweep(spare)
            if self._is_full():
                raise Fault(errors.STORAGE_FULL.format(limit=self.max_bytes / GB))

    def _is_full(self) -> bool:
        """Return whether the limit of bytes is reached. The size of all runs may be a few seconds old."""
        if self.max_bytes == float("inf"):
            return False
        if self.monotonic() >= self._measured_until:
            self._measure(self._removable_folders())
        return self._measured_bytes + self.other_bytes() >= self.max_bytes

    def _measure(self, folders: Sequence[Path]) -> int:
        """Return the bytes that these folders take, and remember them as the size of all runs for a while."""
        self._measured_bytes = disk_usage(folders)
        self._measured_until = self.monotonic() + MEASURE_INTERVAL
        return self._measured_bytes

    def sweep(self, spare: Sequence[Path] = ()) -> list[Path]:
        """Remove runs older than `max_age`, then the least recently used runs until `max_bytes` is kept.

        Folders of exports of the run that comes with the app are removed in the same way. Return the removed folders.

        spare: folders of runs that are not removed, because they are running or needed by others that are. Runs of
            other processes are not known here; they are marked as used every minute, so they are removed last.
        """
        with self._sweep_lock:
            self._remove_leftovers()
            self._allow_for_clock_jump()
            now, spared = self.clock(), {run.resolve() for run in spare}
            idle_folders = sorted(
                ((now - self.last_use(folder), folder) for folder in self._removable_folders()), reverse=True
            )
            excess = 0.0
            if self.max_bytes < float("inf"):
                size = self._measure([folder for _, folder in idle_folders])
                excess = size + self.other_bytes() - self.max_bytes
            removed = []
            for idle_seconds, folder in idle_folders:
                if folder.resolve() in spared or (idle_seconds <= self.max_age and excess <= 0):
                    continue
                freed = disk_usage([folder], unshared_only=True)
                self.remove_run(folder)
                removed.append(folder)
                excess -= freed
                self._measured_bytes -= freed
            return removed

    def _removable_folders(self) -> list[Path]:
        """Return the folders that a sweep may remove: all runs, and the exports of the run that comes with the app."""
        shared = self.root / SHARED_FOLDER
        exports = [path for path in map(Path, os.scandir(shared)) if path.is_dir()] if shared.is_dir() else []
        return self.runs() + exports

    def _allow_for_clock_jump(self) -> None:
        """Move the marks of last use along if the clock was set ahead since the last comparison.

        Otherwise all runs would look old at once. Time for which the machine slept counts as a jump too, so runs are
        kept for that much longer. A clock that was wrong before this process began cannot be noticed.
        """
        (clock_then, monotonic_then), now = self._compared_at, (self.clock(), self.monotonic())
        self._compared_at = now
        expected = clock_then + now[1] - monotonic_then
        jump = now[0] - expected
        if jump < MIN_CLOCK_JUMP:
            return
        log.warning("the clock is %d seconds ahead of what it should be; runs are kept for longer", jump)
        for folder in self._removable_folders():
            last_use = self.last_use(folder)
            # A later mark was made after the jump, or by another machine with another clock.
            if 0 < last_use <= expected:
                self._set_last_use(folder, last_use + jump)

    def _remove_leftovers(self) -> None:
        """Remove what is left of runs whose removal was interrupted."""
        if not self.root.is_dir():
            return
        for entry in os.scandir(self.root):
            if _REMOVED_NAME.fullmatch(entry.name):
                shutil.rmtree(entry.path, ignore_errors=True)

    def last_use(self, run: Path) -> float:
        """Return when a run or a folder of exports was last used, in seconds since the epoch; 0 if it is gone."""
        try:
            return max(path.stat().st_mtime for path in (run / USED_FILE, run) if path.exists())
        except (OSError, ValueError):
            return 0.0

    def remove_run(self, run: Path) -> None:
        """Remove the folder of a run or of exports in one step. Files that runs share stay in the other runs."""
        leftover = temporary_path(run)
        try:
            os.rename(run, leftover)
        except FileNotFoundError:
            return
        shutil.rmtree(leftover, ignore_errors=True)


def _first_readable(key: str, folders: Sequence[Path]) -> CachedStage | None:
    """Return the cached stage of the first folder that can be read; None without one. Damaged ones are set aside.

    key: the stage key that all these folders have.
    """
    for folder in folders:
        try:
            return CachedStage(key, folder, store.read_or_set_aside(folder))
        except BadRecipe:
            continue
    return None


def _free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk on which a folder is, or will be."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free
