"""Write files and folders so that a crash leaves either the old or the new content, never a part.

Files and folders are written under a temporary name beside their target, and renamed when they are complete.
Needs only the standard library.
"""

import os
import secrets
import shutil
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

# A function that writes one file at the path it is called with.
Save = Callable[[Path], object]


def write_atomically(path: Path, save: Save, *, flush: bool = True) -> Path:
    """Write a file and return its path. An existing file is replaced only when the new file is complete.

    save: writes the content to the path that is passed to it.
    flush: whether to wait until the content is on the disk, where it survives a power cut.
    """
    partial = temporary_path(path)
    try:
        save(partial)
        if flush:
            flush_to_disk(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def write_folder_atomically(
    folder: Path, files: Mapping[str, Save], is_intact: Callable[[Path], bool]
) -> Path:
    """Write a folder of read-only files and return its path. It appears only when all its files are on the disk.

    files: the function that writes each file, by the file's path inside the folder, in the order of writing.
    is_intact: returns whether an existing folder of this name is complete. A complete one is kept, any other replaced.
    """
    partial = temporary_path(folder)
    try:
        for name, save in files.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            save(path)
            flush_to_disk(path)
            _make_read_only(path)
        # A file's name is stored in its folder, so each folder has to reach the disk as well.
        for subfolder in (path for path in partial.rglob("*") if path.is_dir()):
            flush_to_disk(subfolder)
        flush_to_disk(partial)
        _rename_folder(partial, folder, is_intact)
        flush_to_disk(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _rename_folder(partial: Path, folder: Path, is_intact: Callable[[Path], bool]) -> None:
    """Rename a complete folder to its final name, unless an intact folder already has this name.

    partial: the folder's temporary path.
    folder: its final path.
    """
    try:
        os.rename(partial, folder)
    except OSError:
        if not folder.is_dir():
            raise
        if is_intact(folder):  # Another process has written the same content meanwhile.
            return
        broken = temporary_path(folder)
        os.rename(folder, broken)
        os.rename(partial, folder)
        shutil.rmtree(broken, ignore_errors=True)


def _make_read_only(path: Path) -> None:
    """Take away the permission to write to a file, because other runs may share it.

    A hard link is left as it is: it shares its permissions with a file that is not ours to change. So are files on
    file systems without permissions.
    """
    status = path.stat()
    if status.st_nlink == 1:
        with suppress(OSError):
            path.chmod(stat.S_IMODE(status.st_mode) & ~0o222)


def temporary_path(path: Path) -> Path:
    """Return an unused hidden name beside a path."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def flush_to_disk(path: Path) -> None:
    """Wait until the present content of a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link_or_copy(source: Path, target: Path) -> None:
    """Make a file available under a second path: as a hard link, or as a copy where links are impossible."""
    try:
        os.link(source, target)
    except OSError:  # Another file system, or one without links.
        shutil.copy2(source, target)
