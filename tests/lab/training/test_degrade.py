"""Pictures are worn as a model wears them, and stay pictures of the same thing."""

import numpy as np
import pytest
import torch

from lab.judge.cases import case
from lab.training import degrade, judge_course


def seen(*kinds):
    pictures = np.stack([case(k, kind).picture for k, kind in enumerate(kinds)])
    return torch.tensor(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


@pytest.mark.parametrize("way", judge_course.WAYS, ids=lambda way: way.__name__)
def test_a_worn_picture_differs_a_little_from_the_true_one(way):
    pixels = seen("single", "crowd", "second", "none")
    torch.manual_seed(0)
    worn = way(pixels, np.random.RandomState(1))
    assert worn.shape == pixels.shape
    assert 0.002 < (worn - pixels).abs().mean() < 0.2


def test_nothing_is_strewn_over_a_figure():
    pixels = seen("single", "single")
    maps = torch.zeros(2, 32, 32)
    maps[:, 12, 20] = 1
    torch.manual_seed(0)
    draw = np.random.RandomState(0)
    strewn = [degrade.littered(pixels, maps, draw) != pixels for _ in range(40)]
    somewhere = torch.stack(strewn).any(0).any(0).any(0)
    assert not somewhere[8 * 9 : 8 * 16, 8 * 17 : 8 * 24].any()
    assert somewhere.float().mean() > 0.5
