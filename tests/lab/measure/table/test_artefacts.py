"""The measures of seams and of a regular grid."""

import numpy as np
import pytest

from lab.measure.table.artefacts import grid_sums, seam_sums, window_lines

NOISE = np.random.RandomState(0).randint(100, 156, (128, 192, 3)).astype(np.uint8)


def index(sums):
    """Return the index of a sum and the sum beside it."""
    return sums[0] / sums[1]


def test_lines_are_where_windows_begin_or_end_but_not_at_the_edges():
    assert window_lines((0, 16, 32), 32, 64, 8) == [128, 256, 384]
    assert window_lines((0,), 64, 64, 8) == []


def test_the_seam_index_of_a_picture_without_seams_is_about_one():
    assert index(seam_sums(NOISE, (64,), (64, 128))) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_step_at_a_line_raises_the_seam_index(axis):
    picture = NOISE.copy()
    half = picture[64:] if axis == 0 else picture[:, 64:]
    half += 40
    assert index(seam_sums(picture, (64,), (64,))) > 1.3
    assert index(seam_sums(picture, (40,), (100,))) < 1.2


def test_a_picture_without_lines_has_no_seams():
    assert seam_sums(NOISE, (), ()) == (0.0, 0.0)


def test_the_power_of_a_grid_is_found_at_its_period_only():
    picture = NOISE.copy()
    picture[::16] += 60
    assert index(grid_sums(picture, 16)) > 5
    assert index(grid_sums(NOISE, 16)) == pytest.approx(1, abs=0.5)
    assert index(grid_sums(picture, 13)) < 2


def test_a_picture_whose_side_is_no_multiple_of_the_period_is_measured():
    picture = np.full((100, 100, 3), 128, np.uint8)
    picture[::16] += 60
    assert index(grid_sums(picture, 16)) > 5
