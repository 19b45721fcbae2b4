"""The pool of lessons that courses learn from."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from lab.training.pool import GROUP_SIZE, LessonGroups, LessonPool
from lab.world.lessons import BUCKETS


def pool(**more):
    return LessonPool(
        lambda pictures: avg_pool2d(pictures.permute(0, 3, 1, 2).float(), 8),
        lambda prompts: torch.tensor([[len(prompt)] for prompt in prompts]),
        **{"lessons": 64} | more,
    )


def test_a_batch_holds_latents_tokens_and_ids_of_one_bucket():
    made = pool(lessons=96, squares=0.3)
    made.wait(96)
    batches = made.batches(2 * GROUP_SIZE, 0)
    shapes = set()
    for _ in range(12):
        batch = next(batches)
        assert batch.latents.shape[:2] == (2 * GROUP_SIZE, 3)
        assert batch.tokens.shape == (2 * GROUP_SIZE, 1)
        assert batch.ids.shape == (2 * GROUP_SIZE, 6)
        shapes.add(tuple(batch.latents.shape[2:]))
    assert shapes <= {(h // 8, w // 8) for h, w in BUCKETS}
    assert len(shapes) > 1


def test_a_group_has_only_the_given_subjects_and_is_the_same_for_the_same_number():
    group, again = (LessonGroups(3, 7, ("cat", "fish"), 1.0)[2] for _ in range(2))
    assert {one.scene.subject for one in group} == {"cat", "fish"}
    assert [one.prompt for one in group] == [one.prompt for one in again]


def test_half_of_the_lessons_show_a_focused_class():
    group = LessonGroups(3, 7, (), 1.0, ("cat", "night"))[2]
    shown = [bool({"cat", "night"} & {one.scene.subject, one.scene.sky}) for one in group]
    assert all(shown[: GROUP_SIZE // 2])
    assert not all(shown)


def test_an_error_while_encoding_is_raised_to_who_waits():
    def broken(pictures):
        raise ZeroDivisionError

    made = LessonPool(broken, lambda prompts: None, lessons=16)
    with pytest.raises(ZeroDivisionError):
        made.wait(16)
