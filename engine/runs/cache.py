"""The runs under one root folder: find finished stages of all runs by their keys, and remove old runs.

Needs no torch.
"""

import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadRecipe
from engine.runs import store
from engine.runs.files import temporary_path
from engine.runs.store import StoredStage

log = logging.getLogger(__name__)

# In seconds.
HOUR = 3600.0
DAY = 24 * HOUR
# The file in a run's folder whose modification time says when the run was last used.
USED_FILE = "looked"
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


class RunCache:
    """All runs under one root folder; old ones are removed by `sweep`."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        clock: Callable[[], float] = time.time,
        *,
        max_age: float = DAY,
        max_bytes: float = float("inf"),
    ) -> None:
        """Open the cache.

        root: the folder in which every run has its folder.
        clock: returns the time in seconds since the epoch.
        max_age: seconds after its last use for which a run is kept.
        max_bytes: largest total size of all runs; above it, the least recently used runs are removed.
        """
        self.root, self.clock = Path(root), clock
        self.max_age, self.max_bytes = max_age, max_bytes

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
        """Record that a run is used now, so that it is not removed within the next hour."""
        now = self.clock()
        try:
            (run / USED_FILE).touch()
            os.utime(run / USED_FILE, (now, now))
        except OSError as fault:
            log.warning("%s could not be marked as used: %s", run, fault)

    def longest_chain(self, keys: Sequence[str]) -> tuple[CachedStage, ...]:
        """Return the finished stages of the first keys, from any run, up to the first key without one.

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

        This is fast, because only the names of folders are read.
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

    def sweep(self, spare: Sequence[Path] = ()) -> list[Path]:
        """Remove runs older than `max_age`, then the least recently used runs until `max_bytes` is kept.

        Return the folders of the removed runs. Runs that were used within the last hour are never removed.

        spare: folders of runs that are not removed either.
        """
        now = self.clock()
        self._remove_leftovers()
        spared = {run.resolve() for run in spare}
        runs = sorted(((now - self.last_use(run), run) for run in self.runs()), reverse=True)
        excess = 0.0
        if self.max_bytes < float("inf"):
            excess = _disk_usage([run for _, run in runs]) - self.max_bytes
        removed = []
        for idle_seconds, run in runs:
            if idle_seconds < HOUR or run.resolve() in spared:
                continue
            if idle_seconds > self.max_age or excess > 0:
                excess -= _disk_usage([run], unshared_only=True)
                self.remove_run(run)
                removed.append(run)
        return removed

    def _remove_leftovers(self) -> None:
        """Remove what is left of runs whose removal was interrupted."""
        if not self.root.is_dir():
            return
        for entry in os.scandir(self.root):
            if _REMOVED_NAME.fullmatch(entry.name):
                shutil.rmtree(entry.path, ignore_errors=True)

    def last_use(self, run: Path) -> float:
        """Return when a run was last used, in seconds since the epoch; 0 if its folder is gone."""
        try:
            return max(path.stat().st_mtime for path in (run / USED_FILE, run) if path.exists())
        except (OSError, ValueError):
            return 0.0

    def remove_run(self, run: Path) -> None:
        """Remove a run's folder in one step. Stages that the run shares with other runs stay in those runs."""
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


def _disk_usage(runs: Sequence[Path], unshared_only: bool = False) -> int:
    """Return the bytes that runs take on the disk. A file that several runs share counts once.

    unshared_only: leave out files with several hard links, which removing one of their runs does not free.
    """
    bytes_by_file: dict[tuple[int, int], int] = {}
    for run in runs:
        for folder, _, names in os.walk(run):
            for name in names:
                try:
                    status = os.lstat(os.path.join(folder, name))
                except OSError:  # Another process has removed the file meanwhile.
                    continue
                if not (unshared_only and status.st_nlink > 1):
                    bytes_by_file[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(bytes_by_file.values())
