"""Pieces of a picture that overlap, and the whole that they blend into, a few rows at a time."""

from collections.abc import Callable, Iterator
from math import ceil

import torch
from torch import Tensor

LARGEST_OVERLAP = 8
"""Cells. What a decoder looks at around a place hardly reaches further."""


def tile_starts(length: int, side: int) -> tuple[list[int], int, int]:
    """Where even tiles of an axis begin, how long they are, and how far neighbours overlap at least."""
    if length <= side:
        return [0], length, 0
    overlap = min(max(side // 10, min(side // 8, 2)), LARGEST_OVERLAP)
    count = ceil((length - overlap) / (side - overlap))
    even = ceil((length + (count - 1) * overlap) / count)
    return [round(k * (length - even) / (count - 1)) for k in range(count)], even, overlap


def blend_tiles(
    made: Callable[[slice, slice], Tensor], size: tuple[int, int], side: int
) -> Iterator[tuple[int, Tensor]]:
    """Whole rows (C, rows, width) and where they begin, of all that `made` gives for tiles of at most `side`
    cells. A tile may come out at any scale; only one row of tiles is held.
    """
    (tops, tall, down), (lefts, wide, across) = (tile_starts(n, side) for n in size)
    open_rows: Tensor | None = None
    for k, top in enumerate(tops):
        strip: Tensor | None = None
        for n, left in enumerate(lefts):
            tile = made(slice(top, top + tall), slice(left, left + wide))
            scale = tile.shape[-1] / wide
            if strip is None:
                strip = torch.zeros(len(tile), tile.shape[-2], round(scale * size[1]))
            place = slice(round(scale * left), round(scale * (left + wide)))
            strip[..., place] += tile * _shares(lefts, wide, across, scale)[n]
        strip *= _shares(tops, tall, down, scale)[k][:, None]
        if open_rows is not None:
            strip[:, : open_rows.shape[1]] += open_rows
        whole = strip.shape[1] if top == tops[-1] else round(scale * (tops[k + 1] - top))
        yield round(scale * top), strip[:, :whole]
        open_rows = strip[:, whole:].clone()


def _shares(starts: list[int], long: int, overlap: int, scale: float) -> list[Tensor]:
    """The weight of each tile of an axis at each of its places. They fall off linearly towards neighbours and
    add up to one everywhere.
    """
    starts, long = [round(scale * start) for start in starts], round(scale * long)
    place = torch.arange(long) + 0.5
    ramp = (torch.minimum(place, long - place) / max(scale * overlap, 1)).clamp(max=1)
    total = torch.zeros(starts[-1] + long)
    for start in starts:
        total[start : start + long] += ramp
    return [ramp / total[start : start + long] for start in starts]
