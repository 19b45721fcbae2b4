"""Lessons: each kind has the size ids that the engine passes in one of its ways to draw."""

import numpy as np
import pytest

from engine import Recipe, plan
from engine.planning.views import dilated_views, whole_canvas, windows
from lab.world.lessons import BUCKETS, LESSON_SHARES, NATIVE_SIDE, make_lesson, training_scene
from lab.world.scenes import is_held_out, render
from tests.support.planning import make_facts

POSTCARDS = make_facts(32, buckets=BUCKETS)


def test_buckets_have_about_the_native_area_and_come_turned():
    for height, width in BUCKETS:
        assert height * width == pytest.approx(NATIVE_SIDE**2, rel=0.07)
        assert (width, height) in BUCKETS
        assert height % 16 == width % 16 == 0


def test_no_held_out_scene_is_trained_on():
    assert not any(is_held_out(training_scene(seed)) for seed in range(500))


def test_lessons_of_classes_show_at_least_one_of_them():
    scenes = [training_scene(seed, ("cat", "snow")) for seed in range(50)]
    assert all(one.subject == "cat" or one.ground == "snow" for one in scenes)
    assert {"cat"} < {one.subject for one in scenes}


def test_the_same_seed_gives_the_same_lesson():
    a, b = make_lesson(5), make_lesson(5)
    assert (a.prompt, a.ids) == (b.prompt, b.ids)
    assert np.array_equal(a.picture, b.picture)


@pytest.mark.slow
def test_kinds_have_their_shares():
    kinds = [make_lesson(seed).kind for seed in range(600)]
    for kind, share in LESSON_SHARES.items():
        assert kinds.count(kind) / 600 == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("bucket", BUCKETS)
def test_pictures_have_the_size_of_their_bucket(bucket):
    for seed in range(12):
        assert make_lesson(seed, bucket).picture.shape == (*bucket, 3)


@pytest.mark.slow
def test_a_tenth_of_the_prompts_is_empty():
    assert np.mean([make_lesson(seed, kind="whole").prompt == "" for seed in range(400)]) == pytest.approx(
        0.1, abs=0.04
    )


def test_a_whole_picture_has_the_ids_of_the_engines_base():
    stage = plan(Recipe(width=576, height=448), POSTCARDS).stages[0]
    assert stage.size == (224, 288)
    assert (
        make_lesson(0, (224, 288), "whole").ids
        == whole_canvas(stage)[0].size_ids
        == (224, 288, 0, 0, 224, 288)
    )


def test_a_window_has_the_ids_of_the_engines_windows():
    stage = plan(Recipe(scales=(1, 2), jitter=False), POSTCARDS).stages[1]
    ids = {view.size_ids for view in windows(stage, lambda *_: (0, 0))}
    assert (512, 512, 256, 128, 256, 256) in ids
    for seed in range(40):
        height, width, top, left, *target = make_lesson(seed, kind="window").ids
        assert target == [256, 256]
        assert 0 <= top <= height - 256
        assert 0 <= left <= width - 256
        assert top % 8 == left % 8 == height % 8 == width % 8 == 0


def test_a_window_shows_what_lies_there():
    lesson = make_lesson(3, kind="window")
    height, width, top, left, _, _ = lesson.ids
    assert np.array_equal(
        lesson.picture, render(lesson.scene, (height, width))[top : top + 256, left : left + 256]
    )


def test_published_ids_are_those_of_the_final_picture():
    stage = plan(Recipe(scales=(1, 2), faithful=True), POSTCARDS).stages[1]
    assert dilated_views(stage)[0].size_ids == (512, 512, 0, 0, 512, 512)
    for seed in range(40):
        large = make_lesson(seed, kind="whole as large").ids
        assert large[:2] == large[4:]
        assert large[2:4] == (0, 0)
        window = make_lesson(seed, kind="published window").ids
        assert window[:2] == window[4:]
        assert max(window[2:4]) >= 16 or max(window[:2]) < 256 + 16


def test_a_close_ups_prompt_names_the_part():
    for seed in range(40):
        lesson = make_lesson(seed, kind="close-up")
        assert lesson.ids == (256, 256, 0, 0, 256, 256)
        assert lesson.prompt == "" or " of a" in lesson.prompt
