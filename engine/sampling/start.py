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


def enlarge(latent: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a latent enlarged by bicubic interpolation to a size (height, width) in latent cells."""
    return interpolate(latent, size, mode="bicubic", align_corners=False)


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
    x0 = run.encode_start_image(stage, below)
    if x0 is None and stage.upscaler:
        _, x0 = yield from run.upscale(stage)
    if x0 is None and below is not None:
        x0 = enlarge(below, (stage.rows, stage.cols))
    if x0 is None:
        drawn = torch.as_tensor(run.noise.base(shape), device=device)
        return StageStart(solver.initial_canvas(drawn), None, None)
    drawn = torch.as_tensor(run.noise.stage(stage.scale, shape), device=device)
    anchor = Anchor(x0, drawn, solver)
    return StageStart(anchor.noised(stage.schedule.first), anchor, None)
