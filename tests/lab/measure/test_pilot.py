"""The pilot's pictures."""

import torch
from PIL import Image

from lab.measure import pilot


def test_each_latent_cell_is_a_plain_square():
    latent = torch.zeros(1, 3, 32, 32)
    latent[..., 0, 0] = 2.0
    picture = pilot.to_picture(latent)
    assert picture.shape == (256, 256, 3)
    assert picture[:8, :8].min() == 255
    assert Image.fromarray(picture).getpixel((100, 100)) == (128, 128, 128)
