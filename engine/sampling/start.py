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

# Returns the encoded start image for a stage, or None where the latent of the stage below, its second argument,
# shows as much detail.
StartImage = Callable[[Stage, Tensor | None], Tensor | None]


def no_start_image(stage: Stage, below: Tensor | None) -> None:
    """The StartImage of a run that has none."""


@dataclass(frozen=True)
class Inputs:
    """What a run gives to the loop besides its stages."""

    denoiser: Denoiser
    noise: Noise
    start_image: StartImage = no_start_image


def enlarge(latent: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a latent enlarged to a size in latent cells, by bicubic interpolation."""
    return interpolate(latent, size, mode="bicubic", align_corners=False)


def start_stage(
    below: Tensor | None, stage: Stage, solver: Solver, run: Inputs
) -> tuple[Tensor, Anchor | None]:
    """Return a stage's first canvas z and its anchor, which is None for a base that starts from noise.

    below: the finished latent of the stage below, if there is one.
    """
    shape, device = (1, stage.facts.channels, stage.rows, stage.cols), run.denoiser.device
    clean = run.start_image(stage, below)
    if clean is None and below is not None:
        clean = enlarge(below, (stage.rows, stage.cols))
    if clean is None:
        return solver.initial_canvas(torch.as_tensor(run.noise.base(shape), device=device)), None
    drawn = torch.as_tensor(run.noise.stage(stage.scale, shape), device=device)
    anchor = Anchor(clean, drawn, solver)
    return anchor.noised(stage.schedule.first), anchor
