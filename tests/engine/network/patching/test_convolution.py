"""Dilated and dispersed convolutions, against their definitions."""

from math import ceil

import numpy as np
import pytest
import torch
from peft import LoraConfig
from torch import nn
from torch.nn.functional import conv2d, interpolate

from engine.network.patching.apply import apply_patches
from engine.network.patching.convolution import dispersed_kernel, dispersion_matrix
from engine.planning.patches import DilatedConvolutions
from tests.support import tiny

PIXEL_WEIGHT, SIDE = 0.05, 7


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    return tiny.unet((16, 24, 32), layers=2).eval()


def picture(rows, cols, channels, seed=0):
    return torch.randn(1, channels, rows, cols, generator=torch.Generator().manual_seed(seed))


def dilated(unet, *parts, dispersed=False):
    """Return a context in which these (part, factor) pairs are dilated."""
    return apply_patches([unet], (DilatedConvolutions(parts, dispersed),))


def resnet_conv(unet):
    return unet.down_blocks[1].resnets[1].conv2  # 24 channels to 24


def sampler_conv(unet):
    return unet.down_blocks[1].downsamplers[0].conv


def plain(conv, map_, spacing, stride=1):
    return conv2d(map_, conv.weight, conv.bias, stride, padding=spacing, dilation=spacing)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("sides", [(16, 20), (13, 17)])
@torch.no_grad()
def test_a_whole_factor_is_a_dilation(unet, factor, sides):
    conv, map_ = resnet_conv(unet), picture(*sides, 24)
    wanted = plain(conv, map_, factor)
    with dilated(unet, ("down_blocks.1", float(factor))):
        made = conv(map_)
    assert made.shape[-2:] == sides
    assert torch.equal(made, wanted)


@pytest.mark.parametrize("sides", [(16, 20), (13, 17)])
@torch.no_grad()
def test_a_sampler_still_halves_and_rounds_up(unet, sides):
    conv, map_ = sampler_conv(unet), picture(*sides, 24)
    wanted = plain(conv, map_, 3, stride=2)
    with dilated(unet, ("down_blocks.1", 3.0)):
        made = conv(map_)
    assert made.shape[-2:] == (ceil(sides[0] / 2), ceil(sides[1] / 2))
    assert torch.equal(made, wanted)


@pytest.mark.parametrize("site", [resnet_conv, sampler_conv])
@pytest.mark.parametrize("sides", [(20, 30), (13, 17), (15, 22)])
@torch.no_grad()
def test_between_two_factors_the_map_is_enlarged_and_the_answer_reduced(unet, site, sides):
    conv, map_ = site(unet), picture(*sides, 24)
    stride = conv.stride[0]
    larger = interpolate(map_, [round(side * 3 / 2.5) for side in sides], mode="bilinear")
    answer = plain(conv, larger, 3, stride)
    wanted = interpolate(answer, [ceil(side / stride) for side in sides], mode="bilinear")
    with dilated(unet, ("down_blocks.1", 2.5)):
        made = conv(map_)
    assert made.shape == wanted.shape
    assert torch.allclose(made, wanted, atol=1e-6)


def bilinear(side):
    """Return the matrix (2 side - 1, side) that doubles a row: every other cell is the mean of its neighbours."""
    matrix = np.zeros((2 * side - 1, side))
    for i in range(side):
        matrix[2 * i, i] = 1
    for i in range(side - 1):
        matrix[2 * i + 1, i] = matrix[2 * i + 1, i + 1] = 1 / 2
    return matrix


def correlation(side, high, row, col):
    """Return the matrix that correlates a padded map with a kernel of high x high that is 1 at one place."""
    matrix = np.zeros((side * side, side * side))
    for i in range(side):
        for j in range(side):
            y, x = i + row - high // 2, j + col - high // 2
            if 0 <= y < side and 0 <= x < side:
                matrix[i * side + j, y * side + x] = 1
    return matrix


def columns(operators):
    return np.stack(list(operators), -1)


def test_the_dispersing_map_is_the_least_squares_solution():
    """Kernels are compared as the dense operators that they are on maps of 7 x 7."""
    doubled = np.kron(bilinear(SIDE), bilinear(SIDE))
    narrow = [correlation(SIDE, 3, *divmod(k, 3)) for k in range(9)]
    wide = [correlation(2 * SIDE - 1, 5, *divmod(k, 5)) for k in range(25)]
    same = [correlation(SIDE, 5, *divmod(k, 5)) for k in range(25)]
    structure = columns((each @ doubled).ravel() for each in wide)
    wanted = columns((doubled @ each).ravel() for each in narrow)
    pixel = columns(each.ravel() for each in same)
    likeness = columns(each.ravel() for each in narrow)
    normal = structure.T @ structure + PIXEL_WEIGHT**2 * pixel.T @ pixel
    solution = np.linalg.solve(normal, structure.T @ wanted + PIXEL_WEIGHT**2 * pixel.T @ likeness)
    assert dispersion_matrix().shape == (25, 9)
    assert np.allclose(dispersion_matrix(), solution, atol=1e-8, rtol=0)


@torch.no_grad()
def test_a_dispersed_kernel_is_that_map_times_the_convolutions_own(unet):
    conv = resnet_conv(unet)
    wanted = torch.einsum(
        "rk,oik->oir", torch.from_numpy(dispersion_matrix()), conv.weight.double().flatten(2)
    )
    assert torch.allclose(dispersed_kernel(conv).double().flatten(2), wanted, atol=1e-6)


@torch.no_grad()
def test_a_dispersed_convolution_has_half_the_spacing(unet):
    conv, map_ = resnet_conv(unet), picture(20, 23, 24)
    wanted = conv2d(map_, dispersed_kernel(conv), conv.bias, padding=4, dilation=2)
    with dilated(unet, ("down_blocks.1", 4.0), dispersed=True):
        made = conv(map_)
    assert torch.allclose(made, wanted, atol=1e-6)
    assert not torch.allclose(made, plain(conv, map_, 4), atol=0.1)


@pytest.mark.parametrize("factor", [2, 4, 3])
@torch.no_grad()
def test_of_a_smooth_map_dispersed_and_dilated_give_nearly_the_same(unet, factor):
    """Nearly: the outer taps of the dispersed kernels sum to 1.02 of the plain ones'."""
    conv, slope = resnet_conv(unet), torch.linspace(0, 3, 64)
    map_ = (slope[:, None] + 0.5 * slope).sin() + picture(1, 1, 24)
    made = []
    for dispersed in (False, True):
        with dilated(unet, ("down_blocks.1", float(factor)), dispersed=dispersed):
            made.append(conv(map_)[..., 12:-12, 12:-12] - conv.bias[:, None, None])
    assert 0 < (made[1] - made[0]).std() < 0.04 * made[0].std()


@torch.no_grad()
def test_a_dispersed_kernel_is_made_once():
    conv = nn.Conv2d(4, 6, 3)
    first = dispersed_kernel(conv)
    assert first.shape == (6, 4, 5, 5)
    assert dispersed_kernel(conv) is first


@torch.no_grad()
def test_a_dispersed_kernel_is_made_again_once_the_weight_has_changed():
    conv = nn.Conv2d(4, 6, 3)
    first = dispersed_kernel(conv).clone()
    conv.weight.mul_(2)
    assert torch.allclose(dispersed_kernel(conv), 2 * first, atol=1e-6)
    conv.weight = nn.Parameter(conv.weight / 2)
    assert torch.allclose(dispersed_kernel(conv), first, atol=1e-6)


def dilations(unet, *parts):
    """Return the dilations of the convolutions that are dilated, by name."""
    with dilated(unet, *parts):
        found = [(name, each) for name, each in unet.named_modules() if isinstance(each, nn.Conv2d)]
        return {name: each.dilation[0] for name, each in found if each.dilation != (1, 1)}


RESNETS = {f"down_blocks.1.resnets.{k}.conv{n}" for k in (0, 1) for n in (1, 2)}
SAMPLER = "down_blocks.1.downsamplers.0.conv"


def test_a_later_part_overrides_an_earlier_one(unet):
    parts = (("down_blocks.1", 3.0), ("down_blocks.1.downsamplers", 4.0))
    assert dilations(unet, *parts) == dict.fromkeys(RESNETS, 3) | {SAMPLER: 4}
    assert dilations(unet, *reversed(parts)) == dict.fromkeys(RESNETS | {SAMPLER}, 3)


def test_a_blocks_sampler_is_named_alone(unet):
    assert dilations(unet, ("down_blocks.1.downsamplers", 2.0)) == {SAMPLER: 2}


def test_a_block_on_the_way_up_has_its_sampler(unet):
    wanted = {f"up_blocks.0.resnets.{k}.conv{n}" for k in (0, 1, 2) for n in (1, 2)}
    assert dilations(unet, ("up_blocks.0", 2.0)) == dict.fromkeys(
        wanted | {"up_blocks.0.upsamplers.0.conv"}, 2
    )


def test_shortcuts_of_1x1_stay_as_they_are(unet):
    """Padding would enlarge their output."""
    shortcut = unet.down_blocks[1].resnets[0].conv_shortcut
    with dilated(unet, ("down_blocks.1", 2.0)):
        assert (shortcut.kernel_size, shortcut.dilation, shortcut.padding) == ((1, 1), (1, 1), (0, 0))


@pytest.mark.parametrize(("factor", "dispersed"), [(2.0, False), (2.5, False), (4.0, True), (5.0, True)])
@pytest.mark.parametrize("site", [resnet_conv, sampler_conv])
@torch.no_grad()
def test_a_lora_is_dilated_with_its_convolution(site, factor, dispersed):
    torch.manual_seed(0)
    unet, map_ = tiny.unet((16, 24, 32), layers=2).eval(), picture(13, 18, 24)
    unet.add_adapter(LoraConfig(r=4, init_lora_weights=False, target_modules=["conv1", "conv2", "conv"]))
    with_lora = site(unet)
    fused = nn.Conv2d(24, 24, 3, with_lora.base_layer.stride, 1)
    fused.weight.copy_(with_lora.base_layer.weight + with_lora.get_delta_weight("default"))
    fused.bias.copy_(with_lora.base_layer.bias)
    with dilated(unet, ("down_blocks.1", factor), dispersed=dispersed):
        made = with_lora(map_)
    alone = tiny.unet((16, 24, 32), layers=2).eval()
    fused_at = alone.down_blocks[1]
    fused_at.resnets[1].conv2 = fused_at.downsamplers[0].conv = fused
    with dilated(alone, ("down_blocks.1", factor), dispersed=dispersed):
        wanted = fused(map_)
    assert torch.allclose(made, wanted, atol=1e-5)
    assert not torch.allclose(wanted, fused(map_)[..., : wanted.shape[-2], :], atol=0.01)
