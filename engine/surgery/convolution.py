"""Convolutions that reach further: re-dilated, and dispersed (He et al. 2023, ScaleCrafter)."""

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

from engine.bends import Bend, Dilated
from engine.surgery.hooks import altered, hooked

PIXEL_WEIGHT = 0.05
"""Of the dispersed kernel's likeness to the plain one at the scale that it was trained at."""
SYMBOLIC = 7
"""Side of the picture on which the two are compared."""

_dispersed: "WeakKeyDictionary[nn.Conv2d, tuple[tuple[int, int], nn.Parameter]]" = WeakKeyDictionary()


@contextmanager
def dilated(network: nn.Module, bend: Dilated) -> Iterator[None]:
    """The network with the convolutions of these parts reaching further."""
    factors: dict[nn.Module, float] = {}
    for part, factor in bend.parts:
        factors |= dict.fromkeys(convolutions(network, part), factor)
    with ExitStack() as undo:
        for site, factor in factors.items():
            undo.enter_context(_reaching(site, factor, bend.dispersed))
        yield


def convolutions(network: nn.Module, part: str) -> list[nn.Module]:
    """The convolutions of a block's ResNets and samplers, or of its samplers alone; of a part that is not
    there, none."""
    block, _, samplers = part.partition(".downsamplers")
    try:
        module = network.get_submodule(block)
    except AttributeError:
        return []
    found = [] if samplers or block != part else list(module.resnets)
    sites = [conv for resnet in found for conv in (resnet.conv1, resnet.conv2)]
    for name in ("downsamplers",) if block != part else ("downsamplers", "upsamplers"):
        sites += [sampler.conv for sampler in getattr(module, name, None) or ()]
    return sites


def has_convolutions(network: nn.Module, bend: Bend, part: str) -> bool:
    return not isinstance(bend, Dilated) or bool(convolutions(network, part))


@contextmanager
def _reaching(site: nn.Module, factor: float, dispersed: bool) -> Iterator[None]:
    """One convolution, with what LoRAs add beside it, at a factor that need not be whole: the map is enlarged
    to the next whole one, and what comes out reduced."""
    factor = factor / 2 if dispersed else factor
    spacing = ceil(factor)
    inner = [conv for conv in site.modules() if isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3)]
    with ExitStack() as undo:
        for conv in inner:
            reach = spacing * (2 if dispersed else 1)
            undo.enter_context(altered(conv, dilation=(spacing, spacing), padding=(reach, reach)))
            if dispersed:
                undo.enter_context(_wearing(conv, dispersed_weight(conv)))
        if factor != spacing:
            undo.enter_context(_resized(site, spacing / factor, inner[0].stride[0]))
        yield


@contextmanager
def _wearing(conv: nn.Conv2d, weight: nn.Parameter) -> Iterator[None]:
    own = conv._parameters["weight"]
    conv._parameters["weight"] = weight
    try:
        yield
    finally:
        conv._parameters["weight"] = own


@contextmanager
def _resized(site: nn.Module, ratio: float, stride: int) -> Iterator[None]:
    """The site with its map enlarged before it and what comes out brought to the size that it would have."""
    sizes: list[tuple[int, int]] = []

    def before(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        size = given[0].shape[-2:]
        sizes.append(tuple(ceil(side / stride) for side in size))
        larger = tuple(round(side * ratio) for side in size)
        return interpolate(given[0], larger, mode="bilinear"), *given[1:]

    def after(module: nn.Module, given: tuple[Any, ...], made: Tensor) -> Tensor:
        return interpolate(made, sizes.pop(), mode="bilinear")

    with hooked(site.register_forward_pre_hook(before), site.register_forward_hook(after)):
        yield


def dispersed_weight(conv: nn.Conv2d) -> nn.Parameter:
    """The kernel of 5x5 in place of a convolution's own; computed once for as long as that stays."""
    own = conv.weight
    state = id(own), own._version
    known = _dispersed.get(conv)
    if known and known[0] == state and known[1].device == own.device:
        return known[1]
    wide = torch.from_numpy(dispersion()).to(own.device) @ own.detach().double().flatten(2).unsqueeze(-1)
    made = nn.Parameter(wide.squeeze(-1).unflatten(-1, (5, 5)).to(own.dtype), requires_grad=False)
    _dispersed[conv] = state, made
    return made


@cache
def dispersion() -> np.ndarray:
    """R (25, 9), which makes a kernel of 5x5 of one of 3x3, by least squares over all pictures x:

    up(conv3(x)) = conv5(up(x)), up being twice bilinear, and, with a small weight, conv5(x) = conv3(x).
    """
    side = SYMBOLIC
    pictures = np.eye(side * side).reshape(-1, side, side)
    kernels = np.eye(9).reshape(9, 3, 3)
    told = np.stack([_convolved(pictures, kernel) for kernel in kernels], -1)  # (N, 5, 5, 9)
    larger = np.moveaxis(_doubled(np.moveaxis(told, -1, 1)), 1, -1)  # (N, 10, 10, 9)
    patches = _patches(_doubled(pictures), 5)  # (N, 10, 10, 25)
    rim = slice(1, -1)  # At the rim there is nothing to interpolate with.
    near = told[:, 1:-1, 1:-1]
    rows = [patches[:, rim, rim], PIXEL_WEIGHT**0.5 * _patches(pictures, 5)]
    wanted = [larger[:, rim, rim], PIXEL_WEIGHT**0.5 * near]
    left = np.concatenate([each.reshape(-1, 25) for each in rows])
    right = np.concatenate([each.reshape(-1, 9) for each in wanted])
    return np.linalg.lstsq(left, right, rcond=None)[0]


def _patches(pictures: np.ndarray, side: int) -> np.ndarray:
    """Every whole square of this side, flat, at its place (..., rows, cols, side * side)."""
    views = np.lib.stride_tricks.sliding_window_view(pictures, (side, side), (-2, -1))
    return views.reshape(*views.shape[:-2], side * side)


def _convolved(pictures: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return _patches(pictures, len(kernel)) @ kernel.ravel()


def _doubled(pictures: np.ndarray) -> np.ndarray:
    """Twice the side, bilinear."""
    flat = torch.from_numpy(np.ascontiguousarray(pictures)).reshape(1, -1, *pictures.shape[-2:])
    larger = interpolate(flat, scale_factor=2, mode="bilinear").numpy()
    return larger.reshape(*pictures.shape[:-2], *larger.shape[-2:])
