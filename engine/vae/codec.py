"""Decode latents, encode pictures, and make previews without the VAE. No other module calls the VAE."""

import io
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from engine import hardware
from engine.vae.global_statistics import measure_statistics
from engine.vae.tiling import blend_tiles

T = TypeVar("T")

# The largest length of a preview's longer side in px.
MAX_PREVIEW_SIDE = 512
# The smallest side of a tile in latent cells. In smaller tiles the decoder would see too little context.
MIN_TILE_SIDE = 8
# A preview matrix is fitted to random latents of this side in latent cells.
FIT_SIDE = 16
# The random latents have patches of one value, because pictures are smooth: the side of a patch in latent cells.
FIT_PATCH = 4
# The number of random latents.
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
# The config value block_out_channels of the VAEs in KNOWN_PREVIEW_MATRICES.
KNOWN_VAE_CHANNELS = (128, 256, 512, 512)


class Vae(Protocol):
    """The part of a VAE of diffusers that is used here."""

    @property
    def config(self) -> Any:
        """The VAE's config; its values are attributes."""
        ...

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the weights."""
        ...

    def modules(self) -> Iterator[torch.nn.Module]:
        """Yield all modules of the network."""
        ...

    def decode(self, z: Tensor) -> Any:
        """Return an object whose `sample` are the pixels of a latent."""
        ...

    def encode(self, x: Tensor) -> Any:
        """Return an object with the latent of pixels as `latents`, or its distribution as `latent_dist`."""
        ...


def decode(
    vae: Vae,
    latent: Tensor,
    tile_side: int | None = None,
    on_smaller_tiles: Callable[[int], None] | None = None,
) -> Image.Image:
    """Decode a latent (1, C, rows, cols) to a picture. The latent is scaled as the network predicts it.

    tile_side: the longest side of a tile in latent cells; None decodes the latent as a whole.
    on_smaller_tiles: called with the new side each time memory runs out and smaller tiles are tried.
    """
    size = (latent.shape[-2], latent.shape[-1])

    def cut(rows: slice, cols: slice) -> Tensor:
        return latent[..., rows, cols]

    def decode_by(tile_side: int) -> Image.Image:
        picture: Image.Image | None = None
        for top, strip in _process_by_tiles(vae, partial(_decode_tile, vae), cut, size, tile_side):
            width = strip.shape[-1]
            picture = picture or Image.new("RGB", (width, width * size[0] // size[1]))
            picture.paste(_to_image(strip), (0, top))
        assert picture is not None  # There is always at least one strip.
        return picture

    return _with_smaller_tiles(decode_by, latent.device, tile_side or max(size), max(size), on_smaller_tiles)


def encode(
    vae: Vae,
    picture: Image.Image,
    tile_side: int | None = None,
    on_smaller_tiles: Callable[[int], None] | None = None,
) -> Tensor:
    """Encode a picture to the mode of its latent distribution: float32 (1, C, rows, cols), scaled for the network.

    picture: its sides must be multiples of the latent cell's side.
    tile_side, on_smaller_tiles: as in `decode`.
    """
    cell = _cell_size(vae)
    size = (picture.height // cell, picture.width // cell)

    def cut(rows: slice, cols: slice) -> Tensor:
        box = (cell * cols.start, cell * rows.start, cell * cols.stop, cell * rows.stop)
        pixels = torch.tensor(np.asarray(picture.crop(box).convert("RGB"))).permute(2, 0, 1)
        return pixels[None] / 127.5 - 1

    def encode_by(tile_side: int) -> Tensor:
        strips = [
            strip for _, strip in _process_by_tiles(vae, partial(_encode_tile, vae), cut, size, tile_side)
        ]
        return torch.cat(strips, 1)[None]

    return _with_smaller_tiles(encode_by, vae.device, tile_side or max(size), max(size), on_smaller_tiles)


def _process_by_tiles(
    vae: Vae,
    process: Callable[[Tensor], Tensor],
    cut: Callable[[slice, slice], Tensor],
    size: tuple[int, int],
    tile_side: int,
) -> Iterator[tuple[int, Tensor]]:
    """Process a picture in tiles and yield (first row, strip) for strips of full width, from top to bottom.

    If the VAE has group norms, every tile is processed with the statistics of the whole picture.

    process: decodes or encodes a batch (N, C, h, w).
    cut: returns the input of `process` at the given rows and columns, in latent cells.
    size: (height, width) of the picture in latent cells.
    tile_side: the longest side of a tile in latent cells.
    """
    statistics = None
    if max(size) > tile_side and any(isinstance(module, torch.nn.GroupNorm) for module in vae.modules()):
        statistics = measure_statistics(process, cut, size, _cell_size(vae), tile_side)

    def process_tile(rows: slice, cols: slice) -> Tensor:
        with statistics.use_for_tile(rows, cols) if statistics else nullcontext():
            return process(cut(rows, cols))[0].cpu()

    return blend_tiles(process_tile, size, tile_side)


def _with_smaller_tiles(
    process: Callable[[int], T],
    device: torch.device,
    tile_side: int,
    longest: int,
    on_smaller_tiles: Callable[[int], None] | None,
) -> T:
    """Return process(tile_side). When memory runs out, try again with half the side, down to MIN_TILE_SIDE.

    longest: the picture's longer side in latent cells.
    """
    while True:
        try:
            return process(tile_side)
        except (MemoryError, RuntimeError) as fault:
            if tile_side <= MIN_TILE_SIDE or not hardware.is_out_of_memory(fault):
                raise
        hardware.release_memory(device)
        tile_side = max(MIN_TILE_SIDE, min(tile_side, longest) // 2)
        if on_smaller_tiles:
            on_smaller_tiles(tile_side)


def _cell_size(vae: Vae) -> int:
    """Return the side of a latent cell in px."""
    return 2 ** (len(vae.config.block_out_channels) - 1)


@torch.inference_mode()
def _decode_tile(vae: Vae, latent: Tensor) -> Tensor:
    """Decode latents (N, C, rows, cols), scaled for the network, to pixels (N, 3, H, W) from about -1 to 1."""
    deviation, mean = _latent_statistics(vae.config, latent.device)
    latent = latent * deviation + mean
    return vae.decode(latent.to(vae.device, vae.dtype)).sample.float()


@torch.inference_mode()
def _encode_tile(vae: Vae, pixels: Tensor) -> Tensor:
    """Encode pixels (N, 3, H, W) from -1 to 1 to latents (N, C, rows, cols), scaled for the network."""
    output = vae.encode(pixels.to(vae.device, vae.dtype))
    latent = (output.latents if hasattr(output, "latents") else output.latent_dist.mode()).float()
    deviation, mean = _latent_statistics(vae.config, latent.device)
    return (latent - mean) / deviation


def _latent_statistics(config: Any, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return (deviation, mean) of the VAE's latents. Latents scaled for the network have deviation 1 and mean 0."""
    mean, deviation = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if mean is None or deviation is None:
        mean, deviation = [0.0], [1.0]
    mean, deviation = (torch.tensor(values, device=device).view(-1, 1, 1) for values in (mean, deviation))
    shift = getattr(config, "shift_factor", None) or 0.0
    return deviation / config.scaling_factor, mean + shift


def _to_image(pixels: Tensor) -> Image.Image:
    """Return pixels (3, H, W) from -1 to 1 as an RGB image."""
    levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())


def preview(x0: Tensor, matrix: Tensor) -> bytes:
    """Return a small JPEG file of a predicted x0 (1, C, rows, cols), with one px per latent cell, without the VAE.

    matrix: (C + 1, 3); its first C rows turn latent channels into RGB, and its last row is added.
    """
    longest = max(x0.shape[-2:])
    if longest > MAX_PREVIEW_SIDE:
        x0 = interpolate(x0, scale_factor=MAX_PREVIEW_SIDE / longest, mode="area")
    pixels = torch.einsum("chw,cr->rhw", x0[0], matrix[:-1]) + matrix[-1][:, None, None]
    file = io.BytesIO()
    _to_image(pixels).save(file, "JPEG", quality=85, subsampling=0)
    return file.getvalue()


def preview_matrix(vae: Vae, model_matrix: list[list[float]] | None = None) -> Tensor:
    """Return the latent-to-RGB matrix (C + 1, 3) for `preview`.

    It is the model's own matrix, else the known matrix of a widely used VAE, else a matrix fitted to decoded random
    latents. Raise ValueError if the model's own matrix has the wrong shape.

    model_matrix: the model's own matrix; None without one.
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


def _fit_preview_matrix(vae: Vae, channels: int) -> Tensor:
    """Return a preview matrix fitted by least squares to the mean colour of each cell in decoded random latents."""
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
