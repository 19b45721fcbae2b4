"""Degraded pictures differ a little from the true ones, and figures stay visible."""

import numpy as np
import pytest
import torch

from lab.judge.cases import make_case
from lab.training import degrade, judge_course


def case_pixels(*kinds):
    """Return the pixels of one case of each kind."""
    pictures = np.stack([make_case(k, kind).picture for k, kind in enumerate(kinds)])
    return torch.tensor(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


@pytest.mark.parametrize("degrade_pixels", judge_course.DEGRADATIONS, ids=lambda function: function.__name__)
def test_a_degraded_picture_differs_a_little_from_the_true_one(degrade_pixels):
    pixels = case_pixels("single", "crowd", "second", "none")
    torch.manual_seed(0)
    degraded = degrade_pixels(pixels, np.random.RandomState(1))
    assert degraded.shape == pixels.shape
    assert 0.002 < (degraded - pixels).abs().mean() < 0.2


def test_no_litter_covers_a_figure():
    pixels = case_pixels("single", "single")
    maps = torch.zeros(2, 32, 32)
    maps[:, 12, 20] = 1
    torch.manual_seed(0)
    draw = np.random.RandomState(0)
    changes = [degrade.add_litter(pixels, maps, draw) != pixels for _ in range(40)]
    is_changed = torch.stack(changes).any(0).any(0).any(0)
    assert not is_changed[8 * 9 : 8 * 16, 8 * 17 : 8 * 24].any()
    assert is_changed.float().mean() > 0.5
