"""Where the network looks: the whole canvas, local windows, dilated views. Geometry only (numpy).

A view is two slices of the canvas: a window has rows a:b, a dilated view every s-th row h::s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from typing import NamedTuple

import numpy as np

from engine.formulas.noise import Noise
from engine.formulas.schedule import Step
from engine.planning.stage import Stage

# SDXL's size ids: original height and width, crop top and left, target height and width, in px.
SizeIds = tuple[int, int, int, int, int, int]
# The least and the greatest shift of a window on one axis, in latent cells.
Range = tuple[int, int]
# Returns the shift of a window in rows and columns, from its number and the range on each axis.
JitterFunction = Callable[[int, tuple[Range, Range]], tuple[int, int]]


class Place(NamedTuple):
    """Where a view lies: its k-th row is the canvas's row + step k, its columns likewise, in latent cells.

    Where the canvas is padded, some of them lie outside of it.
    """

    row: int
    col: int
    step: int = 1


@dataclass(frozen=True, eq=False)
class View:
    """One view: canvas[..., rows, cols] cuts it out and pastes it back."""

    rows: slice
    cols: slice
    ids: SizeIds
    place: Place
    # The weight of each cell where views overlap; None is 1 everywhere.
    weight: np.ndarray | None = None


class Views(NamedTuple):
    """All views of a step; either kind may be missing."""

    local: tuple[View, ...] = ()
    dilated: tuple[View, ...] = ()


def views_at(stage: Stage, step: Step, noise: Noise) -> Views:
    """Return the views of a step: local ones unless c2 is 1, dilated ones unless c2 is 0."""
    jitter = partial(noise.jitter, stage.number, step.index, (stage.rows, stage.cols))
    return Views(
        local=local_views(stage, jitter) if step.c2 < 1 else (),
        dilated=dilated_views(stage) if step.c2 > 0 else (),
    )


def local_views(stage: Stage, jitter: JitterFunction) -> tuple[View, ...]:
    """Return the whole canvas as the one view, or windows."""
    return whole_canvas(stage) if stage.sees_whole_canvas else windows(stage, jitter)


def jitter_range(start: int, length: int, window: int, reach: int, faithful: bool) -> Range:
    """Return how far a window may be shifted on one axis.

    At the canvas's ends it stays, or cells there would not be seen; in the published code it moves outwards,
    into the padding, also where it is longer than the canvas.
    """
    last = length - window
    if last == 0 or (last < 0 and not faithful):
        return 0, 0
    if 0 < start < last:
        return (-reach, reach) if faithful else (max(-reach, -start), min(reach, last - start))
    if not faithful:
        return 0, 0
    return (-reach, 0) if start == 0 else (0, reach)


@lru_cache(maxsize=64)
def feather(height: int, width: int, row_overlap: int, col_overlap: int) -> np.ndarray:
    """Return weights that fall off linearly over the overlap and stay positive at the edge."""
    return np.outer(_taper(height, row_overlap), _taper(width, col_overlap)).astype(np.float32)


def _taper(length: int, overlap: int) -> np.ndarray:
    k = np.arange(length)
    return np.minimum(1.0, (1 + np.minimum(k, length - 1 - k)) / (overlap + 1))


def whole_canvas(stage: Stage) -> tuple[View, ...]:
    """Return the whole canvas as one view."""
    ids = (*stage.whole_canvas_id, 0, 0, *stage.whole_canvas_id)
    return (View(slice(0, stage.rows), slice(0, stage.cols), ids, Place(0, 0)),)


def windows(stage: Stage, jitter: JitterFunction) -> tuple[View, ...]:
    """Return the windows in raster order, in the coordinates of the canvas with its jitter padding."""
    (height, width), stride, padding = stage.window, stage.stride, stage.jitter_padding
    weight = None
    if stage.recipe.feather:
        weight = feather(height, width, max(0, height - stride), max(0, width - stride))
    views = []
    for number, (row, col) in enumerate(product(*stage.window_grid)):
        ranges = (
            jitter_range(row, stage.rows, height, stage.jitter_reach, stage.faithful),
            jitter_range(col, stage.cols, width, stage.jitter_reach, stage.faithful),
        )
        down, right = jitter(number, ranges)
        top, left = row + padding + down, col + padding + right
        rows, cols = slice(top, top + height), slice(left, left + width)
        place = Place(top - padding, left - padding)
        views.append(View(rows, cols, _window_ids(stage, top, left), place, weight))
    return tuple(views)


def _window_ids(stage: Stage, top: int, left: int) -> SizeIds:
    cell = stage.facts.cell
    corner = (top * cell, left * cell)
    if stage.faithful:
        return (*stage.final_size, *corner, *stage.final_size)
    if not stage.method.true_size_ids:
        return (*stage.final_size, 0, 0, *stage.final_size)
    return (*stage.size, *corner, stage.window[0] * cell, stage.window[1] * cell)


def dilated_views(stage: Stage) -> tuple[View, ...]:
    """Return the dilated views in raster order: every s-th row and column, from each of the first s x s cells."""
    s = stage.dilation
    ids = (*stage.whole_canvas_id, 0, 0, *stage.whole_canvas_id)
    left, _, top, _ = dilation_padding(stage)
    return tuple(
        View(slice(h, None, s), slice(w, None, s), ids, Place(h - top, w - left, s))
        for h, w in product(range(s), repeat=2)
    )


def dilation_padding(stage: Stage) -> tuple[int, int, int, int]:
    """Return the cells to add at left, right, top and bottom, so that both axes are multiples of s."""
    down, right = -stage.rows % stage.dilation, -stage.cols % stage.dilation
    return (right, 0, down, 0) if stage.faithful else (0, right, 0, down)
