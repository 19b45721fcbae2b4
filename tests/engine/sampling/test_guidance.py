"""Classifier-free guidance."""

import numpy as np
import pytest
import torch

from engine.sampling.guidance import guide


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_guidance_is_linear_and_returns_a_single_prediction_unchanged():
    plain_, prompted = random(2, 1, 4, 8, 8)
    both = torch.cat([plain_, prompted])
    assert torch.allclose(guide(both, 5.0), plain_ + 5 * (prompted - plain_))
    assert torch.equal(guide(prompted, 5.0), prompted)


def test_rescaled_guidance_has_the_deviation_of_the_prompted_prediction():
    both = random(2, 4, 8, 8)
    full, half = guide(both, 7.5, 1.0), guide(both, 7.5, 0.5)
    assert full.std().item() == pytest.approx(both[1].std().item(), rel=1e-5)
    assert np.allclose(half, (full + guide(both, 7.5)) / 2, atol=1e-5)
