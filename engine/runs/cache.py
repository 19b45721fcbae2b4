"""All runs under one root: the longest chain that is there already, and sweeping old runs. No torch."""

import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.runs import store
from engine.errors import BadRecipe
from engine.runs.store import Kept

log = logging.getLogger(__name__)

HOUR = 3600.0
DAY = 24 * HOUR
LOOKED = "looked"
"""Its time says when a run was last looked at, or last at work."""
_GONE = re.compile(r"\.[0-9a-f]{32}\.[0-9a-f]{8}")


@dataclass(frozen=True)
class Found:
    """A finished stage with the right key: where it is, and what it holds."""

    key: str
    folder: Path
    kept: Kept


class Shelf:
    """The runs under `root`, kept for `age` seconds and while they hold no more than `size` bytes together.

    Times are read from the clock, which is an argument.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        clock: Callable[[], float] = time.time,
        *,
        age: float = DAY,
        size: float = float("inf"),
    ) -> None:
        self.root, self.clock = Path(root), clock
        self.age, self.size = age, size

    def runs(self) -> list[Path]:
        if not self.root.is_dir():
            return []
        return [folder for folder in map(Path, os.scandir(self.root)) if store.is_run(folder)]

    def new_run(self) -> Path:
        run = store.new_run(self.root)
        self.look(run)
        return run

    def look(self, run: Path) -> None:
        """Marks a run as in use: it is not swept within the hour."""
        now = self.clock()
        try:
            (run / LOOKED).touch()
            os.utime(run / LOOKED, (now, now))
        except OSError as fault:
            log.warning("%s could not be marked: %s", run, fault)

    def chain(self, keys: Sequence[str]) -> tuple[Found, ...]:
        """The longest run of first keys whose stages are all kept, wherever, and can be read."""
        kept, chain = self._folders(set(keys)), []
        for key in keys:
            found = next(filter(None, (_found(key, folder) for folder in kept.get(key, ()))), None)
            if found is None:
                break
            chain.append(found)
        return tuple(chain)

    def held(self, keys: Sequence[str]) -> int:
        """How many of the first stages seem to be kept, by their names alone: for those who only ask."""
        kept = self._folders(set(keys))
        return next((n for n, key in enumerate(keys) if key not in kept), len(keys))

    def upload(self, digest: str) -> Path | None:
        """A start picture with these pixels, if one is kept in any run."""
        return next(filter(None, (store.upload(run, digest) for run in self.runs())), None)

    def _folders(self, keys: set[str]) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for run in self.runs():
            try:
                here = store.stages(run)
            except OSError:  # Swept meanwhile.
                continue
            for key, folder in here.values():
                if key in keys:
                    found.setdefault(key, []).append(folder)
        return found

    def sweep(self, spare: Sequence[Path] = ()) -> list[Path]:
        """Removes runs that are too old, then the oldest until the others are small enough.

        Never one that was at work or looked at within the hour, nor one to spare.
        """
        now, swept = self.clock(), []
        self._clear()
        spared = {run.resolve() for run in spare}
        aged = sorted(((now - self.last_use(run), run) for run in self.runs()), reverse=True)
        excess = _bytes([run for _, run in aged]) - self.size if self.size < float("inf") else 0
        for idle, run in aged:
            if idle < HOUR or run.resolve() in spared:
                continue
            if idle > self.age or excess > 0:
                excess -= _bytes([run], only=True)
                self.forget(run)
                swept.append(run)
        return swept

    def _clear(self) -> None:
        """Removes what is left of runs whose removal was cut short."""
        for entry in os.scandir(self.root) if self.root.is_dir() else ():
            if _GONE.fullmatch(entry.name):
                shutil.rmtree(entry.path, ignore_errors=True)

    def last_use(self, run: Path) -> float:
        try:
            return max(path.stat().st_mtime for path in (run / LOOKED, run) if path.exists())
        except (OSError, ValueError):
            return 0.0

    def forget(self, run: Path) -> None:
        """Removes a run at once; stages that other runs share stay theirs."""
        gone = run.with_name(f".{run.name}.{secrets.token_hex(4)}")
        try:
            os.rename(run, gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)


def _found(key: str, folder: Path) -> Found | None:
    try:
        return Found(key, folder, store.read(folder))
    except BadRecipe:
        return None


def _bytes(runs: Sequence[Path], only: bool = False) -> int:
    """What these runs hold on the disk, shared files once; `only`: what would be free without them."""
    seen: dict[tuple[int, int], int] = {}
    for run in runs:
        for folder, _, names in os.walk(run):  # Others may write and remove meanwhile.
            for name in names:
                try:
                    about = os.lstat(os.path.join(folder, name))
                except OSError:
                    continue
                if not (only and about.st_nlink > 1):
                    seen[about.st_dev, about.st_ino] = about.st_blocks * 512
    return sum(seen.values())
