"""The judge's training examples and their labels."""

import numpy as np
import pytest

from lab.judge import cases
from lab.judge.cases import CLASSES, UNLABELLED, make_case
from lab.world.scenes import draw_scene, make_scene, place_subject


@pytest.mark.parametrize("kind", cases.CASE_KINDS)
def test_labels_match_the_figures_in_a_case(kind):
    for seed in range(8):
        case = make_case(seed, kind)
        assert case.picture.shape == (256, 256, 3)
        assert set(case.labels) == set(CLASSES)
        assert all(
            value == UNLABELLED or value in range(len(CLASSES[head])) for head, value in case.labels.items()
        )
        if case.labels["number"] > 0:
            assert min(len(case.centres), 3) == case.labels["number"]
            assert all(0 < down < 1 and 0 < right < 1 for down, right in case.centres)


def test_a_second_subject_may_be_an_eighth_of_the_first():
    scene = make_scene(5)
    first = place_subject(scene, (0.5, 0.5))
    made = cases.second_subject_case(scene, first, 1 / 8, np.random.RandomState(0))
    assert made.labels["number"] == 2
    alone = draw_scene(scene, (first,), (256, 256))
    assert 20 < (made.picture != alone).any(-1).sum() < 1500
