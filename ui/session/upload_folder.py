"""Gradio's folder of uploads: the bytes in it, and the removal of old files."""

import os
import re
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gradio.utils import get_upload_folder

# Seconds after which an upload is removed. A handler that needs it for longer stores a copy, see uploads.py.
MAX_UPLOAD_AGE = 3600
# Seconds since its last change after which an unfinished upload is removed. Gradio leaves some behind.
MAX_UNFINISHED_AGE = 600
# Seconds between two measurements of the folder.
MEASURE_INTERVAL = 5.0
# A file takes at least this many bytes on the disk.
MIN_FILE_BYTES = 4096
# Gradio stores each upload in a folder with such a name.
_FOLDER_NAME = re.compile(r"[0-9a-f]{64}")


class UploadFolder:
    """The folder in which Gradio stores uploads. Its size is measured now and then; in between, new bytes are added."""

    def __init__(self, is_own: bool = False) -> None:
        """Create the object; Gradio creates the folder.

        is_own: whether no other app uses the folder. Only then old files are removed from it.
        """
        self.is_own = is_own
        self._measured = self._added = 0
        self._measured_at = float("-inf")
        # Held while the folder is measured, and while the numbers are changed.
        self._measuring, self._counting = threading.Lock(), threading.Lock()

    @property
    def path(self) -> Path:
        """The path of the folder."""
        return Path(get_upload_folder())

    @property
    def size(self) -> int:
        """The bytes of all uploads as of the last measurement, with those that were added since."""
        return self._measured + self._added

    def add(self, count: int) -> None:
        """Add bytes that Gradio is about to write."""
        with self._counting:
            self._added += count

    def measure(self) -> int:
        """Measure the folder, unless that was done within the last seconds, and return its size in bytes.

        The folder may contain many files, so this is not called on the event loop.
        """
        with self._measuring:
            if time.monotonic() - self._measured_at >= MEASURE_INTERVAL:
                counted = self._added
                measured = sum(max(status.st_size, MIN_FILE_BYTES) for _, status in _files(self.path))
                with self._counting:
                    self._measured = measured
                    self._added -= counted
                self._measured_at = time.monotonic()
        return self.size

    def remove_old(self, max_age: float = MAX_UPLOAD_AGE) -> None:
        """Remove uploads that are older than `max_age` seconds, with their folders, if no other app uses the folder.

        Gradio removes uploads as well, but not those of an earlier process, and it leaves empty folders. Files that are
        not in a folder are uploads that are being received, or that were never finished.
        """
        if not self.is_own or not self.path.is_dir():
            return
        now = time.time()
        oldest, oldest_unfinished = now - max_age, now - min(max_age, MAX_UNFINISHED_AGE)
        for folder in self.path.iterdir():
            if not folder.is_dir() and not folder.is_symlink():
                with suppress(OSError):
                    if folder.stat().st_ctime < oldest_unfinished:
                        folder.unlink()
            if not _FOLDER_NAME.fullmatch(folder.name) or folder.is_symlink():
                continue
            for file, status in _files(folder):
                if status.st_ctime < oldest:
                    file.unlink(missing_ok=True)
            with suppress(OSError):
                if folder.stat().st_ctime < oldest:
                    folder.rmdir()  # Fails if there are files left.


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield each file in a folder and its subfolders, with its status. What is removed meanwhile is left out."""
    for path in folder.rglob("*"):
        with suppress(OSError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                yield path, status
