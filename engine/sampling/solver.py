"""diffusers schedulers under three rules: stepped by index, float32, and pulled without harm.

Units: a state is alpha z0 + sigma noise. Schedulers of the Euler family keep alpha = 1 and are scaled for
the network; the others keep alpha^2 + sigma^2 = 1, and so does everything the network is shown.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import diffusers
import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from engine.formulas.schedule import FELT, Schedule
from engine.formulas.timesteps import scheduler_of


class Solver:
    """The scheduler of one stage, made anew for it and never shared."""

    def __init__(self, name: str, config: Mapping[str, Any], steps: int, schedule: Schedule) -> None:
        self.kind, settings = scheduler_of(name, config)
        self.scheduler = getattr(diffusers, self.kind.cls).from_config(settings)
        self.scheduler.set_timesteps(steps)
        self._cut_to(steps)
        if hasattr(self.scheduler, "disable_corrector"):
            # UniPC's corrector recomputes the present state from the one before and would undo the pull.
            pulled = [i for i, pull in enumerate(schedule.pull) if pull > FELT]
            self.scheduler.disable_corrector = [i - 1 for i in pulled]
        self.predicts_noise = self.scheduler.config.prediction_type == "epsilon"

    def level(self, i: int) -> tuple[float, float]:
        """alpha and sigma of the state before step i."""
        scheduler = self.scheduler
        if self.kind.state == "sigmas":
            return 1.0, float(scheduler.sigmas[i])
        if self.kind.state == "ratios":
            ratio = float(scheduler.sigmas[i])
            alpha = (1 + ratio**2) ** -0.5
            return alpha, ratio * alpha
        kept = float(scheduler.alphas_cumprod[scheduler.timesteps[i]])
        return kept**0.5, (1 - kept) ** 0.5

    def shown_level(self, i: int) -> tuple[float, float]:
        """alpha and sigma of what the network is shown at step i; their squares sum to 1."""
        alpha, sigma = self.level(i)
        size = (alpha**2 + sigma**2) ** 0.5
        return alpha / size, sigma / size

    def kept(self, i: int) -> float:
        """Of a solver that draws noise: the share of the canvas's distance to the foreseen picture that is
        left after step i. Ancestral, sigma_down / sigma = (sigma_(i+1) / sigma_i)^2; LCM leaves none.
        """
        if self.kind.state != "sigmas":
            return 0.0
        return float(self.scheduler.sigmas[i + 1] / self.scheduler.sigmas[i]) ** 2

    def start(self, noise: Tensor) -> Tensor:
        """The canvas of a stage with nothing below it."""
        return noise * self.scheduler.init_noise_sigma

    def shown(self, canvas: Tensor, i: int) -> Tensor:
        """The canvas as the network expects it."""
        self._turn_to(i)
        return self.scheduler.scale_model_input(canvas, self.scheduler.timesteps[i])

    def clean(self, prediction: Tensor, i: int, shown: Tensor) -> Tensor:
        """The picture that a prediction implies for what was shown."""
        alpha, sigma = self.shown_level(i)
        if self.predicts_noise:
            return (shown - sigma * prediction) / alpha
        return alpha * shown - sigma * prediction

    def for_canvas(self, prediction: Tensor, i: int, shown: Tensor, seen: Tensor, lattice: str) -> Tensor:
        """A prediction about what the network saw, g, as one about the canvas that is stepped, z.

        "v" keeps v, which for epsilon is eps + sigma_t (z - g) and leaves the noise right; "raw" is as it is.
        """
        if lattice == "raw" or not self.predicts_noise:
            return prediction
        return prediction + self.shown_level(i)[1] * (shown - seen)

    def step(self, prediction: Tensor, i: int, canvas: Tensor, draw: Callable[[], np.ndarray]) -> Tensor:
        """The canvas one step further. `draw` gives the noise of a scheduler that takes some."""
        self._turn_to(i)
        noise = torch.as_tensor(draw(), device=canvas.device) if self.kind.draws_noise else None
        with _Drawing(noise):
            return self.scheduler.step(prediction, self.scheduler.timesteps[i], canvas).prev_sample

    def _cut_to(self, steps: int) -> None:
        """Trailing, diffusers lays a last step at t = -1 for some numbers of steps (61 of 1000): rounding."""
        scheduler = self.scheduler
        if len(scheduler.timesteps) > steps:
            scheduler.timesteps = scheduler.timesteps[:steps]
            if hasattr(scheduler, "sigmas"):
                scheduler.sigmas = torch.cat([scheduler.sigmas[:steps], scheduler.sigmas[-1:]])

    def _turn_to(self, i: int) -> None:
        """By index: timesteps may repeat (Karras), and looking one up would find the wrong step."""
        scheduler = self.scheduler
        if hasattr(scheduler, "_step_index"):
            scheduler._step_index = i
        elif i + 1 < len(scheduler.timesteps):
            # DDIM always goes T // steps down, past the next timestep where spacing is uneven. This count of
            # steps makes it go there.
            covered = int(scheduler.timesteps[i] - scheduler.timesteps[i + 1])
            scheduler.num_inference_steps = Fraction(scheduler.config.num_train_timesteps, covered)


class _Drawing(TorchFunctionMode):
    """Hands the given noise to a scheduler that draws its own, in this thread and block only."""

    def __init__(self, noise: Tensor | None) -> None:
        super().__init__()
        self.noise = noise

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.randn and self.noise is not None:
            return self.noise
        return function(*args, **(kwargs or {}))
