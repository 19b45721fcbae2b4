"""The VAE's course: resized latents and the loss of detail."""

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from lab.training import vae


@pytest.mark.parametrize("seed", range(12))
def test_a_resized_latent_decodes_to_the_resized_picture(seed):
    # If cells are mean colours, the resized latent must equal the mean colours of the resized picture.
    cells = torch.randn(1, 3, 3, 3, generator=torch.Generator().manual_seed(seed)) * 0.3
    pixels = torch.nn.functional.interpolate(cells, (96, 96), mode="bicubic").clamp(-1, 1)
    latent, wanted = vae.resize_latent(avg_pool2d(pixels, 8), pixels, np.random.RandomState(seed))
    assert wanted.shape[-2:] == tuple(8 * n for n in latent.shape[-2:])
    inner = slice(1, -1) if min(latent.shape[-2:]) > 4 else slice(None)
    apart = (avg_pool2d(wanted, 8) - latent)[..., inner, inner].abs().mean()
    assert apart < 0.06


def test_blur_costs_slopes_and_the_true_picture_costs_nothing():
    sharp = torch.rand(1, 3, 32, 32)
    soft = avg_pool2d(sharp, 3, 1, 1)
    assert vae.slope_loss(sharp, sharp) == 0
    assert vae.slope_loss(soft, sharp) > 0.5
