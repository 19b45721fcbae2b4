"""Measurements of how closely pictures follow edges."""

import numpy as np
import pytest
from PIL import Image

from lab.measure import edge_agreement
from lab.measure.edge_agreement import (
    Pair,
    agreement_table,
    bootstrap_interval,
    compare_edges,
    draw_pairs,
    f_score,
    pairs_grid,
)
from lab.world.scenes import held_out_scenes


def line(column, rows=slice(0, 40)):
    lines = np.zeros((40, 40), bool)
    lines[rows, column] = True
    return lines


@pytest.mark.parametrize(("column", "score"), [(10, 1.0), (12, 1.0), (8, 1.0), (13, 0.0), (7, 0.0)])
def test_edges_agree_within_two_px(column, score):
    assert compare_edges(line(column), line(10)) == (score, score, score)


def test_missing_edges_cost_recall_and_extra_ones_precision():
    both = line(10) | line(30)
    assert compare_edges(line(10), both) == pytest.approx((2 / 3, 1.0, 0.5))
    assert compare_edges(both, line(10)) == pytest.approx((2 / 3, 0.5, 1.0))


def test_an_empty_map_agrees_with_an_empty_map_only():
    empty = np.zeros((40, 40), bool)
    assert compare_edges(empty, empty) == (1, 1, 1)
    assert compare_edges(empty, line(10)) == compare_edges(line(10), empty) == (0, 0, 0)


def test_the_score_is_the_harmonic_mean():
    assert f_score(0.5, 1.0) == pytest.approx(2 / 3)
    assert f_score(0.0, 0.0) == 0


def test_an_interval_holds_the_mean_narrows_with_more_values_and_is_reproducible():
    few, many = [0.2, 0.4, 0.6, 0.8], [0.2, 0.4, 0.6, 0.8] * 16
    low, high = bootstrap_interval(few)
    assert low < 0.5 < high
    assert bootstrap_interval(few) == (low, high)
    assert bootstrap_interval(many)[1] - bootstrap_interval(many)[0] < (high - low) / 3
    assert bootstrap_interval([0.3, 0.3]) == pytest.approx((0.3, 0.3))


def test_a_controlled_picture_equal_to_the_scene_agrees_fully():
    def draw(prompt, seed, image):
        return np.asarray(Image.open(image)) if image else np.zeros((64, 64, 3), np.uint8)

    scenes = held_out_scenes(3)
    pairs = list(draw_pairs(draw, scenes, 64))
    assert [pair.agreements for pair in pairs] == [((1, 1, 1), (0, 0, 0))] * 3
    one, none = "1.000 (1.000 to 1.000)", "0.000 (0.000 to 0.000)"
    assert f"| F-score | {one} | {none} | {one} |" in agreement_table(pairs)


def test_eight_pairs_are_shown_two_a_row_and_large_ones_smaller():
    picture = np.zeros((1024, 1024, 3), np.uint8)
    one = Pair(np.zeros((1024, 1024), bool), picture, picture)
    assert pairs_grid([one] * 9).size == (
        2 * 3 * edge_agreement.MAX_PICTURE_PX,
        4 * edge_agreement.MAX_PICTURE_PX,
    )
    assert pairs_grid([one]).size == (3 * edge_agreement.MAX_PICTURE_PX, edge_agreement.MAX_PICTURE_PX)
