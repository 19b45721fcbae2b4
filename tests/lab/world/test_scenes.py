"""The world of Postcards: the same picture at every size, whole or in part, and described truly."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from lab.world.paint import block, disc, line, new_brush, oval, poly, rim
from lab.world.scenery import GROUNDS, SKIES
from lab.world.scenes import (
    COLOURS,
    Scene,
    choose_close_up,
    is_held_out,
    make_scene,
    phrases,
    place_subject,
    render,
)
from lab.world.subjects import SUBJECTS
from lab.world.textures import Layer, layered_texture, mottle, scattered, specks


def likeness(a, b):
    """Return the peak signal-to-noise ratio of two pictures in dB."""
    return 10 * np.log10(255**2 / np.square(a.astype(np.float32) - b).mean())


def shrunk(picture, side):
    return cv2.resize(picture.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)


def test_the_world_has_these_words():
    assert (len(SUBJECTS), len(COLOURS), len(GROUNDS), len(SKIES)) == (12, 8, 6, 6)
    assert {"house", "boat", "tree"} <= set(SUBJECTS)
    assert {"red", "blue", "green", "white"} <= set(COLOURS)
    assert {"snow", "grass", "water"} <= set(GROUNDS)
    assert {"day", "night"} <= set(SKIES)


@pytest.mark.parametrize("seed", range(24))
def test_a_large_picture_shrunk_is_the_small_picture(seed):
    any_scene = make_scene(seed)
    assert likeness(shrunk(render(any_scene, (1024, 1024)), 256), render(any_scene, (256, 256))) > 25


@pytest.mark.parametrize("size", [(256, 256), (700, 1000), (1024, 512), (64, 128)])
def test_a_part_is_the_cut_of_the_whole(size):
    draw = np.random.RandomState(0)
    for seed in range(4):
        whole = render(make_scene(seed), size)
        rows, cols = draw.randint(8, size[0] // 2), draw.randint(8, size[1] // 2)
        top, left = draw.randint(size[0] - rows), draw.randint(size[1] - cols)
        part = render(make_scene(seed), size, (top, left, rows, cols))
        assert np.array_equal(part, whole[top : top + rows, left : left + cols])


def edges(picture):
    """Return the mean difference of neighbouring pixels."""
    return np.abs(np.diff(picture.astype(np.float32), axis=0)).mean()


@pytest.mark.parametrize("name", SUBJECTS)
def test_detail_arrives_with_size(name):
    """A picture of 1024 px has detail that one of 256 px has not, and one of 512 px lies between."""
    shown = Scene(name, "red", "grass", "day", lean=0.0, weather=1)
    small, middle, large = (render(shown, (side, side)) for side in (256, 512, 1024))
    enlarged = cv2.resize(small, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    assert edges(large) > 1.1 * edges(enlarged)
    assert edges(shrunk(middle, 256)) >= edges(small) * 0.99


@pytest.mark.parametrize(("side", "visibility"), [(256, 0.0), (512, 1.0)])
def test_a_detail_shows_from_twelve_px_on_and_not_below_eight(side, visibility):
    brush = new_brush((side, side))
    assert brush.visibility(12 / 512) == pytest.approx(
        visibility if side == 512 else brush.visibility(6 / 256), abs=1e-6
    )
    assert new_brush((256, 256)).visibility(7.9 / 256) == 0
    assert 0 < new_brush((256, 256)).visibility(10 / 256) < 1


@pytest.mark.parametrize("pattern", [mottle(1), specks(2, 0.2), scattered(3, 0.7)])
def test_a_texture_that_faded_out_keeps_its_mean_colour(pattern):
    colour = (0.6, 0.4, 0.5)
    texture = layered_texture(colour, Layer(pattern, 0.02, 0.5))
    fine = new_brush((2048, 2048), (0, 0, 1024, 1024))
    u, v = np.broadcast_arrays(fine.x[None, :], fine.y[:, None])
    assert texture(fine, u, v).mean((0, 1)) == pytest.approx(colour, abs=0.01)
    coarse = new_brush((64, 64))
    u, v = np.broadcast_arrays(coarse.x[None, :], coarse.y[:, None])
    assert np.ptp(texture(coarse, u, v), axis=(0, 1)).max() < 1e-6


SHAPES = {
    "disc": (disc(0.1, 0, 0.2), np.pi * 0.04),
    "block": (block(-0.2, -0.1, 0.2, 0.3), 0.16),
    "poly": (poly((-0.3, -0.2), (0.3, -0.2), (0, 0.4)), 0.18),
    "line": (line(0.1, (-0.2, 0), (0.2, 0)), 0.04 + np.pi * 0.0025),
    "oval": (oval(0, 0, 0.3, 0.1), np.pi * 0.03),
    "rim": (rim(block(-0.2, -0.2, 0.2, 0.2), 0.1), 0.16 - 0.04),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("turned", [{}, {"lean": 0.7}, {"mirror": True, "lean": -0.3}])
def test_a_shape_covers_its_area_however_it_is_turned(name, turned):
    shape, area = SHAPES[name]
    brush = new_brush((256, 256))
    brush.with_frame((0.05, -0.02), 0.9, **turned).fill(shape, (1.0, 1.0, 1.0))
    assert brush.image[..., 0].mean() == pytest.approx(0.81 * area, rel=0.02)


@pytest.mark.parametrize("size", [(256, 256), (256, 512), (512, 256)])
def test_the_subject_lies_inside_pictures_of_every_shape(size):
    px = 1 / np.sqrt(size[0] * size[1])
    half = (size[0] * px / 2, size[1] * px / 2)
    for seed in range(300):
        figure = place_subject(make_scene(seed), half)
        (x, y), height = figure.foot, figure.height
        assert abs(x) + 0.5 * SUBJECTS[make_scene(seed).subject].width * height <= half[1] + 1e-6
        assert -half[0] <= y
        assert y + height <= 1.02 * half[0]


def test_every_sky_ground_colour_and_subject_look_different():
    home = Scene("house", "red", "snow", "day", weather=3)
    others = [
        *(replace(home, subject=name) for name in SUBJECTS if name != "house"),
        *(replace(home, colour=name) for name in COLOURS if name != "red"),
        *(replace(home, ground=name) for name in GROUNDS if name != "snow"),
        *(replace(home, sky=name) for name in SKIES if name != "day"),
    ]
    pictures = [render(s, (128, 128)).astype(np.float32) for s in (home, *others)]
    for k, one in enumerate(pictures):
        for other in pictures[:k]:
            assert likeness(one, other) < 32


def test_scenes_come_from_seeds_and_vary():
    assert make_scene(7) == make_scene(7)
    many = [make_scene(seed) for seed in range(400)]
    assert {s.subject for s in many} == set(SUBJECTS)
    assert {s.sky for s in many} == set(SKIES)
    assert len({(s.across, s.size) for s in many}) == 400


def test_a_tenth_of_the_combinations_is_held_out_by_its_four_words_alone():
    share = np.mean([is_held_out(make_scene(seed)) for seed in range(4000)])
    assert share == pytest.approx(0.1, abs=0.02)
    one = make_scene(1)
    assert is_held_out(one) == is_held_out(replace(one, across=0.1, weather=9))


def test_each_phrase_names_all_four_words_of_the_scene():
    orange = Scene("cat", "orange", "autumn leaves", "twilight")
    prompts = phrases(orange)
    assert prompts[0] == "an orange cat on autumn leaves at twilight"
    assert phrases(Scene("house", "red", "snow", "night"))[0] == "a red house on snow at night"
    assert len(set(prompts)) == 5
    for words in prompts:
        assert all(word in words for word in ("cat", "orange", "autumn leaves", "twilight"))


def test_a_close_up_lies_inside_the_picture_and_names_its_part():
    for seed in range(100):
        words, (top, left, rows, cols) = choose_close_up(make_scene(seed), seed, (1024, 768))
        assert words.endswith(f"{make_scene(seed).colour} {make_scene(seed).subject}")
        assert 0 <= top <= 1024 - rows
        assert 0 <= left <= 768 - cols
        assert rows >= 64


@pytest.mark.parametrize("size", [(32, 32), (8192, 4096), (256, 1024)])
def test_sizes_outside_the_world_are_refused(size):
    with pytest.raises(ValueError, match="px"):
        render(make_scene(0), size)
