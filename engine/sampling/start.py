"""How a stage starts from the one below, or from a picture that was given: enlarge, renoise, pull."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine.formulas.noise import Noise, Shape
from engine.formulas.schedule import Step
from engine.planning.stage import Stage
from engine.sampling.solver import Solver

Given = Callable[[Stage, Tensor | None], Tensor | None]
"""The clean latent of a start picture for a stage, unless the latent below holds as much."""


def nothing(stage: Stage, below: Tensor | None) -> None:
    """What is given where there is no start picture."""


def enlarge(latent: Tensor, size: tuple[int, int]) -> Tensor:
    """Bicubic, in the latent."""
    return interpolate(latent, size, mode="bicubic", align_corners=False)


@dataclass
class Anchor:
    """The enlarged or given picture under one noise, at any step: n_i = alpha_i z0 + sigma_i noise.

    picture: what the canvas is made of beside noise, m; followed where the solver draws its own.
    """

    clean: Tensor
    noise: Tensor
    solver: Solver
    picture: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.picture = self.clean

    def at(self, i: int) -> Tensor:
        alpha, sigma = self.solver.level(i)
        return alpha * self.clean + sigma * self.noise

    def pull(self, canvas: Tensor, step: Step, foreseen: Tensor | None) -> Tensor:
        """The skip residual, z <- (1 - c1) z + c1 n_i. Called before every step, in order.

        Where the solver draws fresh noise, the two noises are independent and their sum has too little
        variance, so only its picture is pulled: z <- z + c alpha_i (z0 - m), where c = 1 - (1 - c1)^firmness.
        A step ago x0 was foreseen, and m <- x0 + k (m - x0), where k is the share that the step kept. (What
        lattice "raw" takes for picture by mistake is not in m.)
        """
        if not self.solver.kind.draws_noise:
            return (1 - step.pull) * canvas + step.pull * self.at(step.index) if step.pull else canvas
        if foreseen is None:
            return canvas
        self.picture = foreseen + self.solver.kept(step.index - 1) * (self.picture - foreseen)
        moved = (1 - (1 - step.pull) ** self.solver.kind.firmness) * (self.clean - self.picture)
        self.picture = self.picture + moved
        alpha, _ = self.solver.level(step.index)
        return canvas + alpha * moved


def begin(
    below: Tensor | None,
    stage: Stage,
    solver: Solver,
    noise: Noise,
    shape: Shape,
    device: torch.device,
    given: Given = nothing,
) -> tuple[Tensor, Anchor | None]:
    """A stage's first canvas, and the anchor it is pulled to: what is given or below, renoised, or noise."""
    clean = given(stage, below)
    if clean is None and below is not None:
        clean = enlarge(below, (stage.rows, stage.cols))
    if clean is None:
        return solver.start(torch.as_tensor(noise.base(shape), device=device)), None
    drawn = torch.as_tensor(noise.stage(stage.scale, shape), device=device)
    anchor = Anchor(clean, drawn, solver)
    return anchor.at(stage.schedule.first), anchor
