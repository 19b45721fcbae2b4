"""Degrades true pictures in the ways in which drawn ones differ from them, so that the judge learns to cope.

Pixels are (N, 3, rows, cols) between -1 and 1; the pictures of a batch are degraded to different degrees.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, max_pool2d

# A picture's texture is its difference from the mean over an area with this side in px.
TEXTURE_PX = 7
# Side in cells of the area around a figure's centre that stays free of litter.
CLEAR_CELLS = 7


def soften(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    """Blur pictures by shrinking and enlarging them."""
    side = int(pixels.shape[-1] * draw.uniform(0.5, 1))
    small = interpolate(pixels, (side, side), mode="bilinear", antialias=True)
    return interpolate(small, pixels.shape[-2:], mode="bilinear")


def add_noise(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    """Add a little white noise."""
    return pixels + draw.uniform(0, 0.08) * torch.randn_like(pixels)


def sharpen(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    """Strengthen the texture of pictures."""
    return (pixels + _random_per_picture(pixels, draw, 0, 1.5) * _texture(pixels)).clamp(-1, 1)


def fray(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    """Shift pixels smoothly by up to some px, so that edges waver."""
    number, (rows, cols) = len(pixels), pixels.shape[-2:]
    coarse = int(draw.choice([4, 8, 16]))
    drift = torch.randn(number, 2, rows // coarse, cols // coarse, device=pixels.device)
    drift = interpolate(drift, (rows, cols), mode="bilinear") * _random_per_picture(pixels, draw, 0, 2.0)
    identity = torch.eye(2, 3, device=pixels.device)[None].expand(number, -1, -1)
    positions = nn.functional.affine_grid(identity, list(pixels.shape), align_corners=False)
    return grid_sample(
        pixels, positions + drift.permute(0, 2, 3, 1) * 2 / rows, padding_mode="border", align_corners=False
    )


def add_grain(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    """Add another picture's texture, or stripes, in soft patches."""
    if draw.rand() < 0.5:
        grain = _texture(pixels.roll(1, 0)).mean(1, keepdim=True) * _random_per_picture(pixels, draw, 0, 1.5)
    else:
        grain = _stripes(pixels, draw) * _random_per_picture(pixels, draw, 0, 0.3)
    return (pixels + _soft_mask(pixels, draw) * grain).clamp(-1, 1)


def add_litter(pixels: Tensor, maps: Tensor, draw: np.random.RandomState) -> Tensor:
    """Add moons, smoke and streaks where no figure stands. maps: the pictures' location maps."""
    occupied = max_pool2d(maps[:, None].clamp(min=0), CLEAR_CELLS, 1, CLEAR_CELLS // 2)
    free = (interpolate(occupied, pixels.shape[-2:]) < 0.05).float()
    kinds = (_moon, _moon, _smoke, _streak)
    for _ in range(3):
        colour, shape = kinds[draw.randint(len(kinds))](pixels, draw)
        cover = shape * free * (torch.rand(len(pixels), 1, 1, 1, device=pixels.device) < 0.4)
        pixels = pixels + cover * (colour - pixels)
    return pixels


def _random_per_picture(pixels: Tensor, draw: np.random.RandomState, least: float, most: float) -> Tensor:
    """Draw a number for each picture, as a tensor (N, 1, 1, 1)."""
    drawn = draw.uniform(least, most, (len(pixels), 1, 1, 1))
    return torch.tensor(drawn, dtype=pixels.dtype, device=pixels.device)


def _texture(pixels: Tensor) -> Tensor:
    """Return what differs from the mean of each pixel's surroundings."""
    return pixels - avg_pool2d(pixels, TEXTURE_PX, 1, TEXTURE_PX // 2, count_include_pad=False)


def _soft_mask(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    """Return a random mask of soft patches, between 0 and 1."""
    side = int(draw.choice([3, 6, 12]))
    rough = torch.randn(len(pixels), 1, side, side, device=pixels.device)
    return (4 * interpolate(rough, pixels.shape[-2:], mode="bilinear")).sigmoid()


def _stripes(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    """Return stripes of random direction and width, between -1 and 1."""
    down, right = _pixel_positions(pixels)
    angle, period = _random_per_picture(pixels, draw, 0, np.pi), _random_per_picture(pixels, draw, 4, 14)
    return (2 * np.pi / period * (down * angle.cos() + right * angle.sin())).sin()


def _pixel_positions(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the row and the column of every pixel."""
    rows, cols = (torch.arange(n, device=pixels.device, dtype=pixels.dtype) for n in pixels.shape[-2:])
    return rows[:, None], cols[None]


def _distances(pixels: Tensor, draw: np.random.RandomState, lowest: float) -> tuple[Tensor, Tensor]:
    """Return each pixel's distance down and right from a random place in each picture.

    lowest: the place lies in this upper share of the picture.
    """
    side = pixels.shape[-1]
    down, right = _pixel_positions(pixels)
    return down - side * _random_per_picture(pixels, draw, 0, lowest), right - side * _random_per_picture(
        pixels, draw, 0, 1
    )


def _pale_colours(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    """Draw a pale, moonlike colour for each picture."""
    colours = draw.uniform((0.7, 0.4, -0.5), (1, 1, 1), (len(pixels), 3))
    return torch.tensor(colours, dtype=pixels.dtype, device=pixels.device)[..., None, None]


def _random_colours(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    """Draw any colour for each picture."""
    colours = draw.uniform(-1, 1, (len(pixels), 3))
    return torch.tensor(colours, dtype=pixels.dtype, device=pixels.device)[..., None, None]


def _moon(pixels: Tensor, draw: np.random.RandomState) -> tuple[Tensor, Tensor]:
    """Return colour and opacity of a disc."""
    down, right = _distances(pixels, draw, 0.6)
    return _pale_colours(pixels, draw), (
        _random_per_picture(pixels, draw, 4, 18) - torch.hypot(down, right)
    ).clamp(0, 2) / 2


def _smoke(pixels: Tensor, draw: np.random.RandomState) -> tuple[Tensor, Tensor]:
    """Return colour and opacity of a soft spot."""
    down, right = _distances(pixels, draw, 0.7)
    width = _random_per_picture(pixels, draw, 12, 40)
    return _random_colours(pixels, draw), _random_per_picture(pixels, draw, 0.1, 0.5) * (
        -(down.square() + right.square()) / width**2
    ).exp()


def _streak(pixels: Tensor, draw: np.random.RandomState) -> tuple[Tensor, Tensor]:
    """Return colour and opacity of a rectangle."""
    down, right = _distances(pixels, draw, 0.9)
    inside = (_random_per_picture(pixels, draw, 1, 8) - down.abs()).clamp(0, 1) * (
        _random_per_picture(pixels, draw, 1, 8) - right.abs()
    ).clamp(0, 1)
    return _random_colours(pixels, draw), _random_per_picture(pixels, draw, 0.2, 0.8) * inside
