"""The world that Postcards learns: the same at every size, whole or in part, and told truly."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from lab.world.paint import blank, block, disc, line, oval, poly, rim
from lab.world.scenery import GROUNDS, SKIES
from lab.world.scenes import COLOURS, Scene, close_up, held_out, phrases, render, scene, standing
from lab.world.subjects import SUBJECTS
from lab.world.textures import Layer, made_of, mottle, specks, strewn


def likeness(a, b):
    """dB."""
    return 10 * np.log10(255**2 / np.square(a.astype(np.float32) - b).mean())


def shrunk(picture, side):
    return cv2.resize(picture.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)


def test_the_grammar_is_rich_and_holds_the_words_that_others_ask_for():
    assert (len(SUBJECTS), len(COLOURS), len(GROUNDS), len(SKIES)) == (12, 8, 6, 6)
    assert {"house", "boat", "tree"} <= set(SUBJECTS)
    assert {"red", "blue", "green", "white"} <= set(COLOURS)
    assert {"snow", "grass", "water"} <= set(GROUNDS)
    assert {"day", "night"} <= set(SKIES)


@pytest.mark.parametrize("seed", range(24))
def test_a_large_picture_shrunk_is_the_small_picture(seed):
    any_scene = scene(seed)
    assert likeness(shrunk(render(any_scene, (1024, 1024)), 256), render(any_scene, (256, 256))) > 25


@pytest.mark.parametrize("size", [(256, 256), (700, 1000), (1024, 512), (64, 128)])
def test_a_part_is_the_cut_of_the_whole(size):
    draw = np.random.RandomState(0)
    for seed in range(4):
        whole = render(scene(seed), size)
        rows, cols = draw.randint(8, size[0] // 2), draw.randint(8, size[1] // 2)
        top, left = draw.randint(size[0] - rows), draw.randint(size[1] - cols)
        part = render(scene(seed), size, (top, left, rows, cols))
        assert np.array_equal(part, whole[top : top + rows, left : left + cols])


def edges(picture):
    """Mean step between neighbouring pixels."""
    return np.abs(np.diff(picture.astype(np.float32), axis=0)).mean()


@pytest.mark.parametrize("name", SUBJECTS)
def test_detail_arrives_with_size(name):
    """What 512 px show is not all that 1024 px show, and less was there at 256 px."""
    shown = Scene(name, "red", "grass", "day", lean=0.0, weather=1)
    small, middle, large = (render(shown, (side, side)) for side in (256, 512, 1024))
    enlarged = cv2.resize(small, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    assert edges(large) > 1.1 * edges(enlarged)
    assert edges(shrunk(middle, 256)) >= edges(small) * 0.99


@pytest.mark.parametrize(("side", "seen"), [(256, 0.0), (512, 1.0)])
def test_a_detail_shows_from_twelve_px_on_and_is_gone_below_eight(side, seen):
    brush = blank((side, side))
    assert brush.shows(12 / 512) == pytest.approx(seen if side == 512 else brush.shows(6 / 256), abs=1e-6)
    assert blank((256, 256)).shows(7.9 / 256) == 0
    assert 0 < blank((256, 256)).shows(10 / 256) < 1


@pytest.mark.parametrize("pattern", [mottle(1), specks(2, 0.2), strewn(3, 0.7)])
def test_what_has_faded_is_the_mean_of_what_shows(pattern):
    colour = (0.6, 0.4, 0.5)
    texture = made_of(colour, Layer(pattern, 0.02, 0.5))
    fine = blank((2048, 2048), (0, 0, 1024, 1024))
    u, v = np.broadcast_arrays(fine.x[None, :], fine.y[:, None])
    assert texture(fine, u, v).mean((0, 1)) == pytest.approx(colour, abs=0.01)
    coarse = blank((64, 64))
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
    brush = blank((256, 256))
    brush.frame((0.05, -0.02), 0.9, **turned).fill(shape, (1.0, 1.0, 1.0))
    assert brush.image[..., 0].mean() == pytest.approx(0.81 * area, rel=0.02)


@pytest.mark.parametrize("size", [(256, 256), (256, 512), (512, 256)])
def test_the_subject_lies_inside_pictures_of_every_shape(size):
    px = 1 / np.sqrt(size[0] * size[1])
    half = (size[0] * px / 2, size[1] * px / 2)
    for seed in range(300):
        figure = standing(scene(seed), half)
        (x, y), long = figure.foot, figure.long
        assert abs(x) + 0.5 * SUBJECTS[scene(seed).subject].width * long <= half[1] + 1e-6
        assert -half[0] <= y
        assert y + long <= 1.02 * half[0]


def test_every_sky_ground_colour_and_subject_can_be_told_apart():
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
    assert scene(7) == scene(7)
    many = [scene(seed) for seed in range(400)]
    assert {s.subject for s in many} == set(SUBJECTS)
    assert {s.sky for s in many} == set(SKIES)
    assert len({(s.across, s.size) for s in many}) == 400


def test_a_tenth_of_the_combinations_is_held_out_whatever_the_rest_of_the_scene():
    share = np.mean([held_out(scene(seed)) for seed in range(4000)])
    assert share == pytest.approx(0.1, abs=0.02)
    one = scene(1)
    assert held_out(one) == held_out(replace(one, across=0.1, weather=9))


def test_a_scene_is_told_in_several_ways_that_all_name_its_four_words():
    orange = Scene("cat", "orange", "autumn leaves", "twilight")
    told = phrases(orange)
    assert told[0] == "an orange cat on autumn leaves at twilight"
    assert phrases(Scene("house", "red", "snow", "night"))[0] == "a red house on snow at night"
    assert len(set(told)) == 5
    for words in told:
        assert all(word in words for word in ("cat", "orange", "autumn leaves", "twilight"))


def test_a_close_up_lies_inside_the_picture_and_names_its_part():
    for seed in range(100):
        words, (top, left, rows, cols) = close_up(scene(seed), seed, (1024, 768))
        assert words.endswith(f"{scene(seed).colour} {scene(seed).subject}")
        assert 0 <= top <= 1024 - rows
        assert 0 <= left <= 768 - cols
        assert rows >= 64


@pytest.mark.parametrize("size", [(32, 32), (8192, 4096), (256, 1024)])
def test_sizes_outside_the_world_are_refused(size):
    with pytest.raises(ValueError, match="px"):
        render(scene(0), size)
