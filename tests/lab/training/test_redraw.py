"""What the judge learns of the base's own hand."""

import numpy as np
import pytest
import torch

from engine.paths import ASSETS
from lab.judge.cases import case
from lab.training import redraw
from lab.training.redraw import Group, Hand, edges, group

POSTCARDS = ASSETS / "postcards"


@pytest.mark.parametrize("side", [32, 64, 128])
def test_windows_of_every_step_cover_the_canvas(side):
    for seed in range(40):
        firsts = edges(side, np.random.RandomState(seed))
        covered = {cell for first in firsts for cell in range(first, first + 32)}
        assert covered == set(range(side))


def test_a_group_is_of_one_kind_and_holds_no_small_figure():
    for seed in range(12):
        these = group(seed, 2, 2)
        (kind,) = {one.kind for one in these.cases}
        assert kind in redraw.SHARES
        assert all(one.least >= redraw.LEAST for one in these.cases)
        assert 350 <= these.start <= (700 if kind in ("single", "none") else 490)


def test_a_picture_drawn_anew_shows_the_same_scene():
    one = case(3, "single")
    torch.manual_seed(0)
    (made,) = Hand(POSTCARDS, torch.device("cpu")).redraw(
        Group([one], [""], 1, 200), np.random.RandomState(0)
    )
    wrong = np.abs(made.astype(float) - one.picture).mean()
    assert made.shape == (256, 256, 3)
    assert 0.5 < wrong < 12
