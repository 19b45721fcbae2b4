"""Relay Diffusion's formulas against the published code's numbers and their own laws."""

from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.sampling import relay

CASES = np.load(Path(__file__).parents[2] / "reference" / "relay-public.npz", allow_pickle=False)
NOISE, PICTURE = 1024, 20000


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stored(name, scale=1):
    return torch.from_numpy(CASES[name].astype(np.float64)) / scale


def close(made, name):
    true = stored(name)
    assert made.shape == true.shape
    assert (made - true).abs().max() < 1e-5 * true.abs().max()


@pytest.mark.parametrize("case", ["a", "b"])
def test_block_noise_equals_the_published(case):
    close(
        relay.block(stored(f"block/{case}/given", NOISE), int(CASES[f"block/{case}/s"])), f"block/{case}/out"
    )


@pytest.mark.parametrize("case", ["a", "b"])
def test_the_blur_equals_the_published(case):
    given, b, p = (
        stored(f"blur/{case}/given", PICTURE),
        stored(f"blur/{case}/deviations"),
        int(CASES[f"blur/{case}/patch"]),
    )
    close(relay.blurred(given.expand(len(b), -1, -1, -1), b, p), f"blur/{case}/out")
    close(torch.cat([relay.blurred(given, float(one), p) for one in b]), f"blur/{case}/out")


@pytest.mark.parametrize("case", ["a", "c"])
def test_the_multiplier_equals_the_published(case):
    levels, (length, top) = (
        stored(f"multiplier/{case}/levels"),
        stored(f"multiplier/{case}/length_and_top").tolist(),
    )
    b = relay.deviation(levels, length, top)
    close(relay.multiplier(b, int(CASES[f"multiplier/{case}/patch"])), f"multiplier/{case}/out")


@pytest.mark.parametrize("s", [2, 3, 4, 8])
def test_block_noise_has_unit_variance(s):
    planes = relay.block(random(100, 256, 256), s)
    assert planes.var().item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("share", [0.15, 0.5, 1.0])
def test_mixed_noise_has_unit_variance_and_the_published_sum_has_more(share):
    white, source = random(30, 256, 256), random(30, 256, 256, seed=1)
    assert relay.mixed(white, source, 4, share).var().item() == pytest.approx(1, abs=0.01)
    published = relay.mixed(white, source, 4, share, published=True)
    assert published.var().item() == pytest.approx(1 + share**2, rel=0.01)


@pytest.mark.parametrize(("rows", "cols", "s"), [(24, 24, 2), (24, 40, 4), (48, 24, 8)])
def test_the_spectrum_of_block_noise_is_zero_at_multiples_of_n_over_s(rows, cols, s):
    spectrum = torch.fft.fft2(relay.block(random(rows, cols), s)).abs()
    for k in range(1, s):
        assert spectrum[k * rows // s].max() < 1e-9
        assert spectrum[:, k * cols // s].max() < 1e-9
    assert spectrum[0, 0] > 1e-3


def test_the_mean_over_a_block_has_two_thirds_of_a_deviation():
    means = torch.nn.functional.avg_pool2d(relay.block(random(1, 200, 256, 256), 4), 4)
    assert means.std().item() == pytest.approx(0.6875, rel=0.01)


def test_a_blur_of_deviation_0_changes_nothing():
    x = random(2, 3, 8, 12)
    assert torch.allclose(relay.blurred(x, 0.0, 4), x, atol=1e-12)


@pytest.mark.parametrize("size", [(10, 17), (4, 9), (3, 2)])
def test_sides_that_are_no_multiple_of_the_patch_keep_size_and_flat_colours(size):
    flat = torch.full((1, 2, *size), 0.3, dtype=torch.float64)
    assert torch.allclose(relay.blurred(flat, 3.0, 4), flat, atol=1e-12)
    x = random(1, 2, *size)
    assert relay.blurred(x, 3.0, 4).shape == x.shape
    assert torch.allclose(relay.blurred(x, 0.0, 4), x, atol=1e-12)


def test_an_extended_side_is_reflected():
    x = random(1, 6, 8)
    mirrored = torch.cat([x, x[:, [4, 3]]], 1)
    assert torch.allclose(relay.blurred(x, 1.5, 4), relay.blurred(mirrored, 1.5, 4)[:, :6], atol=1e-12)


def test_the_blur_keeps_the_mean_of_each_patch_and_does_not_cross_its_border():
    x = random(1, 8, 12)
    out = relay.blurred(x, 3.0, 4)
    mean = torch.nn.functional.avg_pool2d
    assert torch.allclose(mean(out, 4), mean(x, 4), atol=1e-12)
    changed = x.clone()
    changed[:, :4, :4] += 1
    assert torch.equal(relay.blurred(changed, 3.0, 4)[:, 4:, 4:], out[:, 4:, 4:])


def test_a_batch_may_be_blurred_by_a_deviation_each_and_keeps_its_dtype():
    x = random(2, 3, 8, 8).float()
    both = relay.blurred(x, torch.tensor([0.5, 2.0]), 4)
    assert both.dtype == torch.float32
    for k, b in enumerate((0.5, 2.0)):
        assert torch.allclose(both[k], relay.blurred(x[k], b, 4), atol=1e-6)


def test_without_blur_the_step_is_ddim():
    x, clean, whole = random(1, 3, 8, 12), random(1, 3, 8, 12, seed=1), relay.multiplier(0.0, 4)
    eps = (x - clean) / 0.8
    assert torch.allclose(relay.step(x, clean, whole, whole, 0.5 / 0.8), clean + 0.5 * eps, atol=1e-12)


def test_the_step_takes_a_blurred_picture_to_the_next_blur_and_noise_level():
    clean, noise = random(1, 3, 8, 12), random(1, 3, 8, 12, seed=1)
    x = relay.blurred(clean, 2.5, 4) + 0.8 * noise
    made = relay.step(x, clean, relay.multiplier(2.5, 4), relay.multiplier(1.0, 4), 0.3 / 0.8)
    assert torch.allclose(made, relay.blurred(clean, 1.0, 4) + 0.3 * noise, atol=1e-12)


def test_the_deviation_rises_from_0_and_reaches_the_top_where_the_blur_ends():
    end = np.exp(1.2 * 1.4757910281791706 - 1.2)  # The normal quantile of 0.93.
    made = relay.deviation(torch.tensor([1e-9, 0.1, 0.5, end], dtype=torch.float64), 0.93, 3.0)
    assert made[0] < 1e-6
    assert (made.diff() > 0).all()
    assert made[-1].item() == pytest.approx(3)
    assert relay.deviation(0.9, 0.93, 3.0).item() == pytest.approx(2.896, abs=1e-3)


def test_the_first_coefficient_keeps_what_the_formula_says():
    assert relay.multiplier(3.0, 4)[0, 1].item() == pytest.approx(0.063, abs=1e-3)
    assert relay.multiplier(3.0, 4)[0, 0].item() == 1
    assert sqrt(relay.multiplier(torch.tensor([0.0, 3.0]), 2)[1, 0, 1].item()) == pytest.approx(
        sqrt(0.001), rel=0.03
    )
