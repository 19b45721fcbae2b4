"""How a stage starts: from noise, from the enlarged stage below, or from a start image."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from engine.formulas.noise import Noise
from engine.planning.stage import Stage
from engine.sampling.anchor import Anchor
from engine.sampling.denoiser import Denoiser
from engine.sampling.relay import blurred, mixed
from engine.sampling.signals import TileUpscaled
from engine.sampling.solver import Solver

# Takes a stage and the latent of the stage below (None for the first stage). Returns the encoded start image, or None
# if there is no start image or it has no more pixels than the stage below.
EncodeStartImage = Callable[[Stage, Tensor | None], Tensor | None]
# Takes a stage. Yields TileUpscaled after every tile, and returns the picture below enlarged by the stage's upscaler,
# and the latent of that picture.
Upscale = Callable[[Stage], Generator[TileUpscaled, None, tuple[Image.Image, Tensor]]]


def no_start_image(stage: Stage, below: Tensor | None) -> None:
    """Return None: the EncodeStartImage function of a run without a start image."""


def no_upscaler(stage: Stage) -> Generator[TileUpscaled, None, tuple[Image.Image, Tensor]]:
    """Raise an error: the Upscale function of a run without an upscaler."""
    raise NotImplementedError(f"stage {stage.number} needs the upscaler {stage.upscaler}")


@dataclass(frozen=True)
class LoopInputs:
    """What the loop needs in addition to the stages of a run."""

    denoiser: Denoiser
    # The random draws of the run.
    noise: Noise
    # Returns the start image's latent at the size of a stage, see EncodeStartImage.
    encode_start_image: EncodeStartImage = no_start_image
    # Returns the picture below enlarged by a stage's upscaler, see Upscale.
    upscale: Upscale = no_upscaler


class StageStart(NamedTuple):
    """The start of a stage."""

    # The first canvas; of a stage without denoising, the finished latent.
    z: Tensor
    # What the canvas is pulled to; None if the stage starts from noise or has no denoising.
    anchor: Anchor | None
    # The finished picture of a stage without denoising; None for any other stage.
    picture: Image.Image | None


def enlarge(latent: Tensor, size: tuple[int, int], *, repeat: bool = False) -> Tensor:
    """Return a latent enlarged to a size (height, width) in latent cells, by bicubic interpolation.

    repeat: whether to repeat cells instead. The result is the picture with all its blocks fully blurred.
    """
    if repeat:
        return interpolate(latent, size, mode="nearest-exact")
    return interpolate(latent, size, mode="bicubic", align_corners=False)


def anchor_noise(stage: Stage, noise: Noise, device: torch.device) -> Tensor:
    """Return the noise of a stage's anchor: white, or white and block noise mixed if the stage relays."""
    shape, share = (1, stage.facts.channels, stage.rows, stage.cols), stage.options.block
    white = torch.as_tensor(noise.stage(stage.scale, shape), device=device)
    if stage.block_side == 1 or share == 0:
        return white
    source = torch.as_tensor(noise.block(stage.scale, shape), device=device)
    return mixed(white, source, stage.block_side, share)


def start_stage(
    below: Tensor | None, stage: Stage, solver: Solver, run: LoopInputs
) -> Generator[TileUpscaled, None, StageStart]:
    """Return the start of a stage.

    below: the finished latent of the stage below; None for the first stage.
    """
    if stage.upscales:
        picture, x0 = yield from run.upscale(stage)
        return StageStart(x0, None, picture)
    shape, device = (1, stage.facts.channels, stage.rows, stage.cols), run.denoiser.device
    block_blur = stage.steps[0].block_blur
    if stage.upscaler:
        _, x0 = yield from run.upscale(stage)
    else:
        x0 = run.encode_start_image(stage, below)
    if x0 is None and below is not None:
        x0 = enlarge(below, (stage.rows, stage.cols), repeat=block_blur > 0)
    if x0 is None:
        drawn = torch.as_tensor(run.noise.base(shape), device=device)
        return StageStart(solver.initial_canvas(drawn), None, None)
    if block_blur:
        x0 = blurred(x0, block_blur, stage.block_side)
    anchor = Anchor(x0, anchor_noise(stage, run.noise, device), solver)
    return StageStart(anchor.noised(stage.schedule.first), anchor, None)
