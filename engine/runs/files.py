"""Write files and folders so that a crash leaves the old content or the new one, never half of it.

Everything is written under a temporary name beside its target and renamed once it is complete. Needs only the
standard library.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

# A function that writes one file at the path it is called with.
Save = Callable[[Path], object]


def write_atomically(path: Path, save: Save, *, flush: bool = True) -> Path:
    """Write a file, replacing one that is there only when the new one is complete. Return its path.

    save: writes the content at the temporary path it is called with.
    flush: also wait until the content is on the disk, so that it survives a power cut.
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
    """Write a folder that appears only when all its files are complete and on the disk. Return its path.

    files: what writes each file, by its path inside the folder.
    is_intact: whether a folder that already has this name is complete; it is kept then, else replaced.
    """
    partial = temporary_path(folder)
    try:
        for name, save in files.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            save(path)
            flush_to_disk(path)
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
    """Rename a complete folder to its final name, unless an intact folder has that name already."""
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


def temporary_path(path: Path) -> Path:
    """Return an unused hidden name beside a path."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def flush_to_disk(path: Path) -> None:
    """Wait until a file or a folder, as it is now, is on the disk."""
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
