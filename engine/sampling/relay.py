"""Relay Diffusion's formulas: block noise, and a blur that is undone patch by patch over the steps of a sampler.

Relay Diffusion (Teng et al., 2023) continues from a small picture that is enlarged by repetition: a blurred patch of
p x p px stands for one pixel of it, and block noise for its noise. All pictures are (..., rows, cols).
"""

from functools import cache
from math import ceil, pi, sqrt

import torch
from torch import Tensor

from engine.formulas.schedule import EDM_LOG_LEVELS

# Share of every coefficient that the strongest blur keeps, so that the blur can be inverted.
FLOOR = 0.001


def block(noise: Tensor, s: int) -> Tensor:
    """Return block noise: the sum of the s x s values up to and left of each one, cyclic on both axes, over s."""
    for axis in (-2, -1):
        shifted = [torch.roll(noise, shift, axis) for shift in range(s)]
        noise = sum(shifted, start=torch.zeros_like(noise))
    return noise / s


def mixed(white: Tensor, source: Tensor, s: int, share: float, published: bool = False) -> Tensor:
    """Return white noise plus a share of the block noise that is made of `source`; its variance is 1.

    published: whether to return the plain sum as the published code does, whose variance is 1 + share^2.
    """
    total = white + share * block(source, s)
    return total if published else total / sqrt(1 + share**2)


def deviation(level: Tensor | float, length: float, top: float) -> Tensor:
    """Return the deviation b of the blur at a noise level sigma; it rises from 0 to `top`.

    length: the share of EDM's training noise levels that the blur lasts for.
    """
    level = torch.as_tensor(level, dtype=None if isinstance(level, Tensor) else torch.float64)
    quantile = torch.special.ndtr((level.log() - EDM_LOG_LEVELS.mean) / EDM_LOG_LEVELS.stdev)
    passed = quantile / length
    return top * torch.sin(pi / 2 * passed) ** 2


def multiplier(b: Tensor | float, p: int) -> Tensor:
    """Return the factors (..., p, p) by which a blur of deviation b (...) multiplies a patch's DCT coefficients."""
    b = torch.as_tensor(b, dtype=None if isinstance(b, Tensor) else torch.float64)
    frequency = pi / p * torch.arange(p, dtype=b.dtype, device=b.device)
    square = frequency[:, None] ** 2 + frequency**2
    return (1 - FLOOR) * torch.exp(-square * b[..., None, None] ** 2 / 2) + FLOOR


def blurred(x: Tensor, b: Tensor | float, p: int) -> Tensor:
    """Return the picture with each patch of p x p px blurred.

    b: the deviation in px, one number or one for each picture of the batch (the first axis).
    """
    return filtered(x, multiplier(b, p))


def step(x: Tensor, clean: Tensor, a: Tensor, a_next: Tensor, gamma: float) -> Tensor:
    """Return the mean of the next, less noisy and less blurred picture: a DDIM step of blurred pictures.

    In the coefficients of each patch this is a' X + gamma (U - a X), where U is those of x and X those of clean.
    x, clean: the noisy picture and the predicted clean one. a, a_next: their factors (p, p) or (batch, p, p) from
    `multiplier`, now and after the step. gamma: sqrt(1 - freshness^2) sigma' / sigma.
    """
    return gamma * x + filtered(clean, a_next - gamma * a)


def filtered(x: Tensor, factors: Tensor) -> Tensor:
    """Return the picture with the DCT coefficients of each patch multiplied by factors (p, p) or (batch, p, p).

    Sides that are no multiple of p are extended by reflection and cut afterwards.
    """
    p = factors.shape[-1]
    rows, cols = x.shape[-2:]
    extended = x[..., _reflected(rows, p, x.device)[:, None], _reflected(cols, p, x.device)]
    patches = extended.unflatten(-1, (-1, p)).unflatten(-3, (-1, p)).transpose(-3, -2)
    dct = _dct_matrix(p).to(x)
    # One axis each for the channels and patches, which lie between the batch and a patch's own two axes.
    between = (1,) * (patches.ndim - factors.ndim)
    factors = factors.to(x).reshape(*factors.shape[:-2], *between, p, p)
    patches = dct.T @ (factors * (dct @ patches @ dct.T)) @ dct
    return patches.transpose(-3, -2).flatten(-4, -3).flatten(-2)[..., :rows, :cols]


def _reflected(side: int, p: int, device: torch.device) -> Tensor:
    """Return the indices that extend a side by reflection to a multiple of p."""
    indices = torch.arange(p * ceil(side / p), device=device)
    return torch.where(indices < side, indices, 2 * side - 2 - indices).clamp(min=0)


@cache
def _dct_matrix(p: int) -> Tensor:
    """Return the matrix (p, p) of the orthonormal DCT-II: its rows are the frequencies."""
    k, n = torch.arange(p, dtype=torch.float64)[:, None], torch.arange(p, dtype=torch.float64)
    scale = torch.where(k == 0, 1 / p, 2 / p).sqrt()
    return scale * torch.cos(pi / p * (n + 0.5) * k)
