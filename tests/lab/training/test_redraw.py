"""Cases redrawn by the base."""

import numpy as np
import pytest
import torch

from engine.paths import ASSETS
from lab.judge.cases import make_case
from lab.training import redraw
from lab.training.redraw import Redrawer, RedrawGroup, make_group, window_starts

POSTCARDS = ASSETS / "postcards"


@pytest.mark.parametrize("side", [32, 64, 128])
def test_windows_of_every_step_cover_the_canvas(side):
    for seed in range(40):
        firsts = window_starts(side, np.random.RandomState(seed))
        covered = {cell for first in firsts for cell in range(first, first + 32)}
        assert covered == set(range(side))


def test_a_group_is_of_one_kind_and_holds_no_small_figure():
    for seed in range(12):
        group = make_group(seed, 2, 2)
        (kind,) = {case.kind for case in group.cases}
        assert kind in redraw.KIND_SHARES
        assert all(case.smallest >= redraw.MIN_FIGURE for case in group.cases)
        assert 350 <= group.start <= (700 if kind in ("single", "none") else 490)


def test_a_redrawn_picture_shows_the_same_scene():
    case = make_case(3, "single")
    torch.manual_seed(0)
    (made,) = Redrawer(POSTCARDS, torch.device("cpu")).redraw(
        RedrawGroup([case], [""], 1, 200), np.random.RandomState(0)
    )
    error = np.abs(made.astype(float) - case.picture).mean()
    assert made.shape == (256, 256, 3)
    assert 0.5 < error < 12
