"""The views of the canvas that the network evaluates: the whole canvas, windows, dilated views (numpy only).

A view is two slices of the canvas: a window has the rows a:b, a dilated view has every s-th row, h::s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from typing import NamedTuple

import numpy as np

from engine.formulas.noise import Noise, ShiftRange
from engine.formulas.schedule import Step
from engine.planning.stage import Stage

# SDXL's size conditioning: original height and width, crop top and left, target height and width, in px.
SizeIds = tuple[int, int, int, int, int, int]
# A function that returns the random shift (down, right) of a window, from the window's number and the allowed range
# of shifts on each axis.
JitterFunction = Callable[[int, tuple[ShiftRange, ShiftRange]], tuple[int, int]]


class ViewPosition(NamedTuple):
    """The position of a view on the canvas, in latent cells.

    Row k of the view is row `row + spacing * k` of the canvas; columns likewise. On a padded canvas some rows or
    columns of a view lie outside the canvas.
    """

    # The canvas's row of the view's first row.
    row: int
    # The canvas's column of the view's first column.
    col: int
    # The distance between the view's rows, and between its columns, on the canvas; 1 except for dilated views.
    spacing: int = 1


@dataclass(frozen=True, eq=False)
class View:
    """A part of the padded canvas that the network evaluates at once: canvas[..., rows, cols]."""

    # The view's rows of the padded canvas.
    rows: slice
    # The view's columns of the padded canvas.
    cols: slice
    # The view's size conditioning for SDXL.
    size_ids: SizeIds
    # Where the view lies on the canvas; `rows` and `cols` count from the corner of the padded canvas.
    position: ViewPosition
    # The weight of each latent cell in the mean over overlapping views; None means 1 for every cell.
    weight: np.ndarray | None = None


class Views(NamedTuple):
    """All views of one denoising step."""

    # The windows, or one view of the whole canvas; empty if the step has no local views.
    local: tuple[View, ...] = ()
    # The dilated views; empty if the step has none.
    dilated: tuple[View, ...] = ()


def views_at(stage: Stage, step: Step, noise: Noise) -> Views:
    """Return the views of a denoising step: local views unless c2 is 1, dilated views unless c2 is 0."""
    jitter = partial(noise.jitter, stage.number, step.index, (stage.rows, stage.cols))
    return Views(
        local=local_views(stage, jitter) if step.c2 < 1 else (),
        dilated=dilated_views(stage) if step.c2 > 0 else (),
    )


def local_views(stage: Stage, jitter: JitterFunction) -> tuple[View, ...]:
    """Return the stage's windows, or a single view of the whole canvas if the stage has no windows."""
    return whole_canvas(stage) if stage.sees_whole_canvas else windows(stage, jitter)


def jitter_range(start: int, length: int, window: int, reach: int, faithful: bool) -> ShiftRange:
    """Return the smallest and the largest shift of a window on one axis, in latent cells.

    start: the window's first row (or column).    length: the canvas's.    window: the window's side.
    reach: the largest shift of a window inside the canvas.
    A window at an end of the canvas is not shifted, because no other window covers the cells there. In the published
    code (`faithful`) such a window is shifted outwards, into the padding.
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
def feather_weights(height: int, width: int, row_overlap: int, col_overlap: int) -> np.ndarray:
    """Return the weights of a window's cells, which fall linearly over the overlap and are positive at the edge.

    height, width: the window's size.    row_overlap, col_overlap: its overlap with neighbours, in latent cells.
    """
    return np.outer(_taper(height, row_overlap), _taper(width, col_overlap)).astype(np.float32)


def _taper(length: int, overlap: int) -> np.ndarray:
    """Return weights along one axis: 1 inside, falling linearly over `overlap` cells at both ends."""
    k = np.arange(length)
    return np.minimum(1.0, (1 + np.minimum(k, length - 1 - k)) / (overlap + 1))


def whole_canvas(stage: Stage) -> tuple[View, ...]:
    """Return a single view of the whole canvas."""
    ids = (*stage.whole_canvas_id, 0, 0, *stage.whole_canvas_id)
    return (View(slice(0, stage.rows), slice(0, stage.cols), ids, ViewPosition(0, 0)),)


def windows(stage: Stage, jitter: JitterFunction) -> tuple[View, ...]:
    """Return the stage's windows with random shifts, in raster order.

    Their slices count from the corner of the canvas with its jitter padding.
    """
    (height, width), stride, padding = stage.window, stage.stride, stage.jitter_padding
    weight = None
    if stage.recipe.feather:
        weight = feather_weights(height, width, max(0, height - stride), max(0, width - stride))
    views = []
    for number, (row, col) in enumerate(product(*stage.window_grid)):
        ranges = (
            jitter_range(row, stage.rows, height, stage.jitter_reach, stage.faithful),
            jitter_range(col, stage.cols, width, stage.jitter_reach, stage.faithful),
        )
        down, right = jitter(number, ranges)
        top, left = row + padding + down, col + padding + right
        rows, cols = slice(top, top + height), slice(left, left + width)
        place = ViewPosition(top - padding, left - padding)
        views.append(View(rows, cols, _window_size_ids(stage, top, left), place, weight))
    return tuple(views)


def _window_size_ids(stage: Stage, top: int, left: int) -> SizeIds:
    """Return SDXL's size conditioning for a window; top and left are its first cells on the padded canvas."""
    cell = stage.facts.cell
    corner = (top * cell, left * cell)
    if stage.faithful:
        return (*stage.final_size, *corner, *stage.final_size)
    if not stage.method.true_size_ids:
        return (*stage.final_size, 0, 0, *stage.final_size)
    return (*stage.size, *corner, stage.window[0] * cell, stage.window[1] * cell)


def dilated_views(stage: Stage) -> tuple[View, ...]:
    """Return the stage's s x s dilated views in raster order of their first cells, for dilation s.

    Each view has every s-th row and every s-th column of the canvas; the views start at the first s x s cells.
    """
    s = stage.dilation
    ids = (*stage.whole_canvas_id, 0, 0, *stage.whole_canvas_id)
    left, _, top, _ = dilation_padding(stage)
    return tuple(
        View(slice(h, None, s), slice(w, None, s), ids, ViewPosition(h - top, w - left, s))
        for h, w in product(range(s), repeat=2)
    )


def dilation_padding(stage: Stage) -> tuple[int, int, int, int]:
    """Return the padding (left, right, top, bottom) in latent cells for dilated views.

    It makes the canvas's rows and columns multiples of stage.dilation, so that all dilated views have equal size.
    """
    down, right = -stage.rows % stage.dilation, -stage.cols % stage.dilation
    return (right, 0, down, 0) if stage.faithful else (0, right, 0, down)
