"""Rows of the engine are what a plain loop says they are: direct, MultiDiffusion, damped guidance."""

from contextlib import contextmanager
from dataclasses import replace
from math import ceil

import numpy as np
import pytest
import torch

from engine import Recipe, load_model
from lab.measure import plain_loop
from lab.training.base import levels
from tests.support.toys import latents

CLOSE = 1e-5
SDXLS = {"timestep_spacing": "leading", "steps_offset": 1}
"""From pure noise the first step divides by alpha = 0.07, and float32's last digits with it."""


class First:
    """The noise that the plain loop begins with."""

    def base(self, shape):
        return np.random.RandomState(3).standard_normal(shape)


@pytest.mark.parametrize(("method", "stride"), [("direct", None), ("multidiffusion", 16)])
def test_a_row_is_the_plain_loop(method, stride, tmp_path):
    model = load_model("assets/postcards", "cpu", "float32")
    model = replace(model, facts=replace(model.facts, scheduler=dict(model.facts.scheduler) | SDXLS))
    recipe = Recipe(
        prompt="a red house", negative="", method=method, scales=(1, 2), scheduler="ddim", steps=4,
        guidance=5.0, stride=stride, feather=False,
    )  # fmt: skip
    (ours,) = latents(recipe, model, tmp_path, noise=First())
    theirs = plain_loop.draw(
        model, "a red house", (64, 64), stride=stride, steps=4, guidance=5.0, seed=3
    ).numpy()
    assert np.abs(ours - theirs).max() / np.abs(theirs).max() < CLOSE


STRONG = {"down_blocks.2": 4, "mid_block": 4, "up_blocks.0": 4, "up_blocks.1": 3, "up_blocks.2": 2}
MILD = {"mid_block": 4, "up_blocks.0": 4}


@contextmanager
def spread(unet, factors, left):
    """The network with the kernels of these blocks spread out, by factors that fall."""
    convs = [
        (conv, max(ceil(factor * left - 1e-9), 2))
        for block, factor in factors.items()
        for name, conv in unet.get_submodule(block).named_modules()
        if getattr(conv, "kernel_size", 0) == (3, 3)
    ]
    for conv, factor in convs:
        conv.dilation = conv.padding = (factor, factor)
    yield
    for conv, _ in convs:
        conv.dilation, conv.padding = (1, 1), (1, 1)


@torch.no_grad()
def test_damped_guidance_is_the_plain_loop(bodies, tmp_path):
    """eps = u_mild + w (c_strong - u_strong) in 3 of 4 steps; plain guidance in the last."""
    model, unet = bodies["sdxl"], bodies["sdxl"].unet
    recipe = Recipe(
        prompt="a red house", negative="", method="scalecrafter", scales=(1, 4), scheduler="ddim", steps=4,
        guidance=5.0,
    )  # fmt: skip
    (ours,) = latents(recipe, model, tmp_path, noise=First())
    alpha, sigma = levels()
    text = model.encode_text("a red house", "", 2)
    told = torch.tensor([[512, 512, 0, 0, 512, 512]]).expand(2, -1)
    z = torch.tensor(First().base((1, 4, 64, 64)), dtype=torch.float32)
    for i, (t, after) in enumerate(((751, 501), (501, 251), (251, 1), (1, 0))):
        shown, left = z.repeat(2, 1, 1, 1), (3 - i) / 3
        with spread(unet, STRONG if i < 3 else {}, left):
            plain, asked = model.predict(shown, t, text, told).chunk(2)
        mild = plain
        if i < 3:
            with spread(unet, MILD, left):
                mild = model.predict(shown, t, text, told)[:1]
        eps = mild + 5.0 * (asked - plain)
        z = alpha[after] * (z - sigma[t] * eps) / alpha[t] + sigma[after] * eps
    assert np.abs(ours - z.numpy()).max() / np.abs(z.numpy()).max() < CLOSE
