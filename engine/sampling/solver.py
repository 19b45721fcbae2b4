"""diffusers schedulers in float32, with steps chosen by index, so that the canvas may be changed between two steps.

A canvas z is alpha x0 + sigma noise. Schedulers of the Euler family have alpha = 1, and their canvas is scaled to
be the network's input. The others have alpha^2 + sigma^2 = 1. The network's input always has.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import diffusers
import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from engine.formulas.noise import Noise
from engine.formulas.schedule import NEGLIGIBLE_PULL, Schedule, Step
from engine.formulas.timesteps import resolve_scheduler
from engine.planning.stage import Stage
from engine.sampling.relay import blurred


class Solver:
    """The scheduler of one stage. It has internal state and must not be shared with another stage."""

    def __init__(
        self, name: str, config: Mapping[str, Any], steps: int, schedule: Schedule, block_side: int = 1
    ) -> None:
        """Create the scheduler.

        name: a key of SCHEDULERS, or "model" for the scheduler that the model came with.
        config: the config of the model's scheduler.
        steps: the number of denoising steps.
        block_side: the side of the blocks that a step's block_blur blurs, in latent cells.
        """
        self.block_side = block_side
        self.kind, settings = resolve_scheduler(name, config)
        self.scheduler = getattr(diffusers, self.kind.class_name).from_config(settings)
        self.scheduler.set_timesteps(steps)
        self._cut_to(steps)
        if hasattr(self.scheduler, "disable_corrector"):
            # UniPC's corrector recomputes the canvas from the previous canvas, which would undo the pull, and the
            # change of the canvas before a step with blurred blocks.
            changed = (schedule.c1 > NEGLIGIBLE_PULL) | (schedule.block_blur > 0)
            self.scheduler.disable_corrector = [i - 1 for i in np.flatnonzero(changed).tolist()]
        self.predicts_noise = self.scheduler.config.prediction_type == "epsilon"

    @classmethod
    def for_stage(cls, stage: Stage) -> "Solver":
        """Create the solver of a stage."""
        recipe = stage.recipe
        return cls(recipe.scheduler, stage.facts.scheduler, recipe.steps, stage.schedule, stage.block_side)

    def noise_level(self, i: int) -> tuple[float, float]:
        """Return (alpha, sigma) of the canvas before step i."""
        scheduler = self.scheduler
        if self.kind.parametrization == "sigmas":
            return 1.0, float(scheduler.sigmas[i])
        if self.kind.parametrization == "ratios":
            ratio = float(scheduler.sigmas[i])
            alpha = (1 + ratio**2) ** -0.5
            return alpha, ratio * alpha
        alpha_squared = float(scheduler.alphas_cumprod[scheduler.timesteps[i]])
        return alpha_squared**0.5, (1 - alpha_squared) ** 0.5

    def input_noise_level(self, i: int) -> tuple[float, float]:
        """Return (alpha, sigma) of the network's input at step i; their squares sum to 1."""
        alpha, sigma = self.noise_level(i)
        size = (alpha**2 + sigma**2) ** 0.5
        return alpha / size, sigma / size

    def kept_fraction(self, i: int) -> float:
        """Return the fraction (0 to 1) of the difference between canvas and predicted x0 that is left after step i.

        Only for solvers that draw noise: for Euler ancestral it is sigma_down / sigma = (sigma_(i+1) / sigma_i)^2,
        for LCM it is 0.
        """
        if self.kind.parametrization != "sigmas":
            return 0.0
        return float(self.scheduler.sigmas[i + 1] / self.scheduler.sigmas[i]) ** 2

    def initial_canvas(self, noise: Tensor) -> Tensor:
        """Return the first canvas of a stage that starts from this noise (mean 0, deviation 1)."""
        return noise * self.scheduler.init_noise_sigma

    def model_input(self, z: Tensor, step: Step) -> Tensor:
        """Return the canvas scaled as the network expects it at a step."""
        self._set_step(step.index)
        return self.scheduler.scale_model_input(z, self.scheduler.timesteps[step.index])

    def x0(self, prediction: Tensor, step: Step, model_input: Tensor) -> Tensor:
        """Return the denoised latent x0 that follows from a prediction for this input."""
        alpha, sigma = self.input_noise_level(step.index)
        if self.predicts_noise:
            return (model_input - sigma * prediction) / alpha
        return alpha * model_input - sigma * prediction

    def unblur(
        self, prediction: Tensor, step: Step, model_input: Tensor, blurred_input: Tensor, lattice: str
    ) -> Tensor:
        """Convert the prediction made for the blurred input g into one for the input z, which the solver step uses.

        model_input: z, the network's input before the blur.
        lattice: the recipe's setting. "v" keeps the velocity v unchanged: an epsilon model's prediction becomes
            eps + sigma_t (z - g). "raw" returns the prediction unchanged, like DemoFusion's published code.
        """
        if lattice == "raw" or not self.predicts_noise:
            return prediction
        return prediction + self.input_noise_level(step.index)[1] * (model_input - blurred_input)

    def step(self, prediction: Tensor, step: Step, z: Tensor, noise: Noise, stage: int) -> Tensor:
        """Return the canvas after a step.

        z: the canvas before the step.
        noise, stage: the run's random draws, and the stage's number, which determine the noise that a solver adds.

        If the canvas's blocks are blurred (Relay Diffusion), z = alpha A x0 + sigma eps with a blur A. The solver makes
        its step from alpha x0 + sigma eps, the canvas without the blur, with the same x0 and eps. The next canvas then
        gets the next blur A'. For DDIM this is the published step A' x0 + sigma'/sigma (z - A x0), without new noise.
        """
        if not step.block_blur:
            return self._scheduler_step(prediction, step, z, noise, stage)
        alpha, sigma = self.noise_level(step.index)
        input_alpha, input_sigma = self.input_noise_level(step.index)
        x0 = self.x0(prediction, step, z / (alpha**2 + sigma**2) ** 0.5)
        lost = x0 - blurred(x0, step.block_blur, self.block_side)
        # The network's prediction belongs to alpha x0 as the clean part of z. That part is alpha A x0, so there is
        # more noise: by alpha (x0 - A x0) / sigma. For v, this is multiplied by alpha.
        more_noise = input_alpha / input_sigma * lost
        prediction = prediction + (more_noise if self.predicts_noise else input_alpha * more_noise)
        z = self._scheduler_step(prediction, step, z + alpha * lost, noise, stage)
        if not step.next_block_blur:
            return z
        alpha, _ = self.noise_level(step.index + 1)
        return z - alpha * (x0 - blurred(x0, step.next_block_blur, self.block_side))

    def _scheduler_step(self, prediction: Tensor, step: Step, z: Tensor, noise: Noise, stage: int) -> Tensor:
        """Return the canvas after the scheduler's step; the arguments are those of `step`."""
        self._set_step(step.index)
        drawn = None
        if self.kind.draws_noise:
            drawn = torch.as_tensor(noise.step(stage, step.index, tuple(z.shape)), device=z.device)
        with _FixedNoise(drawn):
            return self.scheduler.step(prediction, self.scheduler.timesteps[step.index], z).prev_sample

    def _cut_to(self, steps: int) -> None:
        """Drop a superfluous last step at t = -1: with trailing spacing, rounding may add it (for 61 steps)."""
        scheduler = self.scheduler
        if len(scheduler.timesteps) > steps:
            scheduler.timesteps = scheduler.timesteps[:steps]
            if hasattr(scheduler, "sigmas"):
                scheduler.sigmas = torch.cat([scheduler.sigmas[:steps], scheduler.sigmas[-1:]])

    def _set_step(self, i: int) -> None:
        """Set the scheduler to step i by index, because timesteps may repeat (Karras) and do not identify a step."""
        scheduler = self.scheduler
        if hasattr(scheduler, "_step_index"):
            scheduler._step_index = i
        elif i + 1 < len(scheduler.timesteps):
            # DDIM always goes down by T // num_inference_steps, which misses the next timestep if the spacing is
            # uneven. This number of steps makes DDIM go exactly to the next timestep.
            covered = int(scheduler.timesteps[i] - scheduler.timesteps[i + 1])
            scheduler.num_inference_steps = Fraction(scheduler.config.num_train_timesteps, covered)


class _FixedNoise(TorchFunctionMode):
    """Makes torch.randn, which schedulers call, return this noise in the present thread inside a `with` block."""

    def __init__(self, noise: Tensor | None) -> None:
        super().__init__()
        self.noise = noise

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if function is torch.randn and self.noise is not None:
            return self.noise
        return function(*args, **(kwargs or {}))
