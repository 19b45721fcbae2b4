"""What is made of a finished picture for the eye: a proxy, a thumbnail, and tiles to zoom into. No torch."""

from math import ceil
from pathlib import Path

from PIL import Image

from engine.runs.files import Save

# Level 6 takes seconds for 4096 x 4096 px and saves little.
PNG_LEVEL = 1
PROXY, THUMB, TILE = 1600, 320, 512
JPEG = {"quality": 90, "subsampling": 0}
"""Colour at full resolution: halved, it hides the very grain that the settings are about."""


def prints(picture: Image.Image) -> dict[str, Save]:
    """File names, and what writes them: tiles/level-row-column, level 0 at 1:1 and without loss."""
    made: dict[str, Save] = {
        "proxy.jpg": _jpeg(fitted(picture, PROXY)),
        "thumb.jpg": _jpeg(fitted(picture, THUMB)),
    }
    level, whole = 0, picture
    while True:
        for row in range(ceil(whole.height / TILE)):
            for col in range(ceil(whole.width / TILE)):
                name = f"tiles/{level}-{row}-{col}.{'jpg' if level else 'png'}"
                made[name] = _tile(whole, row, col, lossless=not level)
        if max(whole.size) <= TILE:
            return made
        level, whole = level + 1, whole.reduce(2)


def levels(height: int, width: int) -> int:
    """Levels of tiles of a picture of this size; the last one is a single tile."""
    count = 1
    while max(height, width) > TILE:
        height, width, count = ceil(height / 2), ceil(width / 2), count + 1
    return count


def fitted(picture: Image.Image, side: int) -> Image.Image:
    """The picture, at most so large."""
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return small


def _jpeg(picture: Image.Image) -> Save:
    return lambda path: picture.save(path, "JPEG", **JPEG)


def _tile(whole: Image.Image, row: int, col: int, *, lossless: bool) -> Save:
    box = (col * TILE, row * TILE, min((col + 1) * TILE, whole.width), min((row + 1) * TILE, whole.height))

    def save(path: Path) -> None:
        tile = whole.crop(box)
        if lossless:
            tile.save(path, "PNG", compress_level=PNG_LEVEL)
        else:
            tile.save(path, "JPEG", **JPEG)

    return save
