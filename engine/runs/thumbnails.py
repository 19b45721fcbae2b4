"""Smaller images of a finished picture for the page: a proxy, a thumbnail and tiles to zoom into.

Needs no torch.
"""

from math import ceil
from pathlib import Path

from PIL import Image

from engine.runs.files import Save

# The compression level of PNG files. The default, 6, takes seconds for 4096 x 4096 px and saves little.
PNG_LEVEL = 1
# The longer sides in px of the proxy (the image that fills the page) and of the thumbnail.
PROXY_SIDE, THUMB_SIDE = 1600, 320
# The side of a tile in px.
TILE_SIDE = 512
# No chroma subsampling: it would hide the fine grain that people look at when they compare settings.
JPEG_OPTIONS = {"quality": 90, "subsampling": 0}


def preview_files(picture: Image.Image) -> dict[str, Save]:
    """Return the functions that write a picture's preview files, by file name.

    Tiles are named tiles/<level>-<row>-<column>. Tile level 0 is the picture itself, stored without loss. Each
    further level has half the size; the last level fits in one tile.
    """
    files: dict[str, Save] = {
        "proxy.jpg": _jpeg_writer(shrink_to_fit(picture, PROXY_SIDE)),
        "thumb.jpg": _jpeg_writer(shrink_to_fit(picture, THUMB_SIDE)),
    }
    level, reduced = 0, picture
    while True:
        suffix = "png" if level == 0 else "jpg"
        for row in range(ceil(reduced.height / TILE_SIDE)):
            for col in range(ceil(reduced.width / TILE_SIDE)):
                files[f"tiles/{level}-{row}-{col}.{suffix}"] = _tile_writer(
                    reduced, row, col, lossless=level == 0
                )
        if max(reduced.size) <= TILE_SIDE:
            return files
        level, reduced = level + 1, reduced.reduce(2)


def count_tile_levels(height: int, width: int) -> int:
    """Return the number of tile levels for a picture of this size in px; the last level is a single tile."""
    count = 1
    while max(height, width) > TILE_SIDE:
        height, width, count = ceil(height / 2), ceil(width / 2), count + 1
    return count


def shrink_to_fit(picture: Image.Image, side: int) -> Image.Image:
    """Return a copy of a picture whose longer side is at most `side` px."""
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return small


def _jpeg_writer(picture: Image.Image) -> Save:
    """Return a function that writes a picture as JPEG."""
    return lambda path: picture.save(path, "JPEG", **JPEG_OPTIONS)


def _tile_writer(level: Image.Image, row: int, col: int, *, lossless: bool) -> Save:
    """Return a function that writes one tile of a tile level.

    level: the picture, reduced to the size of this level.
    row, col: the position of the tile, counted in tiles.
    lossless: whether to write a PNG instead of a JPEG.
    """
    top, left = row * TILE_SIDE, col * TILE_SIDE
    box = (left, top, min(left + TILE_SIDE, level.width), min(top + TILE_SIDE, level.height))

    def save(path: Path) -> None:
        tile = level.crop(box)
        if lossless:
            tile.save(path, "PNG", compress_level=PNG_LEVEL)
        else:
            tile.save(path, "JPEG", **JPEG_OPTIONS)

    return save
