"""The judge's course."""

from dataclasses import replace

import numpy as np
import torch

from lab.judge import judge
from lab.judge.cases import CLASSES, make_case
from lab.training import judge_course


def test_the_location_map_peaks_at_every_figures_centre():
    case = replace(make_case(0, "single"), centres=((0.25, 0.75),))
    marks = judge_course.location_map(case)
    assert marks.shape == (32, 32)
    assert np.unravel_index(marks.argmax(), marks.shape) in {(r, c) for r in (7, 8) for c in (23, 24)}
    assert (judge_course.location_map(make_case(0, "crop")) == -1).all()


def test_the_written_judge_is_small_and_can_be_loaded(tmp_path):
    course = judge_course.JudgeCourse(None, torch.device("cpu"), lessons=8, batch=4)
    course.write(course.learner, tmp_path)
    assert (tmp_path / judge.WEIGHTS_FILE).stat().st_size < 4e6
    again = judge.load_judge(tmp_path)
    classes = judge.classify(again, [make_case(0).picture, np.zeros((512, 384, 3), np.uint8)])
    assert {head: len(answers) for head, answers in classes.items()} == dict.fromkeys(CLASSES, 2)


def test_the_loss_has_a_finite_number_for_every_labelled_head():
    course = judge_course.JudgeCourse(None, torch.device("cpu"), lessons=32, batch=16)
    _, numbers = course.loss(next(course.batches(0)), 0.0)
    assert {"subject", "number", "locations"} <= set(numbers)
    assert all(np.isfinite(value) for value in numbers.values())


def test_pictures_are_halved_in_size_at_first():
    course = judge_course.JudgeCourse(None, torch.device("cpu"), lessons=16, batch=16)
    shapes = []
    course.learner.register_forward_pre_hook(lambda net, inputs: shapes.append(tuple(inputs[0].shape)))
    batch = next(course.batches(0))
    for share in (0.0, 0.9):
        course.loss(batch, share)
    assert shapes == [(16, 3, 128, 128), (16, 3, 256, 256)]
