"""The skip residual: a canvas is pulled to its anchor."""

from types import SimpleNamespace

import pytest
import torch

from engine.formulas.noise import Noise
from engine.formulas.schedule import Step, base_schedule
from engine.formulas.timesteps import timesteps
from engine.sampling.anchor import Anchor
from engine.sampling.solver import Solver
from tests.support.tiny import SCHEDULER

CONFIG = SCHEDULER | {"prediction_type": "epsilon"}


def solver(name):
    return Solver(name, CONFIG, 10, base_schedule(timesteps(name, CONFIG, 10)))


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["ddim", "euler", "dpmpp_2m"])
def test_the_skip_residual_mixes_canvas_and_anchor(name):
    z0, eps, canvas = random(3, 1, 4, 8, 8)
    held = solver(name)
    anchor = Anchor(z0, eps, held)
    alpha, sigma = held.noise_level(3)
    pulled = anchor.pull(canvas, Step(3, 0, 0.25, 0, 0), None)
    assert torch.allclose(pulled, 0.75 * canvas + 0.25 * (alpha * z0 + sigma * eps), atol=1e-5)
    assert torch.equal(anchor.pull(canvas, Step(3, 0, 0, 0, 0), None), canvas)


def test_lcm_which_keeps_nothing_of_its_canvas_is_pulled_from_the_predicted_x0():
    z0, eps, canvas, x0 = random(4, 1, 4, 8, 8)
    held = solver("lcm")
    alpha, _ = held.noise_level(3)
    anchor = Anchor(z0, eps, held)
    assert torch.equal(anchor.pull(canvas, Step(3, 0, 0.25, 0, 0), None), canvas)
    pulled = anchor.pull(canvas, Step(3, 0, 0.25, 0, 0), x0)
    assert torch.allclose(pulled, canvas + 0.25 * alpha * (z0 - x0), atol=1e-5)


def test_an_ancestral_step_leaves_the_picture_that_its_anchor_follows():
    """Whatever is predicted: the canvas minus the drawn noise is the picture that the anchor follows."""
    z0, eps, *predicted = random(6, 1, 4, 8, 8)
    held = solver("euler_a")
    silence = Noise(0, SimpleNamespace(step=lambda stage, i, shape: torch.zeros(shape).numpy()))
    anchor, step = Anchor(z0, eps, held), Step(3, 0, 0.25, 0, 0)
    canvas = z0  # Without its noise.
    for n, x0 in enumerate(predicted):
        i = step.index + n
        sigma = held.noise_level(i)[1]
        canvas = held.step((canvas - x0) / sigma, step._replace(index=i), canvas, silence, 1)
        pulled = anchor.pull(canvas, step._replace(index=i + 1), x0)
        assert torch.allclose(pulled, anchor.canvas_x0, atol=1e-5)
        assert not torch.allclose(pulled, canvas, atol=1e-3)
        canvas = pulled
