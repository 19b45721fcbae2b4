"""What the network is shown: the whole canvas, local windows, dilated lattices. Geometry only (numpy).

A view is two slices: window = rows a:b, lattice = rows h::s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from engine.planning.stage import Stage

Ids = tuple[int, int, int, int, int, int]
Range = tuple[int, int]
Offset = Callable[[int, tuple[Range, Range]], tuple[int, int]]
"""(view number, the range it may move in, rows and columns) -> where it moves."""


class Place(NamedTuple):
    """Where a view lies: its k-th row is the canvas's row + step k, its columns likewise, all in cells.

    Where the canvas is padded, some lie outside it.
    """

    row: int
    col: int
    step: int = 1


@dataclass(frozen=True, eq=False)
class View:
    """canvas[..., rows, cols] cuts it and pastes it.

    ids: original height, width; crop top, left; target height, width (px).
    weight: of each cell where views overlap; None is one everywhere.
    """

    rows: slice
    cols: slice
    ids: Ids
    place: Place
    weight: np.ndarray | None = None


def jitter_range(start: int, length: int, window: int, reach: int, faithful: bool) -> Range:
    """Where one window may move on one axis.

    At the canvas's ends it stays, or cells there go unseen; as published it moves outwards, into the margin.
    """
    last = length - window
    if last <= 0:
        return 0, 0
    if 0 < start < last:
        return (-reach, reach) if faithful else (max(-reach, -start), min(reach, last - start))
    if not faithful:
        return 0, 0
    return (-reach, 0) if start == 0 else (0, reach)


@lru_cache(maxsize=64)
def feather(height: int, width: int, row_overlap: int, col_overlap: int) -> np.ndarray:
    """Weights that fall off linearly over the overlap and stay positive at the rim."""
    return np.outer(_taper(height, row_overlap), _taper(width, col_overlap)).astype(np.float32)


def _taper(length: int, overlap: int) -> np.ndarray:
    k = np.arange(length)
    return np.minimum(1.0, (1 + np.minimum(k, length - 1 - k)) / (overlap + 1))


def whole(stage: Stage) -> tuple[View, ...]:
    ids = (*stage.whole_ids, 0, 0, *stage.whole_ids)
    return (View(slice(0, stage.rows), slice(0, stage.cols), ids, Place(0, 0)),)


def windows(stage: Stage, offset: Offset) -> tuple[View, ...]:
    """Local windows in raster order, in the coordinates of the canvas with its margin."""
    (height, width), stride, margin = stage.window, stage.stride, stage.margin
    weight = None
    if stage.recipe.feather:
        weight = feather(height, width, max(0, height - stride), max(0, width - stride))
    views = []
    for number, (row, col) in enumerate(product(*stage.grid)):
        ranges = (
            jitter_range(row, stage.rows, height, stage.reach, stage.faithful),
            jitter_range(col, stage.cols, width, stage.reach, stage.faithful),
        )
        down, right = offset(number, ranges)
        top, left = row + margin + down, col + margin + right
        rows, cols = slice(top, top + height), slice(left, left + width)
        place = Place(top - margin, left - margin)
        views.append(View(rows, cols, _window_ids(stage, top, left), place, weight))
    return tuple(views)


def _window_ids(stage: Stage, top: int, left: int) -> Ids:
    cell = stage.facts.cell
    corner = (top * cell, left * cell)
    if stage.faithful:
        return (*stage.final, *corner, *stage.final)
    if not stage.method.placed:
        return (*stage.final, 0, 0, *stage.final)
    return (*stage.size, *corner, stage.window[0] * cell, stage.window[1] * cell)


def lattice(stage: Stage) -> tuple[View, ...]:
    """Every s-th row and column, from each of the s x s first cells, in raster order."""
    s = stage.factor
    ids = (*stage.whole_ids, 0, 0, *stage.whole_ids)
    left, _, top, _ = lattice_pad(stage)
    return tuple(
        View(slice(h, None, s), slice(w, None, s), ids, Place(h - top, w - left, s))
        for h, w in product(range(s), repeat=2)
    )


def lattice_pad(stage: Stage) -> tuple[int, int, int, int]:
    """Cells to add at left, right, top, bottom, so that both axes divide by s."""
    down, right = -stage.rows % stage.factor, -stage.cols % stage.factor
    return (right, 0, down, 0) if stage.faithful else (0, right, 0, down)
