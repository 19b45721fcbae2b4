from functools import partial

import numpy as np
import pytest

from engine.formulas.noise import Noise
from engine.planning.plan import plan
from engine.planning.stage import window_starts
from engine.planning.views import (
    dilated_views,
    dilation_padding,
    feather_weights,
    jitter_range,
    whole_canvas,
    windows,
)
from engine.recipe.recipe import Recipe
from tests.support.planning import make_facts


def stage_of(number=2, window=16, **recipe):
    return plan(Recipe(**recipe), make_facts(window)).stages[number - 1]


def unshifted(view, ranges):
    return 0, 0


def shifted_windows(stage, seed, i=0):
    return partial(Noise(seed).jitter, stage.number, i, (stage.rows, stage.cols))


def corners(views):
    return [(view.rows.start, view.cols.start) for view in views]


@pytest.mark.parametrize(
    ("length", "window", "stride", "expected"),
    [
        (16, 16, 8, (0,)),
        (8, 16, 8, (0,)),
        (32, 16, 8, (0, 8, 16)),
        (32, 16, 14, (0, 14, 16)),
        (33, 16, 8, (0, 8, 16, 17)),
        (512, 128, 64, (0, 64, 128, 192, 256, 320, 384)),
        (256, 128, 128, (0, 128)),
        (17, 16, 1, (0, 1)),
    ],
)
def test_windows_start_on_a_grid_and_the_last_ends_with_the_axis(length, window, stride, expected):
    assert window_starts(length, window, stride) == expected


def test_windows_of_a_stage_without_jitter():
    stage = stage_of(scales=(1, 2), stride=8, jitter=False)
    assert corners(windows(stage, unshifted)) == [(r, c) for r in (0, 8, 16) for c in (0, 8, 16)]
    assert all(view.rows.stop - view.rows.start == 16 for view in windows(stage, unshifted))


def test_true_size_ids_hold_the_place_of_a_window():
    stage = stage_of(width=256, height=128, stride=8, jitter=False)
    view = windows(stage, unshifted)[-1]
    assert (view.rows, view.cols) == (slice(0, 16), slice(16, 32))
    assert view.size_ids == (128, 256, 0, 128, 128, 128)


def test_size_ids_of_whole_canvas_and_dilated_views_are_the_trained_size_closest_to_the_first_stage():
    stage = stage_of(number=1, width=256, height=128)
    assert stage.size == (88, 184)
    assert [view.size_ids for view in whole_canvas(stage)] == [(88, 184, 0, 0, 88, 184)]
    upper = stage_of(width=256, height=128)
    assert {view.size_ids for view in dilated_views(upper)} == {(88, 184, 0, 0, 88, 184)}


def test_faithful_size_ids_hold_the_final_size_and_padded_corners():
    stage = stage_of(width=256, height=256, stride=8, faithful=True)
    assert stage.jitter_padding == 2
    assert windows(stage, unshifted)[0].size_ids == (256, 256, 16, 16, 256, 256)
    assert dilated_views(stage)[0].size_ids == (256, 256, 0, 0, 256, 256)


@pytest.mark.parametrize(
    ("start", "faithful", "expected"),
    [
        (0, False, (0, 0)),
        (8, False, (-2, 2)),
        (16, False, (0, 0)),
        (0, True, (-2, 0)),
        (8, True, (-2, 2)),
        (16, True, (0, 2)),
    ],
)
def test_windows_at_the_edge_shift_inwards_unless_in_faithful_mode(start, faithful, expected):
    assert jitter_range(start, 32, 16, 2, faithful) == expected


def test_a_window_as_long_as_its_axis_does_not_shift():
    assert jitter_range(0, 16, 16, 2, True) == (0, 0)
    assert jitter_range(0, 8, 16, 2, False) == (0, 0)


def test_a_window_longer_than_its_axis_shifts_into_the_padding_in_faithful_mode():
    assert jitter_range(0, 14, 16, 2, True) == (-2, 0)


SHAPES = [
    {"scales": (1, 2), "stride": 8},
    {"scales": (1, 2), "stride": 1},
    {"scales": (1, 3), "stride": 16},
    {"scales": (1, 1.5), "stride": 5},
    {"width": 512, "height": 128, "stride": 8},
    {"width": 200, "height": 328, "stride": 11},
    {"width": 256, "height": 256, "stride": 8, "faithful": True},
    {"width": 384, "height": 256, "stride": 8, "faithful": True},
    {"width": 256, "height": 112, "stride": 8, "faithful": True},
    {"width": 256, "height": 64, "stride": 13, "faithful": True},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_windows_cover_every_cell_at_every_step(shape):
    stage = stage_of(number=2, **shape)
    m = stage.jitter_padding
    seeds = range(1000) if stage.window_count < 30 else range(20)
    for seed in seeds:
        count = np.zeros((stage.rows + 2 * m, stage.cols + 2 * m), int)
        for view in windows(stage, shifted_windows(stage, seed)):
            cut = count[view.rows, view.cols]
            assert cut.shape == stage.window
            cut += 1
        assert count[m : m + stage.rows, m : m + stage.cols].min() >= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_dilated_views_cover_every_cell_once(shape):
    stage = stage_of(number=2, **shape)
    left, right, top, bottom = dilation_padding(stage)
    count = np.zeros((stage.rows + top + bottom, stage.cols + left + right), int)
    sizes = set()
    for view in dilated_views(stage):
        count[view.rows, view.cols] += 1
        sizes.add(count[view.rows, view.cols].shape)
    assert (count == 1).all()
    assert len(sizes) == 1


def test_dilated_views_are_padded_below_and_right_and_above_and_left_in_faithful_mode():
    odd = {"width": 264, "height": 248}
    assert dilation_padding(stage_of(**odd, scales=(1, 2))) == (0, 1, 0, 1)
    shape = {"width": 384, "height": 264, "faithful": True, "stride": 8}
    assert (stage_of(number=3, **shape).rows, stage_of(number=3, **shape).cols) == (33, 48)
    assert dilation_padding(stage_of(number=2, **shape)) == (0, 0, 0, 0)


def test_feathered_weights_fall_over_the_overlap_and_stay_positive():
    weights = feather_weights(6, 8, 3, 0)
    assert weights[:, 0].tolist() == pytest.approx([0.25, 0.5, 0.75, 0.75, 0.5, 0.25])
    assert (weights[0] == 0.25).all()
    assert weights.min() > 0


def test_jitter_reaches_both_ends_of_its_range():
    noise = Noise(3)
    drawn = {noise.jitter(2, i, (32, 32), 4, ((-2, 2), (0, 0))) for i in range(100)}
    assert drawn == {(k, 0) for k in range(-2, 3)}
