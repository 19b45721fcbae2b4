"""Splitting a picture into overlapping tiles and blending the results, one row of tiles at a time."""

from collections.abc import Callable, Iterator
from math import ceil

import torch
from torch import Tensor

# Latent cells. A decoder's receptive field hardly reaches further.
LARGEST_OVERLAP = 8


def tile_starts(length: int, side: int) -> tuple[list[int], int, int]:
    """Divide an axis into tiles of equal length, at most `side`.

    Return the start of each tile, the length of all, and the least overlap of neighbours.
    """
    if length <= side:
        return [0], length, 0
    overlap = min(max(side // 10, min(side // 8, 2)), LARGEST_OVERLAP)
    count = ceil((length - overlap) / (side - overlap))
    tile_length = ceil((length + (count - 1) * overlap) / count)
    starts = [round(k * (length - tile_length) / (count - 1)) for k in range(count)]
    return starts, tile_length, overlap


def blend_tiles(
    process_tile: Callable[[slice, slice], Tensor], size: tuple[int, int], side: int
) -> Iterator[tuple[int, Tensor]]:
    """Process all tiles of a picture and yield the blended result in strips of full width, top to bottom.

    process_tile: returns the result (C, h, w) for the given rows and columns, at any scale of its own.
    size: (height, width) of the picture in the units of those rows and columns.
    side: the longest side of a tile.

    Each strip (C, h, full width) comes with its first row. Only one row of tiles is in memory at a time.
    """
    tops, tile_height, overlap_rows = tile_starts(size[0], side)
    lefts, tile_width, overlap_cols = tile_starts(size[1], side)
    # The lower part of the previous row of tiles, which still has to be blended with the next row.
    unfinished: Tensor | None = None
    for k, top in enumerate(tops):
        strip: Tensor | None = None
        for n, left in enumerate(lefts):
            tile = process_tile(slice(top, top + tile_height), slice(left, left + tile_width))
            scale = tile.shape[-1] / tile_width
            if strip is None:
                strip = torch.zeros(len(tile), tile.shape[-2], round(scale * size[1]))
            cols = slice(round(scale * left), round(scale * (left + tile_width)))
            strip[..., cols] += tile * _blend_weights(lefts, tile_width, overlap_cols, scale)[n]
        strip *= _blend_weights(tops, tile_height, overlap_rows, scale)[k][:, None]
        if unfinished is not None:
            strip[:, : unfinished.shape[1]] += unfinished
        finished = strip.shape[1] if top == tops[-1] else round(scale * (tops[k + 1] - top))
        yield round(scale * top), strip[:, :finished]
        unfinished = strip[:, finished:].clone()


def _blend_weights(starts: list[int], length: int, overlap: int, scale: float) -> list[Tensor]:
    """Return the weight of each tile of an axis at each of its px.

    Weights fall linearly towards the neighbours and add up to 1 everywhere.
    """
    starts, length = [round(scale * start) for start in starts], round(scale * length)
    centres = torch.arange(length) + 0.5
    ramp = (torch.minimum(centres, length - centres) / max(scale * overlap, 1)).clamp(max=1)
    total = torch.zeros(starts[-1] + length)
    for start in starts:
        total[start : start + length] += ramp
    return [ramp / total[start : start + length] for start in starts]
