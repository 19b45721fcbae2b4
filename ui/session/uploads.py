"""What browsers hand over: uploads alone are opened, and what is kept lies where no browser reaches."""

import os
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import Any
from weakref import finalize

from gradio.utils import get_upload_folder

from engine import errors
from engine.errors import BadRecipe, Fault, short_repr
from engine.recipe import images
from engine.runs.files import write_atomically
from engine.runs.thumbnails import PNG_LEVEL

MOST, LONGEST = 2 * 10**9, 86400.0
"""Bytes of all kept pictures together, and seconds that one is kept; a run keeps its own longer."""
PREFIX = "start-pictures-"


def uploaded(path: Any) -> Path:
    """The file of an upload, which lies where Gradio puts uploads; no other is opened."""
    try:
        real = Path(path).resolve(strict=True)
    except (OSError, TypeError, ValueError):
        real = None
    if real is None or not real.is_file() or not real.is_relative_to(Path(get_upload_folder()).resolve()):
        raise BadRecipe("recipe", errors.RECALL_UNREADABLE.format(name=short_repr(path)))
    return real


def new_folder_name() -> str:
    """A new name under which one page's pictures lie. Nobody is told."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class _Kept:
    path: Path
    size: int
    since: float


class Uploads:
    """Pictures that were dropped, as their upright pixels, in a drawer for each page.

    needed: files that may not go yet, as a run that waits is to start from them.
    """

    def __init__(self, most: int = MOST, needed: Callable[[], Collection[Path]] = tuple) -> None:
        self.most, self.needed = most, needed
        self.folder = Path(mkdtemp(prefix=PREFIX))
        self._lock = threading.Lock()
        finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def keep(self, path: Path, within: str = "") -> Path:
        """A picture of any kind as a file of its own in a drawer, the same one as before if it lies there
        already; whoever keeps most makes room for it. Else a Fault."""
        plain = images.read(path)
        kept = self.folder / (within or "shared") / f"{images.digest(path).removeprefix('sha256:')}.png"
        try:
            kept.parent.mkdir(exist_ok=True)
            if kept.is_file():
                kept.touch()
            else:
                # Not flushed to the disk: these files do not outlive the process.
                write_atomically(
                    kept, lambda to: plain.save(to, "PNG", compress_level=PNG_LEVEL), flush=False
                )
            self._make_room(kept)
        except OSError as fault:
            raise Fault(
                errors.RUN_FOLDER_NOT_WRITABLE.format(reason=fault.strerror or type(fault).__name__)
            ) from fault
        return kept

    def sweep(self) -> None:
        """Removes what is too old; and what another process left behind, which nobody uses any more."""
        self._make_room()
        for other in Path(gettempdir()).glob(f"{PREFIX}*"):
            if other != self.folder and _is_over(other):
                shutil.rmtree(other, ignore_errors=True)

    def _make_room(self, newest: Path | None = None) -> None:
        """The oldest of the fullest drawer goes first: who drops much loses what is theirs."""
        with self._lock:
            spared = {newest, *self.needed()}
            kept = _oldest_first(self.folder.rglob("*.png"))
            full = Counter[Path]()
            for each in kept:
                full[each.path.parent] += each.size
            loose = [each for each in kept if each.path not in spared]
            while loose:
                goes = loose[0]
                if time.time() - goes.since <= LONGEST:
                    if full.total() <= self.most:
                        return
                    goes = max(loose, key=lambda each: full[each.path.parent])
                goes.path.unlink(missing_ok=True)
                full[goes.path.parent] -= goes.size
                loose.remove(goes)


def _oldest_first(paths: Iterable[Path]) -> list[_Kept]:
    found = []
    for path in paths:
        try:
            about = os.stat(path)
        except OSError:  # Gone meanwhile.
            continue
        found.append(_Kept(path, about.st_size, about.st_mtime))
    return sorted(found, key=lambda each: each.since)


def _is_over(folder: Path) -> bool:
    """Whether nothing was put there for as long as anything is kept."""
    newest = max((each.since for each in _oldest_first([folder, *folder.rglob("*")])), default=0.0)
    return time.time() - newest > LONGEST
