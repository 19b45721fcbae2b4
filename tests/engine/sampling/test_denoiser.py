"""The denoiser, which calls the network."""

import pytest
import torch

from engine.errors import StopRequested
from engine.planning.views import View, ViewPosition
from engine.sampling.denoiser import Denoiser


def test_the_denoiser_checks_for_a_stop_before_each_call():
    class UncalledNetwork:
        def predict(self, *args):
            raise AssertionError("called")

    class SetStop:
        def is_set(self):
            return True

    views = (View(slice(0, 4), slice(0, 4), (0, 0, 0, 0, 0, 0), ViewPosition(0, 0)),)
    denoiser = Denoiser(UncalledNetwork(), None, 1, 4, SetStop())
    with pytest.raises(StopRequested):
        list(denoiser.evaluate(torch.zeros(1, 4, 4, 4), views, None, None))
