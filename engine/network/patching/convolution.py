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

from engine.network.patching.hooks import altered, hooked
from engine.planning.patches import DilatedConvolutions, Patch

PIXEL_WEIGHT = 0.05
"""Of the dispersed kernel's likeness to the plain one at the scale that it was trained at, as published."""
SYMBOLIC = 7
"""Side of the pictures on which the two are compared."""

_dispersed: "WeakKeyDictionary[nn.Conv2d, tuple[tuple[int, int], nn.Parameter]]" = WeakKeyDictionary()


@contextmanager
def dilated(network: nn.Module, bend: DilatedConvolutions) -> Iterator[None]:
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


def has_convolutions(network: nn.Module, bend: Patch, part: str) -> bool:
    return not isinstance(bend, DilatedConvolutions) or bool(convolutions(network, part))


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
    if known and known[0] == state:
        # Parts that wait elsewhere for their turn leave their own weights there.
        return known[1] if known[1].device == own.device else nn.Parameter(known[1].to(own.device), False)
    wide = torch.from_numpy(dispersion()).to(own.device) @ own.detach().double().flatten(2).unsqueeze(-1)
    made = nn.Parameter(wide.squeeze(-1).unflatten(-1, (5, 5)).to(own.dtype), requires_grad=False)
    _dispersed[conv] = state, made
    return made


@cache
def dispersion() -> np.ndarray:
    """R (25, 9), which makes a kernel of 5x5 of one of 3x3, by least squares over all pictures x of 7x7:

    up(conv3(x)) = conv5(up(x)), up being twice bilinear from corner to corner; weakly, conv5(x) = conv3(x).
    """
    pictures = np.eye(SYMBOLIC**2).reshape(-1, SYMBOLIC, SYMBOLIC)
    narrow = _patches(pictures, 3)  # (N, 7, 7, 9): what each tap alone makes of each picture
    doubled = np.moveaxis(_doubled(np.moveaxis(narrow, -1, 1)), 1, -1)  # (N, 13, 13, 9)
    left = [_patches(_doubled(pictures), 5), PIXEL_WEIGHT * _patches(pictures, 5)]
    right = [doubled, PIXEL_WEIGHT * narrow]
    rows, wanted = (np.concatenate([each.reshape(-1, each.shape[-1]) for each in of]) for of in (left, right))
    return np.linalg.lstsq(rows, wanted, rcond=None)[0]


def _patches(pictures: np.ndarray, side: int) -> np.ndarray:
    """The square of this side around every place, flat (..., rows, cols, side * side); zeros lie beyond."""
    rim = side // 2
    padded = np.pad(pictures, [(0, 0)] * (pictures.ndim - 2) + [(rim, rim)] * 2)
    views = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (-2, -1))
    return views.reshape(*views.shape[:-2], side * side)


def _doubled(pictures: np.ndarray) -> np.ndarray:
    """Twice the resolution: corners stay, and between any two cells comes their mean."""
    rows, cols = pictures.shape[-2:]
    flat = torch.from_numpy(np.ascontiguousarray(pictures)).reshape(1, -1, rows, cols)
    size = (2 * rows - 1, 2 * cols - 1)
    larger = interpolate(flat, size, mode="bilinear", align_corners=True).numpy()
    return larger.reshape(*pictures.shape[:-2], *size)
