"""The ruler for how closely a picture follows the edges it was given."""

import numpy as np
import pytest
from PIL import Image

from lab.measure import edge_agreement
from lab.measure.edge_agreement import Pair, agreement, f_score, interval, pairs, shown, told
from lab.measure.vae_quality import unseen


def line(column, rows=slice(0, 40)):
    lines = np.zeros((40, 40), bool)
    lines[rows, column] = True
    return lines


@pytest.mark.parametrize(("column", "score"), [(10, 1.0), (12, 1.0), (8, 1.0), (13, 0.0), (7, 0.0)])
def test_edges_agree_within_two_px(column, score):
    assert agreement(line(column), line(10)) == (score, score, score)


def test_edges_that_are_missing_cost_recall_and_further_ones_precision():
    both = line(10) | line(30)
    assert agreement(line(10), both) == pytest.approx((2 / 3, 1.0, 0.5))
    assert agreement(both, line(10)) == pytest.approx((2 / 3, 0.5, 1.0))


def test_nothing_agrees_with_nothing_alone():
    nothing = np.zeros((40, 40), bool)
    assert agreement(nothing, nothing) == (1, 1, 1)
    assert agreement(nothing, line(10)) == agreement(line(10), nothing) == (0, 0, 0)


def test_the_score_is_the_harmonic_mean():
    assert f_score(0.5, 1.0) == pytest.approx(2 / 3)
    assert f_score(0.0, 0.0) == 0


def test_an_interval_holds_the_mean_narrows_with_more_values_and_is_the_same_again():
    few, many = [0.2, 0.4, 0.6, 0.8], [0.2, 0.4, 0.6, 0.8] * 16
    low, high = interval(few)
    assert low < 0.5 < high
    assert interval(few) == (low, high)
    assert interval(many)[1] - interval(many)[0] < (high - low) / 3
    assert interval([0.3, 0.3]) == pytest.approx((0.3, 0.3))


def test_a_led_picture_that_is_the_scene_itself_agrees_wholly():
    def draw(prompt, seed, image):
        return np.asarray(Image.open(image)) if image else np.zeros((64, 64, 3), np.uint8)

    scenes = unseen(3)
    found = list(pairs(draw, scenes, 64))
    assert [pair.agreements for pair in found] == [((1, 1, 1), (0, 0, 0))] * 3
    one, none = "1.000 (1.000 to 1.000)", "0.000 (0.000 to 0.000)"
    assert f"| F-score | {one} | {none} | {one} |" in told(found)


def test_eight_pairs_are_shown_two_a_row_and_large_ones_smaller():
    picture = np.zeros((1024, 1024, 3), np.uint8)
    one = Pair(np.zeros((1024, 1024), bool), picture, picture)
    assert shown([one] * 9).size == (2 * 3 * edge_agreement.WIDEST, 4 * edge_agreement.WIDEST)
    assert shown([one]).size == (3 * edge_agreement.WIDEST, edge_agreement.WIDEST)
