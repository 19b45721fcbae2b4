"""diffusers schedulers, stepped by index in float32, so that a pull between two steps does no harm.

A canvas z is alpha x0 + sigma noise. Schedulers of the Euler family have alpha = 1, and their canvas is scaled
for the network; the others have alpha^2 + sigma^2 = 1, as has every input of the network.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import diffusers
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from engine.formulas.noise import Noise
from engine.formulas.schedule import NEGLIGIBLE_PULL, Schedule, Step
from engine.formulas.timesteps import resolve_scheduler
from engine.planning.stage import Stage


class Solver:
    """The scheduler of one stage. It is created for the stage and never shared."""

    def __init__(self, name: str, config: Mapping[str, Any], steps: int, schedule: Schedule) -> None:
        self.kind, settings = resolve_scheduler(name, config)
        self.scheduler = getattr(diffusers, self.kind.class_name).from_config(settings)
        self.scheduler.set_timesteps(steps)
        self._cut_to(steps)
        if hasattr(self.scheduler, "disable_corrector"):
            # UniPC's corrector recomputes the canvas from the one before and would undo the pull.
            pulled = [i for i, c1 in enumerate(schedule.c1) if c1 > NEGLIGIBLE_PULL]
            self.scheduler.disable_corrector = [i - 1 for i in pulled]
        self.predicts_noise = self.scheduler.config.prediction_type == "epsilon"

    @classmethod
    def for_stage(cls, stage: Stage) -> "Solver":
        recipe = stage.recipe
        return cls(recipe.scheduler, stage.facts.scheduler, recipe.steps, stage.schedule)

    def level(self, i: int) -> tuple[float, float]:
        """Return alpha and sigma of the canvas before step i."""
        scheduler = self.scheduler
        if self.kind.parametrization == "sigmas":
            return 1.0, float(scheduler.sigmas[i])
        if self.kind.parametrization == "ratios":
            ratio = float(scheduler.sigmas[i])
            alpha = (1 + ratio**2) ** -0.5
            return alpha, ratio * alpha
        alpha_squared = float(scheduler.alphas_cumprod[scheduler.timesteps[i]])
        return alpha_squared**0.5, (1 - alpha_squared) ** 0.5

    def input_level(self, i: int) -> tuple[float, float]:
        """Return alpha and sigma of the network's input at step i; their squares sum to 1."""
        alpha, sigma = self.level(i)
        size = (alpha**2 + sigma**2) ** 0.5
        return alpha / size, sigma / size

    def kept_share(self, i: int) -> float:
        """Return how much of the difference between canvas and predicted picture step i keeps.

        It is asked of solvers that draw noise. Euler ancestral keeps sigma_down / sigma = (sigma_(i+1) / sigma_i)^2;
        LCM keeps nothing.
        """
        if self.kind.parametrization != "sigmas":
            return 0.0
        return float(self.scheduler.sigmas[i + 1] / self.scheduler.sigmas[i]) ** 2

    def initial_canvas(self, noise: Tensor) -> Tensor:
        """Return the first canvas of a stage that starts from noise."""
        return noise * self.scheduler.init_noise_sigma

    def model_input(self, z: Tensor, step: Step) -> Tensor:
        """Return the canvas scaled as the network expects it at a step."""
        self._turn_to(step.index)
        return self.scheduler.scale_model_input(z, self.scheduler.timesteps[step.index])

    def x0(self, prediction: Tensor, step: Step, model_input: Tensor) -> Tensor:
        """Return the denoised latent that a prediction about this input implies."""
        alpha, sigma = self.input_level(step.index)
        if self.predicts_noise:
            return (model_input - sigma * prediction) / alpha
        return alpha * model_input - sigma * prediction

    def unblur(
        self, prediction: Tensor, step: Step, model_input: Tensor, blurred_input: Tensor, lattice: str
    ) -> Tensor:
        """Turn a prediction about the blurred input g into one about the canvas z, which is stepped.

        lattice "v" keeps v, which for epsilon models is eps + sigma_t (z - g), so that the noise stays right;
        "raw" changes nothing, as published.
        """
        if lattice == "raw" or not self.predicts_noise:
            return prediction
        return prediction + self.input_level(step.index)[1] * (model_input - blurred_input)

    def step(self, prediction: Tensor, step: Step, z: Tensor, noise: Noise, stage: int) -> Tensor:
        """Return the canvas after a step; `stage` is the stage's number."""
        self._turn_to(step.index)
        drawn = None
        if self.kind.draws_noise:
            drawn = torch.as_tensor(noise.step(stage, step.index, tuple(z.shape)), device=z.device)
        with _FixedNoise(drawn):
            return self.scheduler.step(prediction, self.scheduler.timesteps[step.index], z).prev_sample

    def _cut_to(self, steps: int) -> None:
        """Drop a last step at t = -1: with trailing spacing, rounding adds one for some numbers of steps (61)."""
        scheduler = self.scheduler
        if len(scheduler.timesteps) > steps:
            scheduler.timesteps = scheduler.timesteps[:steps]
            if hasattr(scheduler, "sigmas"):
                scheduler.sigmas = torch.cat([scheduler.sigmas[:steps], scheduler.sigmas[-1:]])

    def _turn_to(self, i: int) -> None:
        """Set the scheduler to a step by its index: timesteps may repeat (Karras), so a lookup may find another."""
        scheduler = self.scheduler
        if hasattr(scheduler, "_step_index"):
            scheduler._step_index = i
        elif i + 1 < len(scheduler.timesteps):
            # DDIM always goes T // steps down, past the next timestep where spacing is uneven. This count of
            # steps makes it go there.
            covered = int(scheduler.timesteps[i] - scheduler.timesteps[i + 1])
            scheduler.num_inference_steps = Fraction(scheduler.config.num_train_timesteps, covered)


class _FixedNoise(TorchFunctionMode):
    """Makes torch.randn return the given noise, in this thread and block only: schedulers draw their own."""

    def __init__(self, noise: Tensor | None) -> None:
        super().__init__()
        self.noise = noise

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.randn and self.noise is not None:
            return self.noise
        return function(*args, **(kwargs or {}))
