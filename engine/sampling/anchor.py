"""The anchor of a stage: the noised enlargement that the canvas is pulled to (the paper's skip residual)."""

from dataclasses import dataclass, field

from torch import Tensor

from engine.formulas.schedule import Step
from engine.sampling.solver import Solver


@dataclass
class Anchor:
    """The enlargement z0' under one noise, at any step: z'_i = alpha_i z0' + sigma_i noise."""

    # The enlargement of the stage below, or the encoded start image.
    clean: Tensor
    noise: Tensor
    solver: Solver
    # The canvas without its noise, as far as it is known. It is followed where the solver draws noise.
    picture: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.picture = self.clean

    def noised(self, index: int) -> Tensor:
        """Return z' at the noise level before a step."""
        alpha, sigma = self.solver.level(index)
        return alpha * self.clean + sigma * self.noise

    def pull(self, z: Tensor, step: Step, x0: Tensor | None) -> Tensor:
        """Return (1 - c1) z + c1 z', the skip residual. It is called before every step, in order.

        Ours, not the paper's: where the solver draws fresh noise, the noises of z and z' are independent, and
        their sum would have too little variance. So only the picture in the canvas, m, is pulled:
        z <- z + c alpha_i (z0' - m), where c = 1 - (1 - c1)^pull_factor. The last step predicted x0, and
        m <- x0 + k (m - x0), where k is the share that the step kept. (m leaves out the bias that x0 has with
        the setting lattice "raw".)
        """
        if not self.solver.kind.draws_noise:
            return (1 - step.c1) * z + step.c1 * self.noised(step.index) if step.c1 else z
        if x0 is None:
            return z
        self.picture = x0 + self.solver.kept_share(step.index - 1) * (self.picture - x0)
        moved = (1 - (1 - step.c1) ** self.solver.kind.pull_factor) * (self.clean - self.picture)
        self.picture = self.picture + moved
        alpha, _ = self.solver.level(step.index)
        return z + alpha * moved
