"""A map drawn over its picture."""

import numpy as np
import pytest

from engine.control.overlay import LINE_COLOUR, draw_overlay, limit_side
from engine.recipe.controls import Control


def flat(level, size=(8, 12)):
    return np.full((*size, 3), level, np.uint8)


def line_map(size=(8, 12)):
    """Draw a map of one vertical line, one px wide."""
    drawn = flat(0, size)
    drawn[:, 5] = 255
    return drawn


def test_lines_are_dark_on_a_pale_picture():
    seen = draw_overlay(Control(), flat(0), line_map(), 100)
    assert (seen[:, 5] == LINE_COLOUR).all()
    assert (np.delete(seen, 5, axis=1) == 166).all()
    assert (draw_overlay(Control(), flat(255), flat(0), 100) == 255).all()


def test_soft_edges_are_blended_by_their_strength():
    seen = draw_overlay(Control(kind="soft"), flat(255), flat(51), 100)
    assert seen[0, 0].tolist() == [round(255 + (ink - 255) * 0.2) for ink in LINE_COLOUR]


def test_a_shaded_map_is_blended_half_and_half():
    assert (draw_overlay(Control(kind="tile"), flat(255), flat(55), 100) == 155).all()


@pytest.mark.parametrize(("kind", "background"), [("canny", 255), ("depth", 0)])
def test_a_supplied_map_is_shown_without_its_picture(kind, background):
    drawn = line_map()
    seen = draw_overlay(Control(kind=kind, given=True), drawn, drawn, 100)
    assert (seen[0, 0] == background).all()
    assert (seen[:, 5] == (LINE_COLOUR if kind == "canny" else 255)).all()


def test_lines_keep_their_strength_in_a_reduced_overlay():
    seen = draw_overlay(Control(), flat(255, (80, 120)), line_map((80, 120)), 12)
    assert seen.shape == (8, 12, 3)
    assert (seen[:, 0] == LINE_COLOUR).all()
    assert (seen[:, 1:] == 255).all()


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [((8, 12), 12, (8, 12)), ((4096, 2048), 2048, (2048, 1024)), ((3000, 1), 10, (10, 1))],
)
def test_no_side_is_longer_than_the_limit(size, longest, expected):
    assert limit_side(size, longest) == expected
