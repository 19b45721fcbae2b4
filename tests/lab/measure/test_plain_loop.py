"""The engine's direct inference, MultiDiffusion and damped guidance equal a plain loop."""

from contextlib import contextmanager
from dataclasses import replace
from math import ceil

import numpy as np
import pytest
import torch

from engine import Recipe, load_model
from lab.measure import plain_loop
from lab.models.architecture import alphas_and_sigmas
from tests.support.run_results import run_latents

CLOSE = 1e-5
# SDXL's own spacing of steps. The model's own begins at pure noise, where the first step divides by
# alpha = 0.07 and so enlarges float32's rounding errors.
SDXL_SPACING = {"timestep_spacing": "leading", "steps_offset": 1}


class StartNoise:
    """Noise for the engine that equals the plain loop's."""

    def base(self, shape):
        return np.random.RandomState(3).standard_normal(shape)


@pytest.mark.parametrize(("method", "stride"), [("direct", None), ("multidiffusion", 16)])
def test_the_engine_equals_the_plain_loop(method, stride, tmp_path):
    model = load_model("assets/postcards", "cpu", "float32")
    model = replace(model, facts=replace(model.facts, scheduler=dict(model.facts.scheduler) | SDXL_SPACING))
    recipe = Recipe(
        prompt="a red house",
        negative="",
        method=method,
        scales=(1, 1.5),
        scheduler="ddim",
        steps=4,
        guidance=5.0,
        stride=stride,
        feather=False,
        view_batch=1,
    )
    (ours,) = run_latents(recipe, model, tmp_path, noise=StartNoise())
    theirs = plain_loop.draw(
        model, "a red house", (48, 48), stride=stride, steps=4, guidance=5.0, seed=3
    ).numpy()
    assert np.abs(ours - theirs).max() / np.abs(theirs).max() < CLOSE


STRONG = {"down_blocks.2": 4, "mid_block": 4, "up_blocks.0": 4, "up_blocks.1": 3, "up_blocks.2": 2}
MILD = {"mid_block": 4, "up_blocks.0": 4}


@contextmanager
def dilated(unet, factors, left):
    """Dilate the convolutions of these blocks within this context, by factors that fall with `left`."""
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
def test_damped_guidance_is_the_plain_loop(models_by_architecture, tmp_path):
    """eps = u_mild + w (c_strong - u_strong) in 3 of 4 steps; plain guidance in the last."""
    model, unet = models_by_architecture["sdxl"], models_by_architecture["sdxl"].unet
    recipe = Recipe(
        prompt="a red house",
        negative="",
        method="scalecrafter",
        scales=(1, 4),
        scheduler="ddim",
        steps=4,
        guidance=5.0,
    )
    (ours,) = run_latents(recipe, model, tmp_path, noise=StartNoise())
    alpha, sigma = alphas_and_sigmas()
    text = model.encode_text("a red house", "", 2)
    time_ids = torch.tensor([[512, 512, 0, 0, 512, 512]]).expand(2, -1)
    z = torch.tensor(StartNoise().base((1, 4, 64, 64)), dtype=torch.float32)
    for i, (t, after) in enumerate(((751, 501), (501, 251), (251, 1), (1, 0))):
        model_input, left = z.repeat(2, 1, 1, 1), (3 - i) / 3
        with dilated(unet, STRONG if i < 3 else {}, left):
            unconditional, conditional = model.predict(model_input, t, text, time_ids).chunk(2)
        mild = unconditional
        if i < 3:
            with dilated(unet, MILD, left):
                mild = model.predict(model_input, t, text, time_ids)[:1]
        eps = mild + 5.0 * (conditional - unconditional)
        z = alpha[after] * (z - sigma[t] * eps) / alpha[t] + sigma[after] * eps
    assert np.abs(ours - z.numpy()).max() / np.abs(z.numpy()).max() < CLOSE


def test_native_windows_cover_the_canvas():
    count = np.zeros((40, 56))
    for rows, cols in plain_loop.native_windows(40, 56, 32, 16):
        count[rows, cols] += 1
    assert count.min() >= 1
