"""What the judge is taught, and how it reads a picture."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lab.judge import cases, judge
from lab.judge.cases import NAMES, UNTOLD, case
from lab.training import judge_course
from lab.world.scenes import scene, standing


@pytest.mark.parametrize("kind", cases.KINDS)
def test_cases_say_what_is_in_them_and_nothing_else(kind):
    for seed in range(8):
        one = case(seed, kind)
        assert one.picture.shape == (256, 256, 3)
        assert set(one.told) == set(NAMES)
        assert all(value == UNTOLD or value in range(len(NAMES[head])) for head, value in one.told.items())
        if one.told["number"] > 0:
            assert min(len(one.places), 3) == one.told["number"]
            assert all(0 < down < 1 and 0 < right < 1 for down, right in one.places)


def test_a_second_subject_may_be_an_eighth_of_the_first():
    one = scene(5)
    first = standing(one, (0.5, 0.5))
    made = cases.beside(one, first, 1 / 8, np.random.RandomState(0))
    assert made.told["number"] == 2
    alone = cases.draw(one, (first,), (256, 256))
    assert 20 < (made.picture != alone).any(-1).sum() < 1500


def test_the_map_marks_every_figure_in_its_place():
    one = replace(case(0, "single"), places=((0.25, 0.75),))
    marks = judge_course.place_map(one)
    assert marks.shape == (32, 32)
    assert np.unravel_index(marks.argmax(), marks.shape) in {(r, c) for r in (7, 8) for c in (23, 24)}
    assert (judge_course.place_map(case(0, "crop")) == -1).all()


def test_the_judge_is_small_enough_and_comes_back(tmp_path):
    course = judge_course.JudgeCourse(None, torch.device("cpu"), lessons=8, batch=4)
    course.write(course.learner, tmp_path)
    assert (tmp_path / judge.FILE).stat().st_size < 4e6
    again = judge.load(tmp_path)
    said = judge.verdicts(again, [case(0).picture, np.zeros((512, 384, 3), np.uint8)])
    assert {head: len(answers) for head, answers in said.items()} == dict.fromkeys(NAMES, 2)


def test_the_judges_course_has_a_number_for_every_head_it_was_told_of():
    course = judge_course.JudgeCourse(None, torch.device("cpu"), lessons=32, batch=16)
    _, numbers = course.loss(next(course.batches(0)), 0.0)
    assert {"subject", "number", "places"} <= set(numbers)
    assert all(np.isfinite(value) for value in numbers.values())


def test_the_judge_sees_cases_at_half_their_side_at_first():
    course = judge_course.JudgeCourse(None, torch.device("cpu"), lessons=16, batch=16)
    seen = []
    course.learner.register_forward_pre_hook(lambda net, given: seen.append(tuple(given[0].shape)))
    batch = next(course.batches(0))
    for share in (0.0, 0.9):
        course.loss(batch, share)
    assert seen == [(16, 3, 128, 128), (16, 3, 256, 256)]


def test_a_subject_is_told_where_one_is_found():
    net = judge.Judge().eval()
    with torch.no_grad():
        net.cells.weight.zero_()
        net.cells.bias.zero_()
        # A cell's first feature says that a figure is there; the second one that it is the first kind.
        net.cells.weight[0, 0], net.cells.weight[1, 1] = 1, 1
        wide = torch.zeros(1, net.cells.in_channels, 32, 32)
        wide[:, 0], wide[:, 1] = -20, -3
        wide[:, 0, 4, 20], wide[:, 1, 4, 20] = 20, 5
        net.joined = torch.nn.Identity()
        net.joined.forward = lambda x: wide
        scores, places = net(torch.zeros(1, 3, 256, 256))
    assert scores["subject"][0, 0] == pytest.approx(5, abs=0.01)
    assert places.argmax() == 4 * 32 + 20
