"""What browsers hand over: uploads alone are opened, and what is kept lies where no browser reaches."""

import secrets
import shutil
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

from gradio.utils import get_upload_folder

from engine import errors, picture
from engine.errors import BadRecipe, Fault, short
from engine.prints import PNG_LEVEL

MOST, LONGEST = 2 * 10**9, 86400.0
"""Bytes of all kept pictures together, and seconds that one is kept; a run keeps its own longer."""


def uploaded(path: Any) -> Path:
    """The file of an upload, which lies where Gradio puts uploads; no other is opened."""
    try:
        real = Path(path).resolve(strict=True)
    except (OSError, TypeError, ValueError):
        real = None
    if real is None or not real.is_file() or not real.is_relative_to(Path(get_upload_folder()).resolve()):
        raise BadRecipe("recipe", errors.RECALL_UNREADABLE.format(name=short(path)))
    return real


class Uploads:
    """Pictures that were dropped: their upright pixels as new files under names that nobody is told."""

    def __init__(self, most: int = MOST) -> None:
        self.most, self.folder = most, Path(mkdtemp(prefix="start-pictures-"))
        finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def keep(self, path: Path) -> Path:
        """A picture of any kind as a file of its own, for which the oldest make room; else a Fault."""
        plain = picture.read(path)
        kept = self.folder / f"{secrets.token_hex(16)}.png"
        try:
            plain.save(kept, "PNG", compress_level=PNG_LEVEL)
            self._make_room(kept)
        except OSError as fault:
            kept.unlink(missing_ok=True)
            raise Fault(errors.DISK.format(reason=fault.strerror or type(fault).__name__)) from fault
        return kept

    def _make_room(self, newest: Path) -> None:
        found = ((path, path.stat()) for path in self.folder.iterdir())
        files = sorted(found, key=lambda each: each[1].st_mtime_ns, reverse=True)
        total = newest.stat().st_size
        for path, about in files:
            if path == newest:
                continue
            total += about.st_size
            if total > self.most or time.time() - about.st_mtime > LONGEST:
                path.unlink(missing_ok=True)
