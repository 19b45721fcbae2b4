"""The anchor of a stage: the noised enlargement to which the canvas is pulled (the paper's skip residual)."""

from dataclasses import dataclass, field

from torch import Tensor

from engine.formulas.schedule import Step
from engine.sampling.solver import Solver


@dataclass
class Anchor:
    """The anchor z'_i = alpha_i z0' + sigma_i noise, with the same z0' and the same noise at every step i."""

    # z0': the enlarged latent of the stage below, or the encoded start image.
    enlargement: Tensor
    # The noise, which is the same at every step.
    noise: Tensor
    solver: Solver
    # m: the canvas without its noise, as estimated from the steps so far. Updated only if the solver draws noise.
    canvas_x0: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.canvas_x0 = self.enlargement

    def noised(self, index: int) -> Tensor:
        """Return z' at the noise level before the step with this index."""
        alpha, sigma = self.solver.noise_level(index)
        return alpha * self.enlargement + sigma * self.noise

    def pull(self, z: Tensor, step: Step, x0: Tensor | None) -> Tensor:
        """Return (1 - c1) z + c1 z', the skip residual. Call this method before every step, in order.

        z: the canvas before the step.
        x0: the denoised latent that the previous step predicted; None before the first step.

        Ours, not the paper's: if the solver draws fresh noise, the noises of z and z' are independent, and their
        weighted sum would have too little variance. So only m, the canvas without its noise, is pulled:
        z <- z + c alpha_i (z0' - m), where c = 1 - (1 - c1)^pull_factor. Before the pull, m is updated by
        m <- x0 + k (m - x0), where k is the solver's kept_fraction of the previous step. (With the setting lattice
        "raw" x0 has a bias, which m does not contain.)
        """
        if not self.solver.kind.draws_noise:
            return (1 - step.c1) * z + step.c1 * self.noised(step.index) if step.c1 else z
        if x0 is None:
            return z
        self.canvas_x0 = x0 + self.solver.kept_fraction(step.index - 1) * (self.canvas_x0 - x0)
        moved = (1 - (1 - step.c1) ** self.solver.kind.pull_factor) * (self.enlargement - self.canvas_x0)
        self.canvas_x0 = self.canvas_x0 + moved
        alpha, _ = self.solver.noise_level(step.index)
        return z + alpha * moved
