"""The crops of pictures that are measured."""

from collections import Counter

import numpy as np
import pytest

from lab.measure.crops import crop_corners, crops


def test_corners_are_those_of_seed_number_and_crop():
    corners = crop_corners((512, 512), 3)
    assert corners == crop_corners((512, 512), 3)
    assert corners[:4] == crop_corners((512, 512), 3, count=4)
    assert corners != crop_corners((512, 512), 4)
    assert corners != crop_corners((512, 512), 3, seed=1)
    assert len(set(corners)) == 10


def test_corners_are_uniform_over_all_that_fit():
    corners = [corner for number in range(300) for corner in crop_corners((258, 257), number)]
    assert set(corners) == {(top, left) for top in range(3) for left in range(2)}
    assert all(count == pytest.approx(500, rel=0.2) for count in Counter(corners).values())


def test_crops_are_parts_of_native_size_at_their_corners():
    picture = np.random.RandomState(0).randint(0, 256, (300, 400, 3), np.uint8)
    (top, left), *_ = crop_corners((300, 400), 7)
    made = crops(picture, 7, 2)
    assert [one.shape for one in made] == [(256, 256, 3)] * 2
    assert np.array_equal(made[0], picture[top : top + 256, left : left + 256])


def test_crops_have_the_side_that_is_asked_for():
    picture = np.zeros((512, 700, 3), np.uint8)
    assert [one.shape for one in crops(picture, 0, count=3, side=64)] == [(64, 64, 3)] * 3
    corners = crop_corners((512, 700), 0, side=64)
    assert max(top for top, _ in corners) > 256
