"""Latents to pictures: the only caller of the VAE, and the cheap previews that do without it."""

import io
from collections.abc import Callable
from itertools import product
from math import ceil
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from engine import hardware

PREVIEW_SIDE = 512
SMALLEST_TILE = 8
"""Cells; below that a decoder sees too little around it."""
# Latents that a fit looks at, in cells. Coarse patches, as pictures have them, rather than white noise.
FIT_CELLS, FIT_PATCH, FIT_SAMPLES = 16, 4, 4

# Known latent-to-RGB matrices (rows: channels, last row: offset) of trained VAEs, by scaling factor.
KNOWN = {
    0.13025: (
        (0.3651, 0.4232, 0.4341), (-0.2533, -0.0042, 0.1068), (0.1076, 0.1111, -0.0362),
        (-0.3165, -0.2492, -0.2188), (0.1084, -0.0175, -0.0011),
    ),
    0.18215: (
        (0.3512, 0.2297, 0.3227), (0.3250, 0.4974, 0.2350), (-0.2829, 0.1762, 0.2721),
        (-0.2120, -0.2616, -0.7177), (0.0, 0.0, 0.0),
    ),
}  # fmt: skip
KNOWN_CHANNELS = (128, 256, 512, 512)


def decode(
    vae: Any, latent: Tensor, side: int | None = None, retreated: Callable[[int], None] | None = None
) -> Image.Image:
    """The picture of a latent in the network's space, by tiles of at most `side` cells; of smaller ones where
    memory runs out, which `retreated` is told.
    """
    side = side or max(latent.shape[-2:])
    while True:
        try:
            return _image(_tiled(vae, latent, side))
        except (MemoryError, RuntimeError) as fault:
            if side <= SMALLEST_TILE or not hardware.is_memory(fault):
                raise
        hardware.give_back(latent.device)
        side = max(SMALLEST_TILE, min(side, max(latent.shape[-2:])) // 2)
        if retreated:
            retreated(side)


def tile_starts(length: int, side: int) -> tuple[list[int], int, int]:
    """Where even tiles of an axis begin, how long they are, and how far neighbours overlap at least."""
    if length <= side:
        return [0], length, 0
    overlap = side // 4
    count = ceil((length - overlap) / (side - overlap))
    even = ceil((length + (count - 1) * overlap) / count)
    return [round(k * (length - even) / (count - 1)) for k in range(count)], even, overlap


def _tiled(vae: Any, latent: Tensor, side: int) -> Tensor:
    """Pixels (3, H, W) of overlapping tiles, blended linearly. The sums are kept in main memory."""
    (tops, tall, down), (lefts, wide, right) = (tile_starts(n, side) for n in latent.shape[-2:])
    if len(tops) == len(lefts) == 1:
        return _decoded(vae, latent)[0].cpu()
    total = weights = None
    for top, left in product(tops, lefts):
        tile = _decoded(vae, latent[..., top : top + tall, left : left + wide])[0].cpu()
        cell = tile.shape[-1] // wide
        if total is None:
            height, width = (cell * n for n in latent.shape[-2:])
            total, weights = torch.zeros(3, height, width), torch.zeros(height, width)
        weight = _ramp(tile.shape[-2], cell * down)[:, None] * _ramp(tile.shape[-1], cell * right)
        rows = slice(cell * top, cell * (top + tall))
        cols = slice(cell * left, cell * (left + wide))
        total[:, rows, cols] += tile * weight
        weights[rows, cols] += weight
    return total / weights


def _ramp(length: int, overlap: int) -> Tensor:
    """Weights that fall off towards both ends over the overlap and stay positive."""
    place = torch.arange(length) + 0.5
    return (torch.minimum(place, length - place) / max(overlap, 1)).clamp(max=1)


@torch.inference_mode()
def _decoded(vae: Any, latent: Tensor) -> Tensor:
    """Pixels (N, 3, H, W), about -1 to 1."""
    config = vae.config
    mean, deviation = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if mean is not None and deviation is not None:
        mean, deviation = (torch.tensor(v, device=latent.device).view(-1, 1, 1) for v in (mean, deviation))
        latent = latent * deviation + mean * config.scaling_factor
    latent = latent / config.scaling_factor + (getattr(config, "shift_factor", None) or 0.0)
    return vae.decode(latent.to(vae.device, vae.dtype)).sample.float()


def _image(pixels: Tensor) -> Image.Image:
    levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())


def preview(clean: Tensor, matrix: Tensor) -> bytes:
    """A small JPEG of a predicted clean latent (1, C, rows, cols) by matrix (C + 1, 3)."""
    longest = max(clean.shape[-2:])
    if longest > PREVIEW_SIDE:
        clean = interpolate(clean, scale_factor=PREVIEW_SIDE / longest, mode="area")
    pixels = torch.einsum("chw,cr->rhw", clean[0], matrix[:-1]) + matrix[-1][:, None, None]
    file = io.BytesIO()
    _image(pixels).save(file, "JPEG", quality=85, subsampling=0)
    return file.getvalue()


def preview_matrix(vae: Any, own: Any = None) -> Tensor:
    """Latent to RGB: the model's own, else the known one of its VAE, else fitted to what it decodes."""
    if own is not None:
        matrix = torch.tensor(own, dtype=torch.float32, device=vae.device)
        if matrix.shape != (vae.config.latent_channels + 1, 3):
            raise ValueError(f"its preview colours are {tuple(matrix.shape)}")
        return matrix
    config = vae.config
    channels = getattr(config, "block_out_channels", None)
    known = KNOWN.get(config.scaling_factor)
    if known is not None and tuple(channels or ()) == KNOWN_CHANNELS:
        return torch.tensor(known, device=vae.device)
    return _fitted(vae, config.latent_channels)


def _fitted(vae: Any, channels: int) -> Tensor:
    """Least squares over the decoded pictures of patchy random latents, one row of colours per cell."""
    coarse = np.random.RandomState(0).standard_normal(
        (FIT_SAMPLES, channels, FIT_CELLS // FIT_PATCH, FIT_CELLS // FIT_PATCH)
    )
    latents = (
        torch.tensor(coarse, dtype=torch.float32)
        .repeat_interleave(FIT_PATCH, -1)
        .repeat_interleave(FIT_PATCH, -2)
    )
    pixels = _decoded(vae, latents).cpu()
    colours = avg_pool2d(pixels, pixels.shape[-1] // FIT_CELLS).permute(0, 2, 3, 1).reshape(-1, 3)
    cells = latents.permute(0, 2, 3, 1).reshape(-1, channels)
    cells = torch.cat([cells, torch.ones(len(cells), 1)], 1)
    return torch.linalg.lstsq(cells, colours).solution.to(vae.device)
