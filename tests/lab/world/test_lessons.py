"""The training mix: each kind of lesson carries the ids that some path of the engine will pass."""

import numpy as np
import pytest

from engine import Recipe, plan
from engine.planning.views import lattice, whole, windows
from lab.world.lessons import BUCKETS, MIX, NATIVE, lesson, taught
from lab.world.scenes import held_out, render
from tests.support.toys import facts

POSTCARDS = facts(32, buckets=BUCKETS)


def test_buckets_have_about_the_native_area_and_come_turned():
    for height, width in BUCKETS:
        assert height * width == pytest.approx(NATIVE**2, rel=0.07)
        assert (width, height) in BUCKETS
        assert height % 16 == width % 16 == 0


def test_nothing_that_is_held_out_is_taught():
    assert not any(held_out(taught(seed)) for seed in range(500))


def test_a_lesson_is_its_seed():
    a, b = lesson(5), lesson(5)
    assert (a.prompt, a.ids) == (b.prompt, b.ids)
    assert np.array_equal(a.picture, b.picture)


@pytest.mark.slow
def test_the_mix_is_as_meant():
    kinds = [lesson(seed).kind for seed in range(600)]
    for kind, share in MIX.items():
        assert kinds.count(kind) / 600 == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("bucket", BUCKETS)
def test_pictures_have_the_size_of_their_bucket(bucket):
    for seed in range(12):
        assert lesson(seed, bucket).picture.shape == (*bucket, 3)


@pytest.mark.slow
def test_a_tenth_of_the_prompts_is_empty():
    assert np.mean([lesson(seed, kind="whole").prompt == "" for seed in range(400)]) == pytest.approx(
        0.1, abs=0.04
    )


def test_a_whole_picture_is_told_what_the_engines_base_is_told():
    stage = plan(Recipe(width=576, height=448), POSTCARDS).stages[0]
    assert stage.size == (224, 288)
    assert lesson(0, (224, 288), "whole").ids == whole(stage)[0].ids == (224, 288, 0, 0, 224, 288)


def test_a_window_is_told_what_the_engines_windows_are_told():
    stage = plan(Recipe(scales=(1, 2), jitter=False), POSTCARDS).stages[1]
    told = {view.ids for view in windows(stage, lambda *_: (0, 0))}
    assert (512, 512, 256, 128, 256, 256) in told
    for seed in range(40):
        height, width, top, left, *target = lesson(seed, kind="window").ids
        assert target == [256, 256]
        assert 0 <= top <= height - 256
        assert 0 <= left <= width - 256
        assert top % 8 == left % 8 == height % 8 == width % 8 == 0


def test_a_window_shows_what_lies_there():
    one = lesson(3, kind="window")
    height, width, top, left, _, _ = one.ids
    assert np.array_equal(one.picture, render(one.scene, (height, width))[top : top + 256, left : left + 256])


def test_published_ids_speak_of_the_final_picture():
    stage = plan(Recipe(scales=(1, 2), faithful=True), POSTCARDS).stages[1]
    assert lattice(stage)[0].ids == (512, 512, 0, 0, 512, 512)
    for seed in range(40):
        large = lesson(seed, kind="whole as large").ids
        assert large[:2] == large[4:]
        assert large[2:4] == (0, 0)
        window = lesson(seed, kind="published window").ids
        assert window[:2] == window[4:]
        assert max(window[2:4]) >= 16 or max(window[:2]) < 256 + 16


def test_a_close_up_says_what_is_seen():
    for seed in range(40):
        one = lesson(seed, kind="close-up")
        assert one.ids == (256, 256, 0, 0, 256, 256)
        assert one.prompt == "" or " of a" in one.prompt
