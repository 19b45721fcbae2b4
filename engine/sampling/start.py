"""How a stage starts: from noise, from the enlarged stage below, or from a start image."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine.formulas.noise import Noise
from engine.planning.stage import Stage
from engine.sampling.anchor import Anchor
from engine.sampling.denoiser import Denoiser
from engine.sampling.solver import Solver

# Takes a stage and the latent of the stage below (None for the first stage). Returns the encoded start image, or None
# if there is no start image or it has no more pixels than the stage below.
EncodeStartImage = Callable[[Stage, Tensor | None], Tensor | None]


def no_start_image(stage: Stage, below: Tensor | None) -> None:
    """Return None: the EncodeStartImage function of a run without a start image."""


@dataclass(frozen=True)
class LoopInputs:
    """What the loop needs in addition to the stages of a run."""

    denoiser: Denoiser
    # The random draws of the run.
    noise: Noise
    # Returns the start image's latent at the size of a stage, see EncodeStartImage.
    encode_start_image: EncodeStartImage = no_start_image


def enlarge(latent: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a latent enlarged by bicubic interpolation to a size (height, width) in latent cells."""
    return interpolate(latent, size, mode="bicubic", align_corners=False)


def start_stage(
    below: Tensor | None, stage: Stage, solver: Solver, run: LoopInputs
) -> tuple[Tensor, Anchor | None]:
    """Return a stage's first canvas z and its anchor. The anchor is None if the stage starts from noise.

    below: the finished latent of the stage below; None for the first stage.
    """
    shape, device = (1, stage.facts.channels, stage.rows, stage.cols), run.denoiser.device
    x0 = run.encode_start_image(stage, below)
    if x0 is None and below is not None:
        x0 = enlarge(below, (stage.rows, stage.cols))
    if x0 is None:
        return solver.initial_canvas(torch.as_tensor(run.noise.base(shape), device=device)), None
    drawn = torch.as_tensor(run.noise.stage(stage.scale, shape), device=device)
    anchor = Anchor(x0, drawn, solver)
    return anchor.noised(stage.schedule.first), anchor
