"""Split a picture into overlapping tiles and blend the results, one row of tiles at a time."""

from collections.abc import Callable, Iterator
from math import ceil

import torch
from torch import Tensor

# The largest overlap of neighbouring tiles in latent cells, about the reach of a decoder's receptive field.
LARGEST_OVERLAP = 8


def tile_starts(length: int, side: int) -> tuple[list[int], int, int]:
    """Divide an axis of `length` latent cells into tiles of equal length, at most `side`.

    Return the start of each tile, the length of every tile, and the overlap of neighbours that is guaranteed.
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
    """Process all tiles of a picture and yield (first row, strip) for strips of full width, from top to bottom.

    A strip is a blended result (C, h, full width). Only one row of tiles is in memory at a time.

    process_tile: returns the result (C, h, w) for a tile's rows and columns; h and w may be any multiple of the tile's
        size, such as 8 px per latent cell.
    size: (height, width) of the picture, in the unit of rows and columns (latent cells).
    side: the longest side of a tile, in the same unit.
    """
    tops, tile_height, overlap_rows = tile_starts(size[0], side)
    lefts, tile_width, overlap_cols = tile_starts(size[1], side)
    # The lower part of the previous row of tiles, which still has to be blended with the next row.
    unfinished: Tensor | None = None
    for k, top in enumerate(tops):
        strip, scale = torch.empty(0), 0.0
        for n, left in enumerate(lefts):
            tile = process_tile(slice(top, top + tile_height), slice(left, left + tile_width))
            if n == 0:
                scale = tile.shape[-1] / tile_width
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
    """Return for each tile of an axis its blending weight at each px of the tile.

    Weights fall linearly towards neighbouring tiles, and the weights at a px add up to 1.

    scale: px per unit of starts, length and overlap.
    """
    starts, length = [round(scale * start) for start in starts], round(scale * length)
    centres = torch.arange(length) + 0.5
    ramp = (torch.minimum(centres, length - centres) / max(scale * overlap, 1)).clamp(max=1)
    total = torch.zeros(starts[-1] + length)
    for start in starts:
        total[start : start + length] += ramp
    return [ramp / total[start : start + length] for start in starts]
