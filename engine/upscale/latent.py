"""Double a picture with the SD x2 latent upscaler, a diffusion model that enlarges latents of Stable Diffusion's VAE.

diffusers' pipeline does the work, with the steps and the guidance that its documentation names. The noise is keyed,
and the picture's latent is the mode of the VAE's distribution, so that the result is a function of picture and seed.
"""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine import errors, hardware
from engine.catalogue import weights
from engine.errors import Fault, WeightsMissing, first_line, short_repr
from engine.formulas.noise import keyed_normal
from engine.hardware import Placement
from engine.network import models
from engine.upscale.check import Check
from engine.vae import codec

log = logging.getLogger(__name__)

# The pipeline's class in diffusers.
PIPELINE = "StableDiffusionLatentUpscalePipeline"
# The subfolders that contain the pipeline's weights.
NETWORK_FOLDERS = ("unet", "vae", "text_encoder")
# The number of denoising steps in the example of the pipeline's documentation.
STEPS = 20
# The guidance in that example. At 0 the network is evaluated once a step, and the pipeline uses an empty prompt.
GUIDANCE = 0
# Pictures are padded to multiples of this side in px. The network's canvas has a cell for every 4 px of the picture,
# so that the network can halve the canvas four times.
PADDED_MULTIPLE = 64
# The longest side of a tile of the VAE in latent cells: 512 px, the size that Stable Diffusion's VAE was trained for.
VAE_TILE_SIDE = 64


@dataclass(frozen=True)
class LatentUpscaler:
    """The SD x2 latent upscaler, which doubles pictures.

    A picture must be given whole (`tiles` is False): the network's attention and norms depend on the whole canvas, and
    noise depends on the canvas's size, so that tiles would differ from each other at their borders. Only the VAE
    works on tiles, with the statistics of the whole picture. A picture of 1024 x 1024 px has a canvas of 256 x 256
    latent cells. The caller limits the size of pictures; if memory runs out, `upscale` raises a Fault.
    """

    # diffusers' pipeline, on its device.
    pipeline: Any
    # The seed of the noise.
    seed: int = 0
    # How many times larger the result is, on each axis.
    factor: int = field(default=2, init=False)
    # Whether a picture may be cut into tiles that are enlarged one by one.
    tiles: bool = field(default=False, init=False)
    # The px around a tile that are enlarged with it; none, because there are no tiles.
    surroundings: int = field(default=0, init=False)

    def upscale(self, pixels: Tensor, check: Check | None = None) -> Tensor:
        """Return a picture at twice its size. The picture is rounded to 8 bits before and after.

        Raise Fault if memory runs out.

        pixels: RGB (1, 3, height, width), float32 from 0 to 1, on the CPU, as is the result. Any size is accepted.
        check: called after each denoising step; it may raise an exception to end the work.
        """
        try:
            return self._upscale(pixels, check)
        except (MemoryError, RuntimeError) as fault:
            if not hardware.is_out_of_memory(fault):
                raise
        # Outside of the except block, so that the exception no longer holds what filled the memory.
        hardware.release_memory(self.pipeline.device)
        height, width = pixels.shape[-2:]
        raise Fault(errors.LATENT_UPSCALER_OUT_OF_MEMORY.format(width=width, height=height))

    def _upscale(self, pixels: Tensor, check: Check | None) -> Tensor:
        """Return a picture at twice its size, see `upscale`."""
        height, width = pixels.shape[-2:]
        latent = codec.encode(self.pipeline.vae, _pad(_to_image(pixels)), VAE_TILE_SIDE)
        enlarged = self._enlarge(latent, check)
        pixels = _to_pixels(codec.decode(self.pipeline.vae, enlarged, VAE_TILE_SIDE))
        return pixels[..., : self.factor * height, : self.factor * width]

    def _enlarge(self, latent: Tensor, check: Check | None) -> Tensor:
        """Return a latent at twice its size, in float32. Latents are scaled for the network."""
        batch, channels, rows, cols = latent.shape
        shape = (batch, channels, self.factor * rows, self.factor * cols)
        noise = torch.from_numpy(keyed_normal(shape, self.seed, "upscale", *shape))
        return self.pipeline(
            prompt="",
            image=latent,
            # The pipeline moves the noise to its device, but leaves its number format as it is.
            latents=noise.to(self.pipeline.unet.dtype),
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            callback=check and (lambda *_: check()),
            output_type="latent",
        ).images.float()


def load_latent_upscaler(folder: Path, device: torch.device, dtype: torch.dtype) -> LatentUpscaler:
    """Load the latent upscaler from a local folder in diffusers' format; raise WeightsMissing if that fails.

    Only safetensors files are read.

    dtype: the number format of the UNet and the text encoder; the VAE's is float32, because it overflows in float16.
    """
    try:
        _check_folder(folder)
        pipeline = models.load_latent_upscale_pipeline(folder, Placement(device, dtype))
    except Exception as fault:
        if hardware.is_out_of_memory(fault):
            raise Fault(errors.UPSCALER_TOO_LARGE.format(source=short_repr(folder.name))) from fault
        log.exception("%s could not be loaded", folder)
        source, reason = short_repr(folder.name), first_line(fault, 200)
        raise WeightsMissing(errors.UPSCALER_BROKEN.format(source=source, reason=reason)) from fault
    pipeline.set_progress_bar_config(disable=True)
    return LatentUpscaler(pipeline)


def _check_folder(folder: Path) -> None:
    """Raise an error if a folder holds no latent upscaler, or if weights are not there as safetensors files."""
    index = json.loads((folder / weights.PIPELINE_INDEX).read_text(encoding="utf-8"))
    if index.get("_class_name") != PIPELINE:
        raise ValueError(f"its {weights.PIPELINE_INDEX} is not that of a {PIPELINE}")
    for part in NETWORK_FOLDERS:
        if not any(weights.weight_files(folder, part, variant) for variant in ("", "fp16")):
            raise ValueError(f"its {part} has no weights as safetensors")


def _to_image(pixels: Tensor) -> Image.Image:
    """Return pixels (1, 3, h, w) from 0 to 1 as an RGB image."""
    levels = (pixels[0].clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).numpy())


def _to_pixels(image: Image.Image) -> Tensor:
    """Return an RGB image as pixels (1, 3, h, w), float32 from 0 to 1."""
    return torch.tensor(np.asarray(image)).permute(2, 0, 1)[None].float() / 255


def _pad(image: Image.Image) -> Image.Image:
    """Continue an image by reflection to the right and downwards, up to multiples of PADDED_MULTIPLE.

    numpy reflects again where an image is smaller than what is added to it.
    """
    padding = [(0, -side % PADDED_MULTIPLE) for side in (image.height, image.width)]
    return Image.fromarray(np.pad(np.asarray(image), (*padding, (0, 0)), mode="reflect"))
