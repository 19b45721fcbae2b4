"""How pictures that a model draws differ from true ones, so that the judge learns to see through it.

Pixels (N, 3, rows, cols) between -1 and 1; each picture of a batch is worn more or less.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, max_pool2d

FINE = 7
"""px around a place of which texture is what differs from their mean."""
CLEAR = 7
"""Cells around a figure's middle in which nothing is strewn."""


def soft(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    """Shrunk and enlarged again."""
    side = int(pixels.shape[-1] * draw.uniform(0.5, 1))
    small = interpolate(pixels, (side, side), mode="bilinear", antialias=True)
    return interpolate(small, pixels.shape[-2:], mode="bilinear")


def noisy(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    return pixels + draw.uniform(0, 0.08) * torch.randn_like(pixels)


def sharpened(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    return (pixels + _each(pixels, draw, 0, 1.5) * _texture(pixels)).clamp(-1, 1)


def frayed(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    """Edges waver by up to some pixels."""
    number, (rows, cols) = len(pixels), pixels.shape[-2:]
    coarse = int(draw.choice([4, 8, 16]))
    drift = torch.randn(number, 2, rows // coarse, cols // coarse, device=pixels.device)
    drift = interpolate(drift, (rows, cols), mode="bilinear") * _each(pixels, draw, 0, 2.0)
    still = torch.eye(2, 3, device=pixels.device)[None].expand(number, -1, -1)
    places = nn.functional.affine_grid(still, list(pixels.shape), align_corners=False)
    return grid_sample(
        pixels, places + drift.permute(0, 2, 3, 1) * 2 / rows, padding_mode="border", align_corners=False
    )


def grained(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    """In places another picture's texture, or stripes, lie over what is there."""
    if draw.rand() < 0.5:
        grain = _texture(pixels.roll(1, 0)).mean(1, keepdim=True) * _each(pixels, draw, 0, 1.5)
    else:
        grain = _stripes(pixels, draw) * _each(pixels, draw, 0, 0.3)
    return (pixels + _patches(pixels, draw) * grain).clamp(-1, 1)


def littered(pixels: Tensor, maps: Tensor, draw: np.random.RandomState) -> Tensor:
    """Second moons, smoke and streaks, where no figure stands."""
    taken = max_pool2d(maps[:, None].clamp(min=0), CLEAR, 1, CLEAR // 2)
    free = (interpolate(taken, pixels.shape[-2:]) < 0.05).float()
    kinds = (_moon, _moon, _smoke, _streak)
    for _ in range(3):
        colour, shape = kinds[draw.randint(len(kinds))](pixels, draw)
        strewn = shape * free * (torch.rand(len(pixels), 1, 1, 1, device=pixels.device) < 0.4)
        pixels = pixels + strewn * (colour - pixels)
    return pixels


def _each(pixels: Tensor, draw: np.random.RandomState, least: float, most: float) -> Tensor:
    """A number for every picture."""
    drawn = draw.uniform(least, most, (len(pixels), 1, 1, 1))
    return torch.tensor(drawn, dtype=pixels.dtype, device=pixels.device)


def _texture(pixels: Tensor) -> Tensor:
    return pixels - avg_pool2d(pixels, FINE, 1, FINE // 2, count_include_pad=False)


def _patches(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    """Between 0 and 1, in patches some cells wide."""
    side = int(draw.choice([3, 6, 12]))
    rough = torch.randn(len(pixels), 1, side, side, device=pixels.device)
    return (4 * interpolate(rough, pixels.shape[-2:], mode="bilinear")).sigmoid()


def _stripes(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    down, right = _places(pixels)
    turn, long = _each(pixels, draw, 0, np.pi), _each(pixels, draw, 4, 14)
    return (2 * np.pi / long * (down * turn.cos() + right * turn.sin())).sin()


def _places(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of all pixels."""
    rows, cols = (torch.arange(n, device=pixels.device, dtype=pixels.dtype) for n in pixels.shape[-2:])
    return rows[:, None], cols[None]


def _away(pixels: Tensor, draw: np.random.RandomState, lowest: float) -> tuple[Tensor, Tensor]:
    """How far every pixel is down and right from a place in each picture, no lower than this share."""
    side = pixels.shape[-1]
    down, right = _places(pixels)
    return down - side * _each(pixels, draw, 0, lowest), right - side * _each(pixels, draw, 0, 1)


def _pale(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    colours = draw.uniform((0.7, 0.4, -0.5), (1, 1, 1), (len(pixels), 3))
    return torch.tensor(colours, dtype=pixels.dtype, device=pixels.device)[..., None, None]


def _any(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    colours = draw.uniform(-1, 1, (len(pixels), 3))
    return torch.tensor(colours, dtype=pixels.dtype, device=pixels.device)[..., None, None]


def _moon(pixels: Tensor, draw: np.random.RandomState) -> tuple[Tensor, Tensor]:
    down, right = _away(pixels, draw, 0.6)
    return _pale(pixels, draw), (_each(pixels, draw, 4, 18) - torch.hypot(down, right)).clamp(0, 2) / 2


def _smoke(pixels: Tensor, draw: np.random.RandomState) -> tuple[Tensor, Tensor]:
    down, right = _away(pixels, draw, 0.7)
    wide = _each(pixels, draw, 12, 40)
    return _any(pixels, draw), _each(pixels, draw, 0.1, 0.5) * (
        -(down.square() + right.square()) / wide**2
    ).exp()


def _streak(pixels: Tensor, draw: np.random.RandomState) -> tuple[Tensor, Tensor]:
    down, right = _away(pixels, draw, 0.9)
    inside = (_each(pixels, draw, 1, 8) - down.abs()).clamp(0, 1) * (
        _each(pixels, draw, 1, 8) - right.abs()
    ).clamp(0, 1)
    return _any(pixels, draw), _each(pixels, draw, 0.2, 0.8) * inside
