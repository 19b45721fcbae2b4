"""Maps that are made here: what they show of small pictures whose edges are known."""

import cv2
import numpy as np
import pytest

from engine.control.maps import draw_map, resize_map
from engine.recipe.controls import MAP_KINDS, Control

HERE = [name for name, kind in MAP_KINDS.items() if not kind.source]


def step(high, low=0, rows=48, cols=64, at=32):
    """A picture that goes from one grey to another between two columns."""
    pixels = np.full((rows, cols, 3), low, np.uint8)
    pixels[:, at:] = high
    return pixels


def blotches(rows, cols):
    return np.random.RandomState(3).randint(0, 256, (rows, cols, 3), np.uint8)


@pytest.mark.parametrize("kind", HERE)
@pytest.mark.parametrize("size", [(48, 64), (65, 17), (8, 8)])
def test_a_map_has_the_size_of_its_picture(kind, size):
    pixels = blotches(*size)
    drawn = draw_map(Control(kind=kind), pixels)
    assert (drawn.shape, drawn.dtype) == ((*size, 3), np.uint8)
    assert (draw_map(Control(kind=kind), pixels) == drawn).all()
    assert (pixels == blotches(*size)).all()


@pytest.mark.parametrize("kind", ["canny", "soft", "lineart", "grey"])
def test_maps_without_colour_have_three_equal_channels(kind):
    drawn = draw_map(Control(kind=kind), blotches(32, 32))
    assert (drawn == drawn[..., :1]).all()


@pytest.mark.parametrize("kind", ["canny", "soft", "lineart"])
def test_where_nothing_is_there_is_no_line(kind):
    assert not draw_map(Control(kind=kind), np.full((32, 32, 3), 200, np.uint8)).any()


def test_others_maps_are_not_made_here():
    with pytest.raises(ValueError, match="hed"):
        draw_map(Control(kind="hed"), blotches(8, 8))


# Canny's slope of a step of h levels is 4 h.
@pytest.mark.parametrize(
    ("levels", "high", "found"), [(51, 200, True), (50, 200, False), (26, 100, True), (25, 100, False)]
)
def test_a_step_is_an_edge_from_a_quarter_of_the_threshold(levels, high, found):
    drawn = draw_map(Control(kind="canny", low=high, high=high), step(100 + levels, 100))
    assert drawn.max() == (255 if found else 0)
    assert set(np.unique(drawn)) <= {0, 255}
    assert set(np.nonzero(drawn[:, :, 0])[1]) <= {31, 32}


def test_faint_edges_count_where_they_go_on_from_clear_ones():
    pixels = step(40)
    pixels[:24, 32:] = 100
    drawn = draw_map(Control(kind="canny", low=100, high=200), pixels)[..., 0]
    assert drawn[40].any()
    alone = draw_map(Control(kind="canny", low=100, high=200), step(40))
    assert not alone.any()


def test_an_enlarged_picture_has_the_same_edges():
    pixels = step(60, rows=32, cols=32, at=16)
    large = cv2.resize(pixels, (128, 128), interpolation=cv2.INTER_LINEAR)
    control = Control(kind="canny", low=100, high=200)
    assert draw_map(control, pixels)[:, 15:17].any(axis=(1, 2)).all()
    assert not draw_map(control, large).any()
    found = draw_map(control, large, upscaling=4.0)[..., 0]
    assert found.any(axis=1).all()
    assert set(np.nonzero(found)[1]) <= set(range(62, 66))


@pytest.mark.parametrize(("levels", "strength"), [(16, 64), (32, 128), (64, 255), (200, 255)])
def test_a_step_of_64_levels_is_a_soft_edge_of_full_strength(levels, strength):
    drawn = draw_map(Control(kind="soft", blur=4), step(20 + levels, 20))
    assert abs(int(drawn[24].max()) - strength) <= 0.03 * strength
    strongest = np.nonzero(drawn[24, :, 0] == drawn.max())[0]
    assert strongest.mean() == 31.5


@pytest.mark.parametrize("grown", [1.0, 2.0, 4.0])
def test_soft_edges_grow_with_the_stage(grown):
    """They keep their strength, but for what a px is too coarse for, and are as much wider."""
    pixels = step(132, 100, cols=256, at=128)
    drawn = draw_map(Control(kind="soft", blur=2), pixels, stage_scale=grown)[24, :, 0]
    assert abs(int(drawn.max()) - 128) <= 8
    # A bell is 2.355 deviations wide at half its height.
    assert abs((drawn > drawn.max() / 2).sum() - 2.355 * 2 * grown) <= 1.5


def test_line_art_shows_what_is_darker_than_its_surroundings():
    pixels = np.full((48, 64, 3), 200, np.uint8)
    pixels[:, 20] = 100
    pixels[:, 44] = 255
    drawn = draw_map(Control(kind="lineart", blur=2), pixels)[24, :, 0]
    assert drawn[20] == 255
    assert drawn[44] == 0
    assert drawn[5] == drawn[60] == 0


def test_a_line_that_is_darker_in_one_channel_alone_is_none():
    pixels = np.full((48, 64, 3), 200, np.uint8)
    pixels[:, 20, 0] = 100
    assert not draw_map(Control(kind="lineart", blur=2), pixels)[:, 20].any()


@pytest.mark.parametrize(
    ("colour", "level"), [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29), ((90, 90, 90), 90)]
)
def test_grey_is_as_bright_as_its_colour_looks(colour, level):
    drawn = draw_map(Control(kind="grey"), np.full((8, 8, 3), colour, np.uint8))
    assert np.unique(drawn).tolist() == [level]


def test_a_tile_keeps_colours_and_loses_detail():
    flat = np.full((16, 16, 3), (10, 120, 250), np.uint8)
    assert (draw_map(Control(kind="tile"), flat) == flat).all()
    noisy = blotches(128, 128)
    drawn = draw_map(Control(kind="tile", blur=2), noisy)
    assert abs(drawn.mean() - noisy.mean()) < 2
    assert drawn.std() < 0.2 * noisy.std()
    assert draw_map(Control(kind="tile", blur=2), noisy, stage_scale=4.0).std() < 0.5 * drawn.std()


def test_a_shuffle_is_its_seeds_alone():
    pixels = blotches(64, 96)
    first, again, other = (draw_map(Control(kind="shuffle"), pixels, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).mean() > 0.5
    assert (first != pixels).mean() > 0.5


def test_a_shuffle_has_no_colour_that_its_picture_lacks():
    pixels = step(200, 100)
    drawn = draw_map(Control(kind="shuffle"), pixels, seed=5)
    assert (drawn.min(), drawn.max()) == (100, 200)
    assert (drawn == drawn[..., :1]).all()


def test_a_given_map_of_the_stages_size_is_taken_as_it_is():
    given = blotches(24, 40)
    assert resize_map(given, (24, 40), lines=True) is given


def test_given_lines_keep_their_strength():
    given = np.zeros((8, 12, 3), np.uint8)
    given[:, 5] = 255
    given[3, :] = 200
    expected = np.zeros((4, 4, 3), np.uint8)
    expected[1] = 200
    expected[:, 1] = 255
    assert (resize_map(given, (4, 4), lines=True) == expected).all()


@pytest.mark.parametrize("size", [(3, 4), (7, 5), (10, 10), (1, 1)])
def test_no_given_line_is_lost_at_any_size(size):
    for at in range(10):
        given = np.zeros((10, 10, 3), np.uint8)
        given[:, at] = 255
        drawn = resize_map(given, size, lines=True)
        assert drawn.shape == (*size, 3)
        assert ((drawn == 255).any(axis=1)).all()
        assert set(np.unique(drawn)) <= {0, 255}


def test_a_given_soft_map_is_averaged():
    given = np.zeros((4, 8, 3), np.uint8)
    given[:, 4:6] = 100
    given[:2, 6:] = 60
    expected = [[0, 0, 100, 60], [0, 0, 100, 0]]
    drawn = resize_map(given, (2, 4), lines=False)
    assert drawn[..., 0].tolist() == expected
    assert resize_map(given, (2, 2), lines=False)[..., 0].tolist() == [[0, 80], [0, 50]]


def test_thresholds_change_nothing_in_kinds_that_read_none():
    pixels = blotches(32, 32)
    for kind in set(HERE) - {"canny"}:
        assert (
            draw_map(Control(kind=kind, low=5, high=9), pixels) == draw_map(Control(kind=kind), pixels)
        ).all()
