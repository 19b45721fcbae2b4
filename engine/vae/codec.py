"""Decoding latents, encoding pictures, and cheap previews. No other module calls the VAE."""

import io
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from engine import hardware
from engine.vae.global_statistics import measure_statistics
from engine.vae.tiling import blend_tiles

T = TypeVar("T")

# px of a preview's longer side, at most.
PREVIEW_SIDE = 512
# Latent cells; smaller tiles show a decoder too little of their surroundings.
SMALLEST_TILE = 8
# Random latents to which a preview matrix is fitted: their side in latent cells, the side of their patches of
# one value (pictures are smooth, unlike white noise), and their number.
FIT_SIDE = 16
FIT_PATCH = 4
FIT_SAMPLES = 4

# Latent-to-RGB matrices of widely used VAEs by scaling factor: a row for each channel, and a row of offsets.
KNOWN_PREVIEW_MATRICES = {
    0.13025: (
        (0.3651, 0.4232, 0.4341),
        (-0.2533, -0.0042, 0.1068),
        (0.1076, 0.1111, -0.0362),
        (-0.3165, -0.2492, -0.2188),
        (0.1084, -0.0175, -0.0011),
    ),
    0.18215: (
        (0.3512, 0.2297, 0.3227),
        (0.3250, 0.4974, 0.2350),
        (-0.2829, 0.1762, 0.2721),
        (-0.2120, -0.2616, -0.7177),
        (0.0, 0.0, 0.0),
    ),
}
# The block_out_channels of those VAEs.
KNOWN_VAE_CHANNELS = (128, 256, 512, 512)


def decode(
    vae: Any, latent: Tensor, side: int | None = None, on_smaller_tiles: Callable[[int], None] | None = None
) -> Image.Image:
    """Decode a latent (1, C, rows, cols) in the network's space to a picture.

    side: the longest side of a tile in latent cells; None decodes the latent as a whole.
    on_smaller_tiles: called with the new side each time memory runs out and smaller tiles are tried.
    """
    size = latent.shape[-2:]

    def cut(rows: slice, cols: slice) -> Tensor:
        return latent[..., rows, cols]

    def decode_by(side: int) -> Image.Image:
        picture = None
        for top, strip in _process_by_tiles(vae, partial(_decode_tile, vae), cut, size, side):
            width = strip.shape[-1]
            picture = picture or Image.new("RGB", (width, width * size[0] // size[1]))
            picture.paste(_to_image(strip), (0, top))
        return picture

    return _with_smaller_tiles(decode_by, latent.device, side or max(size), max(size), on_smaller_tiles)


def encode(
    vae: Any,
    picture: Image.Image,
    side: int | None = None,
    on_smaller_tiles: Callable[[int], None] | None = None,
) -> Tensor:
    """Encode a picture to the most likely latent (1, C, rows, cols) in the network's space, float32.

    picture: its sides are multiples of a latent cell.
    side, on_smaller_tiles: as in `decode`.
    """
    cell = _cell_size(vae)
    size = (picture.height // cell, picture.width // cell)

    def cut(rows: slice, cols: slice) -> Tensor:
        box = (cell * cols.start, cell * rows.start, cell * cols.stop, cell * rows.stop)
        pixels = torch.tensor(np.asarray(picture.crop(box).convert("RGB"))).permute(2, 0, 1)
        return pixels[None] / 127.5 - 1

    def encode_by(side: int) -> Tensor:
        strips = [strip for _, strip in _process_by_tiles(vae, partial(_encode_tile, vae), cut, size, side)]
        return torch.cat(strips, 1)[None]

    return _with_smaller_tiles(encode_by, vae.device, side or max(size), max(size), on_smaller_tiles)


def _process_by_tiles(
    vae: Any,
    process: Callable[[Tensor], Tensor],
    cut: Callable[[slice, slice], Tensor],
    size: tuple[int, int],
    side: int,
) -> Iterator[tuple[int, Tensor]]:
    """Process a picture by tiles and yield the result in strips of full width, each with its first row.

    A VAE with group norms processes every tile with the statistics of the whole picture.

    process: decodes or encodes a batch.
    cut: returns the input of `process` at the given rows and columns, in latent cells.
    size: (height, width) of the picture in latent cells.
    side: the longest side of a tile in latent cells.
    """
    statistics = None
    if max(size) > side and any(isinstance(module, torch.nn.GroupNorm) for module in vae.modules()):
        statistics = measure_statistics(process, cut, size, _cell_size(vae), side)

    def process_tile(rows: slice, cols: slice) -> Tensor:
        with statistics.use_for_tile(rows, cols) if statistics else nullcontext():
            return process(cut(rows, cols))[0].cpu()

    return blend_tiles(process_tile, size, side)


def _with_smaller_tiles(
    process: Callable[[int], T],
    device: torch.device,
    side: int,
    longest: int,
    on_smaller_tiles: Callable[[int], None] | None,
) -> T:
    """Return process(side); while memory runs out, halve the side down to SMALLEST_TILE and try again.

    longest: the picture's longer side in latent cells.
    """
    while True:
        try:
            return process(side)
        except (MemoryError, RuntimeError) as fault:
            if side <= SMALLEST_TILE or not hardware.is_out_of_memory(fault):
                raise
        hardware.release_memory(device)
        side = max(SMALLEST_TILE, min(side, longest) // 2)
        if on_smaller_tiles:
            on_smaller_tiles(side)


def _cell_size(vae: Any) -> int:
    """Return the side of a latent cell in px."""
    return 2 ** (len(vae.config.block_out_channels) - 1)


@torch.inference_mode()
def _decode_tile(vae: Any, latent: Tensor) -> Tensor:
    """Decode latents in the network's space to pixels (N, 3, H, W), about -1 to 1."""
    deviation, mean = _latent_statistics(vae.config, latent.device)
    latent = latent * deviation + mean
    return vae.decode(latent.to(vae.device, vae.dtype)).sample.float()


@torch.inference_mode()
def _encode_tile(vae: Any, pixels: Tensor) -> Tensor:
    """Encode pixels (N, 3, H, W) to latents (N, C, rows, cols) in the network's space."""
    output = vae.encode(pixels.to(vae.device, vae.dtype))
    latent = (output.latents if hasattr(output, "latents") else output.latent_dist.mode()).float()
    deviation, mean = _latent_statistics(vae.config, latent.device)
    return (latent - mean) / deviation


def _latent_statistics(config: Any, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the deviation and mean of the VAE's latents; in the network's space they are 1 and 0."""
    mean, deviation = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if mean is None or deviation is None:
        mean, deviation = [0.0], [1.0]
    mean, deviation = (torch.tensor(values, device=device).view(-1, 1, 1) for values in (mean, deviation))
    shift = getattr(config, "shift_factor", None) or 0.0
    return deviation / config.scaling_factor, mean + shift


def _to_image(pixels: Tensor) -> Image.Image:
    """Return pixels (3, H, W) from -1 to 1 as an image."""
    levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())


def preview(x0: Tensor, matrix: Tensor) -> bytes:
    """Return a small JPEG of a predicted x0 (1, C, rows, cols), one px for each cell, without the VAE.

    matrix: from latent channels to RGB, (C + 1, 3); its last row is added.
    """
    longest = max(x0.shape[-2:])
    if longest > PREVIEW_SIDE:
        x0 = interpolate(x0, scale_factor=PREVIEW_SIDE / longest, mode="area")
    pixels = torch.einsum("chw,cr->rhw", x0[0], matrix[:-1]) + matrix[-1][:, None, None]
    file = io.BytesIO()
    _to_image(pixels).save(file, "JPEG", quality=85, subsampling=0)
    return file.getvalue()


def preview_matrix(vae: Any, model_matrix: Any = None) -> Tensor:
    """Return the latent-to-RGB matrix (C + 1, 3) for `preview`.

    It is the one that comes with the model, else the known one of its VAE, else one that is fitted to what
    the VAE decodes. Raise ValueError if the model's is of the wrong shape.
    """
    config = vae.config
    if model_matrix is not None:
        matrix = torch.tensor(model_matrix, dtype=torch.float32, device=vae.device)
        if matrix.shape != (config.latent_channels + 1, 3):
            raise ValueError(f"its preview colours are {tuple(matrix.shape)}")
        return matrix
    channels = tuple(getattr(config, "block_out_channels", None) or ())
    if channels == KNOWN_VAE_CHANNELS and config.scaling_factor in KNOWN_PREVIEW_MATRICES:
        return torch.tensor(KNOWN_PREVIEW_MATRICES[config.scaling_factor], device=vae.device)
    return _fit_preview_matrix(vae, config.latent_channels)


def _fit_preview_matrix(vae: Any, channels: int) -> Tensor:
    """Fit a preview matrix by least squares to the mean colour of each cell in decoded random latents."""
    patches = FIT_SIDE // FIT_PATCH
    coarse = np.random.RandomState(0).standard_normal((FIT_SAMPLES, channels, patches, patches))
    latents = (
        torch.tensor(coarse, dtype=torch.float32)
        .repeat_interleave(FIT_PATCH, -1)
        .repeat_interleave(FIT_PATCH, -2)
    )
    pixels = _decode_tile(vae, latents).cpu()
    colours = avg_pool2d(pixels, pixels.shape[-1] // FIT_SIDE).permute(0, 2, 3, 1).reshape(-1, 3)
    cells = latents.permute(0, 2, 3, 1).reshape(-1, channels)
    cells = torch.cat([cells, torch.ones(len(cells), 1)], 1)
    return torch.linalg.lstsq(cells, colours).solution.to(vae.device)
