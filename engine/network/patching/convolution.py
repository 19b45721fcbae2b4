"""Apply patches that enlarge the receptive field of convolutions: re-dilation and dispersion (ScaleCrafter, He et
al. 2023).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from math import ceil
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from engine.network.patching.hooks import set_attributes, use_hooks
from engine.planning.patches import DilatedConvolutions

# The weight of pixel-level calibration in a dispersed kernel; structure-level calibration has the weight 1. As
# published.
PIXEL_CALIBRATION_WEIGHT = 0.05
# The side in cells of the feature maps for which kernels are calibrated.
CALIBRATION_SIDE = 7

# For each convolution: the identity and version of its weight, and the dispersed kernel made from this weight.
_dispersed_kernels: "WeakKeyDictionary[nn.Conv2d, tuple[tuple[int, int], nn.Parameter]]" = WeakKeyDictionary()


@contextmanager
def apply_dilated_convolutions(network: nn.Module, patch: DilatedConvolutions) -> Iterator[None]:
    """Dilate the 3x3 convolutions of the patch's parts inside a `with` block."""
    factors: dict[nn.Module, float] = {}
    for part, factor in patch.parts:
        factors |= dict.fromkeys(find_convolutions(network, part), factor)
    with ExitStack() as undo:
        for convolution, factor in factors.items():
            undo.enter_context(_dilate(convolution, factor, patch.dispersed))
        yield


def find_convolutions(network: nn.Module, part: str) -> list[nn.Module]:
    """Return the convolutions of a part that can be dilated; none if the network lacks the part.

    part: the name of a block, for the convolutions in its ResNets, downsamplers and upsamplers; or
        "<block>.downsamplers", for the downsamplers alone.
    """
    block_name, only_downsamplers, _ = part.partition(".downsamplers")
    try:
        block = network.get_submodule(block_name)
    except AttributeError:
        return []
    if only_downsamplers:
        return _resampling_convolutions(block, "downsamplers")
    resnets = [
        resnet.get_submodule(name)
        for resnet in block.get_submodule("resnets").children()
        for name in ("conv1", "conv2")
    ]
    return (
        resnets
        + _resampling_convolutions(block, "downsamplers")
        + _resampling_convolutions(block, "upsamplers")
    )


def _resampling_convolutions(block: nn.Module, name: str) -> list[nn.Module]:
    """Return the convolutions in a block's downsamplers or upsamplers.

    name: "downsamplers" or "upsamplers".
    """
    return [module.conv for module in getattr(block, name, None) or ()]


@contextmanager
def _dilate(convolution: nn.Module, factor: float, dispersed: bool) -> Iterator[None]:
    """Dilate one convolution and the LoRA layers around it inside a `with` block.

    A fractional factor is rounded up, and the feature map is enlarged by the same ratio for the convolution.

    factor: the spacing of the kernel's taps.
    dispersed: whether to use a 5x5 kernel at half the spacing.
    """
    if dispersed:
        factor = factor / 2  # The 5x5 kernel has twice the reach of the 3x3 kernel.
    dilation = ceil(factor)
    padding = 2 * dilation if dispersed else dilation
    layers = [
        module
        for module in convolution.modules()
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)
    ]
    with ExitStack() as undo:
        for layer in layers:
            undo.enter_context(
                set_attributes(layer, dilation=(dilation, dilation), padding=(padding, padding))
            )
            if dispersed:
                undo.enter_context(_replace_weight(layer, dispersed_kernel(layer)))
        if factor != dilation:
            undo.enter_context(_enlarge_input(convolution, dilation / factor, layers[0].stride[0]))
        yield


@contextmanager
def _replace_weight(conv: nn.Conv2d, weight: nn.Parameter) -> Iterator[None]:
    """Replace a convolution's weight inside a `with` block."""
    original = conv._parameters["weight"]
    conv._parameters["weight"] = weight
    try:
        yield
    finally:
        conv._parameters["weight"] = original


@contextmanager
def _enlarge_input(convolution: nn.Module, ratio: float, stride: int) -> Iterator[None]:
    """Enlarge a convolution's input by a ratio, and resize its output to the usual size, inside a `with` block."""
    output_sizes: list[tuple[int, int]] = []

    def enlarge(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        size = args[0].shape[-2:]
        output_sizes.append(tuple(ceil(side / stride) for side in size))
        larger = tuple(round(side * ratio) for side in size)
        return interpolate(args[0], larger, mode="bilinear"), *args[1:]

    def reduce(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        return interpolate(output, output_sizes.pop(), mode="bilinear")

    with use_hooks(convolution.register_forward_pre_hook(enlarge), convolution.register_forward_hook(reduce)):
        yield


def dispersed_kernel(conv: nn.Conv2d) -> nn.Parameter:
    """Return the 5x5 kernel that replaces a convolution's 3x3 kernel; cached until the weight changes."""
    weight = conv.weight
    version = id(weight), weight._version
    cached = _dispersed_kernels.get(conv)
    if cached and cached[0] == version:
        kernel = cached[1]
        # With CPU offload the weight may have moved to another device since.
        return kernel if kernel.device == weight.device else nn.Parameter(kernel.to(weight.device), False)
    matrix = torch.from_numpy(dispersion_matrix()).to(weight.device)
    taps = matrix @ weight.detach().double().flatten(2).unsqueeze(-1)
    kernel = nn.Parameter(taps.squeeze(-1).unflatten(-1, (5, 5)).to(weight.dtype), requires_grad=False)
    _dispersed_kernels[conv] = version, kernel
    return kernel


@cache
def dispersion_matrix() -> np.ndarray:
    """Return R (25, 9), which multiplies a flat 3x3 kernel to give a flat 5x5 kernel.

    R is the least-squares solution of these equations for all 7x7 feature maps x:
    Structure-level calibration: conv5(up(x)) = up(conv3(x)), where up doubles the resolution.
    Pixel-level calibration, with a small weight: conv5(x) = conv3(x).
    """
    maps = np.eye(CALIBRATION_SIDE**2).reshape(-1, CALIBRATION_SIDE, CALIBRATION_SIDE)
    taps = _neighbourhoods(maps, 3)  # (N, 7, 7, 9): what each tap of a kernel contributes to each cell
    upsampled_taps = np.moveaxis(_double_resolution(np.moveaxis(taps, -1, 1)), 1, -1)  # (N, 13, 13, 9)
    structure = _as_rows(_neighbourhoods(_double_resolution(maps), 5)), _as_rows(upsampled_taps)
    pixel = _as_rows(_neighbourhoods(maps, 5)), _as_rows(taps)
    left = np.concatenate([structure[0], PIXEL_CALIBRATION_WEIGHT * pixel[0]])
    right = np.concatenate([structure[1], PIXEL_CALIBRATION_WEIGHT * pixel[1]])
    return np.linalg.lstsq(left, right, rcond=None)[0]


def _as_rows(values: np.ndarray) -> np.ndarray:
    """Return an array with all axes but the last flattened: (rows, last axis)."""
    return values.reshape(-1, values.shape[-1])


def _neighbourhoods(maps: np.ndarray, side: int) -> np.ndarray:
    """Return the values in the square around every cell: (..., rows, cols, side * side), zeros beyond the border."""
    border = side // 2
    padded = np.pad(maps, [(0, 0)] * (maps.ndim - 2) + [(border, border)] * 2)
    squares = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (-2, -1))
    return squares.reshape(*squares.shape[:-2], side * side)


def _double_resolution(maps: np.ndarray) -> np.ndarray:
    """Return maps (..., 2 rows - 1, 2 cols - 1): between any two neighbouring cells their mean is inserted."""
    rows, cols = maps.shape[-2:]
    flat = torch.from_numpy(np.ascontiguousarray(maps)).reshape(1, -1, rows, cols)
    size = (2 * rows - 1, 2 * cols - 1)
    larger = interpolate(flat, size, mode="bilinear", align_corners=True).numpy()
    return larger.reshape(*maps.shape[:-2], *size)
