"""Measures two kinds of artefacts that large pictures show: seams between windows, and a regular grid.

Both measures are a sum over a sum, so that many pictures are measured together by adding up first. All pictures are
arrays in bytes (rows, cols, 3).
"""

from collections.abc import Iterable, Sequence

import numpy as np

from lab.world.paint import Array

# Distances in px from a line at which the slopes beside it are taken.
BESIDE_LINE = range(3, 13)
# Distances in bins from a frequency at which the power beside it is taken.
BESIDE_FREQUENCY = (-4, -3, -2, 2, 3, 4)


def window_lines(starts: Sequence[int], window: int, cells: int, cell: int) -> list[int]:
    """Return the px at which windows begin or end along one axis, without the picture's edges.

    starts: the first cell of each window. window: its cells. cells: those of the picture. cell: px of a cell.
    """
    edges = {edge for start in starts for edge in (start, start + window)}
    return sorted(edge * cell for edge in edges if 0 < edge < cells)


def seam_sums(picture: Array, rows: Iterable[int], cols: Iterable[int]) -> tuple[float, float]:
    """Return the mean slope across the lines where windows begin or end, and that across lines beside them.

    Each is summed over both axes. The first over the second is the seam index, which is about 1 without seams.
    """
    pixels = picture.astype(float).mean(2)
    across = beside = 0.0
    for image, lines in ((pixels, rows), (pixels.T, cols)):
        slopes = np.abs(np.diff(image, axis=0)).mean(1)  # Line k lies between the rows k - 1 and k.
        known = [line - 1 for line in lines]
        near = [line + sign * away for line in known for away in BESIDE_LINE for sign in (-1, 1)]
        near = [line for line in near if 0 <= line < len(slopes) and line not in known]
        across += float(slopes[known].mean()) if known else 0.0
        beside += float(slopes[near].mean()) if near else 0.0
    return across, beside


def grid_sums(picture: Array, period: int) -> tuple[float, float]:
    """Return the power of a picture at the frequencies of a grid with this period in px, and beside them.

    Each is summed over both axes and all multiples below half a cycle a px. The first over the second is about 1
    without a grid.
    """
    pixels = picture.astype(float).mean(2)
    at = beside = 0.0
    for image in (pixels, pixels.T):
        length = image.shape[0] - image.shape[0] % period  # So that the frequencies are whole bins.
        part = image[:length] - image[:length].mean(0)
        power = (np.abs(np.fft.rfft(part * np.hanning(length)[:, None], axis=0)) ** 2).mean(1)
        for bin_ in range(length // period, length // 2, length // period):
            near = [power[bin_ + away] for away in BESIDE_FREQUENCY if 0 < bin_ + away < len(power)]
            at, beside = at + float(power[bin_]), beside + float(np.mean(near))
    return at, beside
