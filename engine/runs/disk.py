"""The disk space that runs take, and an estimate of what a run will take. Needs no torch."""

import os
from collections.abc import Iterable
from math import ceil
from pathlib import Path

from engine.planning.stage import Stage
from engine.runs.thumbnails import PROXY_SIDE, THUMB_SIDE, TILE_SIDE

# Bytes per px of a picture that cannot be compressed, as PNG and as JPEG with the options of thumbnails.py.
PNG_PIXEL_BYTES, JPEG_PIXEL_BYTES = 3.03, 3.0
# Bytes per number of a latent.
FLOAT_BYTES = 4
# The largest number of bytes that a file takes in addition to its content: headers, and a last block that is not full.
FILE_BYTES = 4096
# Bytes of a stage's record, which is stored twice, and of its checksums. Only a prompt can make them long.
RECORD_BYTES = 65536


def estimate_bytes(stages: Iterable[Stage]) -> int:
    """Return the most bytes that the files of these stages will take together on the disk."""
    return sum(map(_estimate_stage_bytes, stages))


def _estimate_stage_bytes(stage: Stage) -> int:
    """Return the most bytes that the files of a stage will take, if its picture cannot be compressed at all."""
    height, width = stage.size
    total: float = FLOAT_BYTES * stage.rows * stage.cols * stage.facts.channels
    total += 2 * PNG_PIXEL_BYTES * height * width  # The picture, and its lossless tiles.
    for side in (PROXY_SIDE, THUMB_SIDE):
        total += JPEG_PIXEL_BYTES * height * width * min(1.0, side / max(height, width)) ** 2
    files = ceil(height / TILE_SIDE) * ceil(width / TILE_SIDE)
    while max(height, width) > TILE_SIDE:  # The smaller tile levels, see thumbnails.preview_files.
        height, width = ceil(height / 2), ceil(width / 2)
        total += JPEG_PIXEL_BYTES * height * width
        files += ceil(height / TILE_SIDE) * ceil(width / TILE_SIDE)
    return ceil(total) + FILE_BYTES * files + RECORD_BYTES


def disk_usage(folders: Iterable[Path], unshared_only: bool = False) -> int:
    """Return the bytes that folders take on the disk. A file that several folders share counts once.

    unshared_only: leave out files with several hard links, which removing one of the folders does not free.
    """
    bytes_by_file: dict[tuple[int, int], int] = {}
    for top in folders:
        for folder, _, names in os.walk(top):
            for name in names:
                try:
                    status = os.lstat(os.path.join(folder, name))
                except OSError:  # Another process has removed the file meanwhile.
                    continue
                if not (unshared_only and status.st_nlink > 1):
                    bytes_by_file[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(bytes_by_file.values())
