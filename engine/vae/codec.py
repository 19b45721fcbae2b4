"""Latents to pictures: the only caller of the VAE, and the cheap previews that do without it."""

import io
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from engine import hardware
from engine.vae.global_statistics import measure_statistics
from engine.vae.tiling import blend_tiles

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
    size = latent.shape[-2:]

    def piece(rows: slice, cols: slice) -> Tensor:
        return latent[..., rows, cols]

    def picture(side: int) -> Image.Image:
        whole = None
        for top, rows in _by_tiles(vae, partial(_decoded, vae), piece, size, side):
            width = rows.shape[-1]
            whole = whole or Image.new("RGB", (width, width * size[0] // size[1]))
            whole.paste(_image(rows), (0, top))
        return whole

    return _retreating(picture, latent.device, side or max(size), max(size), retreated)


def encode(
    vae: Any, picture: Image.Image, side: int | None = None, retreated: Callable[[int], None] | None = None
) -> Tensor:
    """The latent (1, C, rows, cols) of a picture in the network's space, the likeliest one, float32, by the
    tiles of `decode`. The sides of the picture are whole cells.
    """
    cell = _cell(vae)
    size = (picture.height // cell, picture.width // cell)

    def piece(rows: slice, cols: slice) -> Tensor:
        box = (cell * cols.start, cell * rows.start, cell * cols.stop, cell * rows.stop)
        pixels = torch.tensor(np.asarray(picture.crop(box).convert("RGB"))).permute(2, 0, 1)
        return pixels[None] / 127.5 - 1

    def latent(side: int) -> Tensor:
        rows = [rows for _, rows in _by_tiles(vae, partial(_encoded, vae), piece, size, side)]
        return torch.cat(rows, 1)[None]

    return _retreating(latent, vae.device, side or max(size), max(size), retreated)


def _by_tiles(
    vae: Any,
    work: Callable[[Tensor], Tensor],
    piece: Callable[[slice, slice], Tensor],
    size: tuple[int, int],
    side: int,
) -> Iterator[tuple[int, Tensor]]:
    """What `work` makes of all pieces, some whole rows at a time. Where the VAE has group norms, all tiles
    share those of the whole picture.
    """
    overview = None
    if max(size) > side and any(isinstance(part, torch.nn.GroupNorm) for part in vae.modules()):
        overview = measure_statistics(work, piece, size, _cell(vae), side)

    def made(rows: slice, cols: slice) -> Tensor:
        with overview.lent(rows, cols) if overview else nullcontext():
            return work(piece(rows, cols))[0].cpu()

    return blend_tiles(made, size, side)


def _retreating(
    work: Callable[[int], Any], device: torch.device, side: int, longest: int, retreated: Callable | None
) -> Any:
    """What `work` makes with tiles of this side, or of the largest smaller one for which there is memory."""
    while True:
        try:
            return work(side)
        except (MemoryError, RuntimeError) as fault:
            if side <= SMALLEST_TILE or not hardware.is_memory(fault):
                raise
        hardware.give_back(device)
        side = max(SMALLEST_TILE, min(side, longest) // 2)
        if retreated:
            retreated(side)


def _cell(vae: Any) -> int:
    return 2 ** (len(vae.config.block_out_channels) - 1)


@torch.inference_mode()
def _decoded(vae: Any, latent: Tensor) -> Tensor:
    """Pixels (N, 3, H, W), about -1 to 1."""
    deviation, mean = _spread(vae.config, latent.device)
    latent = latent * deviation + mean
    return vae.decode(latent.to(vae.device, vae.dtype)).sample.float()


@torch.inference_mode()
def _encoded(vae: Any, pixels: Tensor) -> Tensor:
    """Latents (N, C, rows, cols) in the network's space."""
    said = vae.encode(pixels.to(vae.device, vae.dtype))
    latent = (said.latents if hasattr(said, "latents") else said.latent_dist.mode()).float()
    deviation, mean = _spread(vae.config, latent.device)
    return (latent - mean) / deviation


def _spread(config: Any, device: torch.device) -> tuple[Tensor, Tensor]:
    """Deviation and mean of the VAE's own latents, as the network's are 1 and 0."""
    mean, deviation = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if mean is None or deviation is None:
        mean, deviation = [0.0], [1.0]
    mean, deviation = (torch.tensor(v, device=device).view(-1, 1, 1) for v in (mean, deviation))
    shift = getattr(config, "shift_factor", None) or 0.0
    return deviation / config.scaling_factor, mean + shift


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
