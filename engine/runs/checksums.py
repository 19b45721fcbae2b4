"""Checksums of the files of a finished stage, by which damage to any of them is found. Needs no torch."""

import json
from hashlib import file_digest
from pathlib import Path

# The file in a stage's folder that contains the SHA-256 of each other file, by the file's path in the folder.
# Stages of earlier versions have no such file.
CHECKSUMS_FILE = "checksums.json"


class Damaged(Exception):
    """A stage has checksums, but its files do not match them."""


def write_checksums(path: Path) -> None:
    """Write the checksums of all files in a folder that is complete but for this file.

    path: the path of the file of checksums in the folder.
    """
    folder = path.parent
    checksums = {file.relative_to(folder).as_posix(): _sha256(file) for file in _files(folder)}
    path.write_text(json.dumps(checksums, indent=1))


def check_files(folder: Path) -> bool:
    """Return whether a folder has checksums; raise Damaged if a file of the folder is missing or has changed.

    This reads all files of the folder.
    """
    try:
        text = (folder / CHECKSUMS_FILE).read_bytes()
    except FileNotFoundError:
        return False
    try:
        checksums = dict(json.loads(text))
    except (ValueError, TypeError) as fault:
        raise Damaged(f"{CHECKSUMS_FILE} cannot be read") from fault
    unlisted = {file.relative_to(folder).as_posix() for file in _files(folder)} - {CHECKSUMS_FILE, *checksums}
    if unlisted:
        raise Damaged(f"{CHECKSUMS_FILE} does not contain {min(unlisted)}")
    for name, checksum in checksums.items():
        try:
            is_right = _sha256(folder / name) == checksum
        except FileNotFoundError:
            raise Damaged(f"{name} is missing") from None
        if not is_right:
            raise Damaged(f"{name} has changed")
    return True


def _files(folder: Path) -> list[Path]:
    """Return all files in a folder and its subfolders."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
