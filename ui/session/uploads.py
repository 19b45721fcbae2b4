"""Uploaded images: only files in Gradio's upload folder are opened, and copies are stored in another folder."""

import os
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import Any, TypeVar
from weakref import finalize

from gradio.utils import get_upload_folder

from engine import errors
from engine.errors import BadRecipe, Fault, short_repr
from engine.recipe import images
from engine.recipe.decoding import PROCESSES, ImageDecoder
from ui.session.turns import TooManyWaiting, Turns

Result = TypeVar("Result")

# The bytes that all stored images together may take.
MAX_UPLOADS_BYTES = 2 * 10**9
# Seconds after its last use for which an image is stored. A run stores its own copy.
MAX_AGE = 86400.0
# The number of requests with uploads that are carried out or wait; further ones are refused.
MAX_WAITING = 12
# The same for the requests of one client. A picture may take 20 s, so one client could hold up all others.
MAX_WAITING_PER_CLIENT = 4
# The name of the temporary folder of each process begins with this.
FOLDER_PREFIX = "start-pictures-"


def find_upload(path: object) -> Path:
    """Return the resolved path of an uploaded file.

    path: any value from outside; raise BadRecipe unless it is the path of a file in Gradio's upload folder.
    """
    real = None
    if isinstance(path, str | os.PathLike):
        with suppress(OSError, TypeError, ValueError):
            real = Path(path).resolve(strict=True)
    if real is None or not real.is_file() or not real.is_relative_to(Path(get_upload_folder()).resolve()):
        raise BadRecipe("recipe", errors.RECALL_UNREADABLE.format(name=short_repr(path)))
    return real


def new_folder_name() -> str:
    """Return a random name for the folder of the images of one session. The name is never sent to a browser."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class _StoredFile:
    """A file on the disk."""

    path: Path
    # The size in bytes.
    size: int
    # When the file was last stored or used, in seconds since the epoch.
    modified: float


class Uploads:
    """The store of uploaded images: upright PNG copies, in a folder for each session.

    All these folders are in one temporary folder, which is removed when the process ends.
    """

    def __init__(
        self, max_bytes: float = MAX_UPLOADS_BYTES, needed_paths: Callable[[], Collection[Path]] = tuple
    ) -> None:
        """Create an empty store.

        max_bytes: the bytes that all images together may take.
        needed_paths: returns the files that must not be removed because runs in the queue need them.
        """
        self.max_bytes, self.needed_paths = max_bytes, needed_paths
        self.folder = Path(mkdtemp(prefix=FOLDER_PREFIX))
        self.decoder = ImageDecoder()
        self._turns = Turns("uploads", PROCESSES, MAX_WAITING, MAX_WAITING_PER_CLIENT)
        self._lock = threading.Lock()
        finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    async def run_in_turn(self, client: str, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function that stores uploads when it is its turn. Raise BadRecipe if too many calls wait.

        client: the key of the client that asks; empty if it is not known.
        """
        try:
            return await self._turns.run(client, function, *arguments)
        except TooManyWaiting as fault:
            sentence = errors.TOO_MANY_UPLOADS_OF_CLIENT if fault.of_client else errors.TOO_MANY_UPLOADS
            raise BadRecipe("image", sentence) from fault

    def store(self, path: Path, folder_name: str = "shared") -> Path:
        """Store a copy of an image and return the path of the copy. An image that the folder has already is reused.

        Older images are removed to make room. Raise Fault if the copy cannot be written.

        path: the image.
        folder_name: the name of the folder for the copy.
        """
        folder = self.folder / folder_name
        partial = folder / f"{secrets.token_hex(8)}.partial"
        try:
            folder.mkdir(exist_ok=True)
            decoded = self.decoder.convert(path, partial)
            stored = folder / f"{decoded.digest.removeprefix('sha256:')}.png"
            partial.replace(stored)
            images.remember_digest(stored, decoded.digest)
            self._make_room(stored)
        except OSError as fault:
            raise Fault(
                errors.RUN_FOLDER_NOT_WRITABLE.format(
                    reason=fault.strerror or str(fault) or type(fault).__name__
                )
            ) from fault
        return stored

    def sweep(self) -> None:
        """Remove images that are too old, and the folders that ended processes left behind."""
        self._make_room()
        for other in Path(gettempdir()).glob(f"{FOLDER_PREFIX}*"):
            if other != self.folder and _is_abandoned(other):
                shutil.rmtree(other, ignore_errors=True)

    def measure(self) -> int:
        """Return the bytes of all images in the store."""
        return sum(file.size for file in _oldest_first(self.folder.rglob("*.png")))

    def _make_room(self, newest: Path | None = None) -> None:
        """Remove images that are too old, then the oldest image of the largest folder until max_bytes is kept.

        A session that uploads much thus loses its own images first.

        newest: an image that is not removed.
        """
        with self._lock:
            spared_paths = {newest, *self.needed_paths()}
            files = _oldest_first(self.folder.rglob("*.png"))
            bytes_by_folder = Counter[Path]()
            for file in files:
                bytes_by_folder[file.path.parent] += file.size
            removable = [file for file in files if file.path not in spared_paths]
            while removable:
                file = removable[0]
                if time.time() - file.modified <= MAX_AGE:
                    if bytes_by_folder.total() <= self.max_bytes:
                        return
                    file = max(removable, key=lambda file: bytes_by_folder[file.path.parent])
                file.path.unlink(missing_ok=True)
                bytes_by_folder[file.path.parent] -= file.size
                removable.remove(file)


def _oldest_first(paths: Iterable[Path]) -> list[_StoredFile]:
    """Return the files at these paths, oldest first; paths that no longer exist are left out."""
    found = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:  # Removed meanwhile.
            continue
        found.append(_StoredFile(path, status.st_size, status.st_mtime))
    return sorted(found, key=lambda file: file.modified)


def _is_abandoned(folder: Path) -> bool:
    """Return whether nothing in a folder has changed for more than MAX_AGE seconds."""
    newest = max((file.modified for file in _oldest_first([folder, *folder.rglob("*")])), default=0.0)
    return time.time() - newest > MAX_AGE
