"""How an upscaler that enlarges by a fixed factor reaches any size: its passes and tiles. Sizes are (height, width).

A pass gives the whole picture to the network once, tile by tile. After each pass the picture is shrunk by area where
it would be larger than the size that is wanted, so that no picture in between is larger than that.
"""

from collections.abc import Iterator
from itertools import product
from math import ceil
from typing import NamedTuple

from engine.planning.sizes import Size

# The longest side of a tile in px of the smaller picture, without its surroundings, unless memory is short.
TILE_SIDE = 256


class Pass(NamedTuple):
    """One pass of the network over a picture."""

    # The size of the picture that is given.
    source: Size
    # The size of the picture after the pass: `factor` times as large, or the size that is wanted if that is smaller.
    target: Size


class Span(NamedTuple):
    """One axis of a tile, in px."""

    # The tile's first px in the enlarged picture, and the px after its last one.
    start: int
    stop: int
    # The px of the smaller picture from which the tile is made.
    inner_start: int
    inner_stop: int
    # The same with the surroundings that the network must see; they end where the picture ends.
    outer_start: int
    outer_stop: int


class Tile(NamedTuple):
    """A part of a picture that is enlarged at once."""

    # Its rows.
    rows: Span
    # Its columns.
    cols: Span


def list_passes(source: Size, size: Size, factor: int) -> list[Pass]:
    """Return the passes that bring a picture to a size; empty if it is at least that large already.

    factor: how many times larger each side becomes in one pass, at least 2.
    """
    passes = []
    while source[0] < size[0] or source[1] < size[1]:
        target = min(factor * source[0], size[0]), min(factor * source[1], size[1])
        passes.append(Pass(source, target))
        source = target
    return passes


def list_tiles(step: Pass, surroundings: int, side: int | None) -> list[Tile]:
    """Return the tiles of a pass, in raster order. Together they cover the enlarged picture, and none overlap.

    surroundings: the px around a tile that the network must see.
    side: the longest side of a tile in px of the smaller picture, without its surroundings; None for a single tile.
    """
    rows, cols = (
        list(_spans(length, target, surroundings, side))
        for length, target in zip(step.source, step.target, strict=True)
    )
    return [Tile(*spans) for spans in product(rows, cols)]


def _spans(length: int, target: int, surroundings: int, side: int | None) -> Iterator[Span]:
    """Yield the spans of the tiles along an axis.

    length, target: the length of the axis before and after the pass.    surroundings, side: as for `list_tiles`.
    """
    count = _tiles_along(length, target, side)
    for k in range(count):
        start, stop = k * target // count, (k + 1) * target // count
        inner_start, inner_stop = start * length // target, -(-stop * length // target)
        outer_start, outer_stop = max(0, inner_start - surroundings), min(length, inner_stop + surroundings)
        yield Span(start, stop, inner_start, inner_stop, outer_start, outer_stop)


def _tiles_along(length: int, target: int, side: int | None) -> int:
    """Return the number of tiles along an axis: at most one for each px of the result."""
    return 1 if side is None else min(ceil(length / side), target)


def tile_count(source: Size, size: Size, factor: int, side: int | None = TILE_SIDE) -> int:
    """Return the number of tiles in which a picture is enlarged to a size.

    It is 1 if no network runs: if the picture is at least that large, or for a filter (factor 1).

    side: as for `list_tiles`.
    """
    count = 0
    for step in list_passes(source, size, factor) if factor > 1 else []:
        rows, cols = (_tiles_along(*lengths, side) for lengths in zip(*step, strict=True))
        count += rows * cols
    return count or 1


def network_pixels(
    source: Size, size: Size, factor: int, surroundings: int, side: int | None = TILE_SIDE
) -> int:
    """Return the px that the network is given while a picture is enlarged to a size, surroundings included.

    factor, surroundings, side: as for `list_tiles`; a factor of 1 stands for a filter, which needs no network.
    """
    total = 0
    for step in list_passes(source, size, factor) if factor > 1 else []:
        for rows, cols in list_tiles(step, surroundings, side):
            total += (rows.outer_stop - rows.outer_start) * (cols.outer_stop - cols.outer_start)
    return total
