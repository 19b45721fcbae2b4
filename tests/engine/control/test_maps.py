"""Maps made without learned detectors, of small pictures whose edges are known."""

import cv2
import numpy as np
import pytest

from engine.control.maps import draw_map, resize_map
from engine.recipe.controls import MAP_KINDS, Control

HERE = [name for name, kind in MAP_KINDS.items() if not kind.detector_package]


def grey_step(high, low=0, rows=48, cols=64, at=32):
    """Draw a picture that changes from one grey to another between two columns."""
    pixels = np.full((rows, cols, 3), low, np.uint8)
    pixels[:, at:] = high
    return pixels


def random_blotches(rows, cols):
    return np.random.RandomState(3).randint(0, 256, (rows, cols, 3), np.uint8)


@pytest.mark.parametrize("kind", HERE)
@pytest.mark.parametrize("size", [(48, 64), (65, 17), (8, 8)])
def test_a_map_has_the_size_of_its_picture(kind, size):
    pixels = random_blotches(*size)
    drawn = draw_map(Control(kind=kind), pixels)
    assert (drawn.shape, drawn.dtype) == ((*size, 3), np.uint8)
    assert (draw_map(Control(kind=kind), pixels) == drawn).all()
    assert (pixels == random_blotches(*size)).all()


@pytest.mark.parametrize("kind", ["canny", "soft", "lineart", "grey"])
def test_maps_without_colour_have_three_equal_channels(kind):
    drawn = draw_map(Control(kind=kind), random_blotches(32, 32))
    assert (drawn == drawn[..., :1]).all()


@pytest.mark.parametrize("kind", ["canny", "soft", "lineart"])
def test_a_plain_picture_has_no_lines(kind):
    assert not draw_map(Control(kind=kind), np.full((32, 32, 3), 200, np.uint8)).any()


def test_learned_maps_are_not_made_here():
    with pytest.raises(ValueError, match="hed"):
        draw_map(Control(kind="hed"), random_blotches(8, 8))


# Canny's slope of a step of h levels is 4 h.
@pytest.mark.parametrize(
    ("levels", "high", "found"), [(51, 200, True), (50, 200, False), (26, 100, True), (25, 100, False)]
)
def test_a_step_is_an_edge_from_a_quarter_of_the_threshold(levels, high, found):
    drawn = draw_map(Control(kind="canny", low=high, high=high), grey_step(100 + levels, 100))
    assert drawn.max() == (255 if found else 0)
    assert set(np.unique(drawn)) <= {0, 255}
    assert set(np.nonzero(drawn[:, :, 0])[1]) <= {31, 32}


def test_faint_edges_count_where_they_continue_clear_ones():
    pixels = grey_step(40)
    pixels[:24, 32:] = 100
    drawn = draw_map(Control(kind="canny", low=100, high=200), pixels)[..., 0]
    assert drawn[40].any()
    alone = draw_map(Control(kind="canny", low=100, high=200), grey_step(40))
    assert not alone.any()


def test_an_enlarged_picture_has_the_same_edges():
    pixels = grey_step(60, rows=32, cols=32, at=16)
    large = cv2.resize(pixels, (128, 128), interpolation=cv2.INTER_LINEAR)
    control = Control(kind="canny", low=100, high=200)
    assert draw_map(control, pixels)[:, 15:17].any(axis=(1, 2)).all()
    assert not draw_map(control, large).any()
    found = draw_map(control, large, upscaling=4.0)[..., 0]
    assert found.any(axis=1).all()
    assert set(np.nonzero(found)[1]) <= set(range(62, 66))


@pytest.mark.parametrize(("levels", "strength"), [(16, 64), (32, 128), (64, 255), (200, 255)])
def test_a_step_of_64_levels_is_a_soft_edge_of_full_strength(levels, strength):
    drawn = draw_map(Control(kind="soft", blur=4), grey_step(20 + levels, 20))
    assert abs(int(drawn[24].max()) - strength) <= 0.03 * strength
    strongest = np.nonzero(drawn[24, :, 0] == drawn.max())[0]
    assert strongest.mean() == 31.5


@pytest.mark.parametrize("grown", [1.0, 2.0, 4.0])
def test_soft_edges_are_as_much_wider_as_the_stage(grown):
    """Their strength stays the same, up to what px are too coarse to show."""
    pixels = grey_step(132, 100, cols=256, at=128)
    drawn = draw_map(Control(kind="soft", blur=2), pixels, stage_scale=grown)[24, :, 0]
    assert abs(int(drawn.max()) - 128) <= 8
    # A Gaussian is 2.355 deviations wide at half its height.
    assert abs((drawn > drawn.max() / 2).sum() - 2.355 * 2 * grown) <= 1.5


def test_line_art_shows_lines_darker_than_their_surroundings():
    pixels = np.full((48, 64, 3), 200, np.uint8)
    pixels[:, 20] = 100
    pixels[:, 44] = 255
    drawn = draw_map(Control(kind="lineart", blur=2), pixels)[24, :, 0]
    assert drawn[20] == 255
    assert drawn[44] == 0
    assert drawn[5] == drawn[60] == 0


def test_line_art_ignores_a_line_that_is_darker_in_one_channel_alone():
    pixels = np.full((48, 64, 3), 200, np.uint8)
    pixels[:, 20, 0] = 100
    assert not draw_map(Control(kind="lineart", blur=2), pixels)[:, 20].any()


@pytest.mark.parametrize(
    ("colour", "level"), [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29), ((90, 90, 90), 90)]
)
def test_grey_has_the_luminance_of_its_colour(colour, level):
    drawn = draw_map(Control(kind="grey"), np.full((8, 8, 3), colour, np.uint8))
    assert np.unique(drawn).tolist() == [level]


def test_a_tile_keeps_colours_and_loses_detail():
    flat = np.full((16, 16, 3), (10, 120, 250), np.uint8)
    assert (draw_map(Control(kind="tile"), flat) == flat).all()
    noisy = random_blotches(128, 128)
    drawn = draw_map(Control(kind="tile", blur=2), noisy)
    assert abs(drawn.mean() - noisy.mean()) < 2
    assert drawn.std() < 0.2 * noisy.std()
    assert draw_map(Control(kind="tile", blur=2), noisy, stage_scale=4.0).std() < 0.5 * drawn.std()


def test_a_shuffle_depends_on_its_seed_alone():
    pixels = random_blotches(64, 96)
    first, again, other = (draw_map(Control(kind="shuffle"), pixels, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).mean() > 0.5
    assert (first != pixels).mean() > 0.5


def test_a_shuffle_has_no_colour_that_its_picture_lacks():
    pixels = grey_step(200, 100)
    drawn = draw_map(Control(kind="shuffle"), pixels, seed=5)
    assert (drawn.min(), drawn.max()) == (100, 200)
    assert (drawn == drawn[..., :1]).all()


def test_a_supplied_map_of_the_stages_size_is_unchanged():
    supplied = random_blotches(24, 40)
    assert resize_map(supplied, (24, 40), lines=True) is supplied


def test_lines_of_a_supplied_map_keep_their_strength():
    supplied = np.zeros((8, 12, 3), np.uint8)
    supplied[:, 5] = 255
    supplied[3, :] = 200
    expected = np.zeros((4, 4, 3), np.uint8)
    expected[1] = 200
    expected[:, 1] = 255
    assert (resize_map(supplied, (4, 4), lines=True) == expected).all()


@pytest.mark.parametrize("size", [(3, 4), (7, 5), (10, 10), (1, 1)])
def test_no_line_of_a_supplied_map_is_lost_at_any_size(size):
    for at in range(10):
        supplied = np.zeros((10, 10, 3), np.uint8)
        supplied[:, at] = 255
        drawn = resize_map(supplied, size, lines=True)
        assert drawn.shape == (*size, 3)
        assert ((drawn == 255).any(axis=1)).all()
        assert set(np.unique(drawn)) <= {0, 255}


def test_a_supplied_soft_map_is_averaged():
    supplied = np.zeros((4, 8, 3), np.uint8)
    supplied[:, 4:6] = 100
    supplied[:2, 6:] = 60
    expected = [[0, 0, 100, 60], [0, 0, 100, 0]]
    drawn = resize_map(supplied, (2, 4), lines=False)
    assert drawn[..., 0].tolist() == expected
    assert resize_map(supplied, (2, 2), lines=False)[..., 0].tolist() == [[0, 80], [0, 50]]


def test_thresholds_change_only_kinds_that_use_them():
    pixels = random_blotches(32, 32)
    for kind in set(HERE) - {"canny"}:
        assert (
            draw_map(Control(kind=kind, low=5, high=9), pixels) == draw_map(Control(kind=kind), pixels)
        ).all()
