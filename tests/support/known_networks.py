"""Networks whose predictions are known in closed form, and the loop run with them."""

import torch

from engine import loop
from engine.formulas.noise import Noise
from engine.planning.plan import plan
from engine.sampling.denoiser import Denoiser
from engine.sampling.solver import Solver
from engine.sampling.start import LoopInputs


class RecordingSolver(Solver):
    """A solver that keeps every canvas, and lets a known network ask for the level of the step at work."""

    current = None  # The solver that was made last, which is the one at work.
    canvases: list  # (step's index, canvas) of every step.

    def __init__(self, *args):
        super().__init__(*args)
        RecordingSolver.current, self.canvases = self, []

    def model_input(self, z, step):
        self.i = step.index
        self.canvases.append((step.index, z))
        return super().model_input(z, step)

    def step(self, *args):
        self.end = super().step(*args)
        return self.end

    @property
    def current_level(self):
        return self.input_noise_level(self.i)


class KnownNetwork:
    """The base of networks whose predictions are known; they are on the CPU."""

    device = torch.device("cpu")


class AllNoiseNetwork(KnownNetwork):
    """A network that predicts its whole input to be noise: x0 is zero."""

    def predict(self, latents, t, text, size_ids, controls=(), patches=()):
        alpha, sigma = RecordingSolver.current.current_level
        return latents / sigma if RecordingSolver.current.predicts_noise else latents * alpha / sigma


class TargetNetwork(KnownNetwork):
    """A network that predicts the posterior mean of pictures around `target`, with a deviation of 1."""

    def __init__(self, target=1.0):
        self.target = target

    def predict(self, latents, t, text, size_ids, controls=(), patches=()):
        alpha, sigma = RecordingSolver.current.current_level
        x0 = self.target + alpha * (latents - alpha * self.target)
        return (latents - alpha * x0) / sigma


class EchoNetwork(KnownNetwork):
    """A network that predicts its own input."""

    def predict(self, latents, t, text, size_ids, controls=(), patches=()):
        return latents


def run_with_network(monkeypatch, network, facts, recipe, below=None):
    """Run the loop with a known network, after a finished stage `below` if there is one; return the
    RecordingSolver of each stage, in order.
    """
    solvers = []

    class ListedSolver(RecordingSolver):
        def __init__(self, *args):
            super().__init__(*args)
            solvers.append(self)

    monkeypatch.setattr(loop, "Solver", ListedSolver)
    planned = plan(recipe, facts)
    denoiser = Denoiser(network, None, planned.stages[0].guidance_passes, 16)
    ahead = planned.stages[below.stage.number if below else 0 :]
    for _ in loop.sample_stages(ahead, below, LoopInputs(denoiser, Noise(planned.recipe.seed))):
        pass
    return solvers
