"""Enlarge a picture to any size, tile by tile, in bounded memory. Sizes are (height, width) in px."""

from collections.abc import Generator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine import hardware
from engine.planning.enlargement import TILE_SIDE, Pass, Size, Span, Tile, list_passes, list_tiles, tile_count
from engine.upscale.check import Check
from engine.upscale.load import Upscaler

# The smallest longest side of a tile to which a shortage of memory leads.
MIN_TILE_SIDE = 16


class TileDone(NamedTuple):
    """The progress of an enlargement after a tile."""

    # The number of tiles that are done.
    done: int
    # The number of all tiles. It grows if memory runs out.
    of: int
    # The longest side of a tile in px of the smaller picture, without its surroundings. It becomes smaller if memory
    # runs out; it stays the same for a picture that is not cut into tiles.
    tile: int


def enlarge_picture(
    picture: Image.Image,
    size: Size,
    upscaler: Upscaler | None,
    tile: int = TILE_SIDE,
    check: Check | None = None,
) -> Generator[TileDone, None, Image.Image]:
    """Yield the progress after every tile, and return the picture at this size, in RGB.

    The network is applied until the picture is large enough, and the result is shrunk by area. When memory runs out,
    the tiles' side is halved, down to MIN_TILE_SIDE. No network runs on a picture that is large enough already.

    upscaler: None for Pillow's Lanczos filter.
    tile: the longest side of a tile in px of the smaller picture, without its surroundings. An upscaler that must be
        given the whole picture is given it as one tile.
    check: called again and again during the work; it may raise an exception to end the work.
    """
    picture = picture.convert("RGB")
    height, width = size
    passes = list_passes((picture.height, picture.width), size, upscaler.factor) if upscaler else []
    if not upscaler or not passes:
        resized = (
            _shrink(picture, size) if upscaler else picture.resize((width, height), Image.Resampling.LANCZOS)
        )
        yield TileDone(1, 1, tile)
        return resized
    done, side = 0, tile if upscaler.tiles else None
    for step in passes:
        enlarged = None
        while enlarged is None:
            of = done + tile_count(step.source, size, upscaler.factor, side)
            try:
                enlarged = yield from _run_pass(picture, step, upscaler, side, (done, of), check)
            except (MemoryError, RuntimeError) as fault:
                if side is None or side <= MIN_TILE_SIDE or not hardware.is_out_of_memory(fault):
                    raise
            if enlarged is None and side is not None:
                # Outside of the except block, so that the exception no longer holds what filled the memory.
                hardware.release_memory(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
                side = max(MIN_TILE_SIDE, min(side, max(step.source)) // 2)
        picture = enlarged
        done += len(list_tiles(step, 0, side))
    return picture


def _run_pass(
    picture: Image.Image,
    step: Pass,
    upscaler: Upscaler,
    side: int | None,
    progress: tuple[int, int],
    check: Check | None,
) -> Generator[TileDone, None, Image.Image]:
    """Give a picture to the network once, tile by tile; yield the progress, and return the enlarged picture.

    side: the longest side of a tile; None for a single tile.
    progress: the number of tiles that were done before this pass, and of all tiles.
    """
    done, of = progress
    height, width = step.target
    enlarged = Image.new("RGB", (width, height))
    for tile in list_tiles(step, upscaler.surroundings, side):
        part = _enlarge_tile(picture, tile, step, upscaler, check)
        enlarged.paste(part, (tile.cols.start, tile.rows.start))
        done += 1
        yield TileDone(done, of, TILE_SIDE if side is None else side)
    return enlarged


def _enlarge_tile(
    picture: Image.Image, tile: Tile, step: Pass, upscaler: Upscaler, check: Check | None
) -> Image.Image:
    """Return a tile of the enlarged picture."""
    rows, cols = tile
    box = (cols.outer_start, rows.outer_start, cols.outer_stop, rows.outer_stop)
    pixels = torch.from_numpy(np.array(picture.crop(box))).permute(2, 0, 1)[None] / 255
    enlarged = upscaler.upscale(pixels, check)[0]
    for axis, span in enumerate(tile):
        lengths = step.source[axis], step.target[axis]
        enlarged = _cut_axis(enlarged, 1 + axis, span, lengths, upscaler.factor)
    levels = (enlarged * 255).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).numpy())


def _cut_axis(enlarged: Tensor, axis: int, span: Span, lengths: tuple[int, int], factor: int) -> Tensor:
    """Return a tile that the network has enlarged, without its surroundings on one axis, and shrunk by area there.

    lengths: the length of the axis before and after the pass.    factor: that of the network.
    """
    length, target = lengths
    if target == factor * length:
        return enlarged.narrow(axis, span.start - factor * span.outer_start, span.stop - span.start)
    first, count = span.inner_start - span.outer_start, span.inner_stop - span.inner_start
    inner = enlarged.narrow(axis, factor * first, factor * count)
    weights, dims = area_weights(span, lengths, factor), ([1], [axis])
    # torch's types allow only a number of axes, and not lists of axes.
    return torch.tensordot(weights, inner, dims).movedim(0, axis)  # pyright: ignore[reportArgumentType]


def area_weights(span: Span, lengths: tuple[int, int], factor: int) -> Tensor:
    """Return the weights (px of the tile, px of the network's output) that shrink one axis of a tile by area.

    Each px of the tile is the mean of the part of the network's output that it covers.

    span: the axis of the tile; the network's output is that of its inner px.
    lengths: the length of the axis before and after the pass.    factor: that of the network.
    """
    ratio = factor * lengths[0] / lengths[1]
    edges = ratio * np.arange(span.start, span.stop + 1)[:, None] - factor * span.inner_start
    px = np.arange(factor * (span.inner_stop - span.inner_start))
    covered = np.minimum(edges[1:], px + 1) - np.maximum(edges[:-1], px)
    return torch.from_numpy(np.maximum(covered, 0) / ratio).float()


def _shrink(picture: Image.Image, size: Size) -> Image.Image:
    """Return a picture shrunk by area."""
    return Image.fromarray(cv2.resize(np.asarray(picture), size[::-1], interpolation=cv2.INTER_AREA))
