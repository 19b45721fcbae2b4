"""Solvers keep the noise at its level and the canvas close to its anchor, with networks of known predictions."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine import Recipe
from engine.formulas.noise import Noise
from engine.formulas.schedule import Step, base_schedule, stage_schedule, with_block_blur
from engine.formulas.timesteps import SCHEDULERS, levels_at, timesteps
from engine.planning.plan import plan
from engine.sampling import relay
from engine.sampling.signals import StageMade
from engine.sampling.solver import Solver
from engine.sampling.tone import Tone
from tests.support.known_networks import AllNoiseNetwork, TargetNetwork, run_with_network
from tests.support.planning import make_facts
from tests.support.slow_cases import slow_cases
from tests.support.tiny import SCHEDULER

CONFIG = SCHEDULER | {"prediction_type": "epsilon"}
# With many channels, the deviation of a canvas is measured to 0.2 %.
NOISY = make_facts(window=16, channels=64, scheduler=CONFIG)


def at(i):
    return Step(i, 0, 0, 0, 0)


def deviations(solver):
    """Return the deviation of the canvas divided by sigma_t, at every step."""
    return np.array([canvas.std().item() / solver.noise_level(i)[1] for i, canvas in solver.canvases])


def run_all_noise(monkeypatch, **recipe):
    recipe = {"guidance": 1, "economy": 0, "scales": (1, 4), "stride": 16, "steps": 20} | recipe
    return run_with_network(monkeypatch, AllNoiseNetwork(), NOISY, Recipe(**recipe))


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("pulled", [True, False])
def test_noise_stays_sigma_at_every_step(name, pulled, monkeypatch):
    _, upper = run_all_noise(monkeypatch, scheduler=name, skip_residual=pulled, dilated=False)
    assert deviations(upper) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_noise_stays_sigma_in_the_first_stage(name, monkeypatch):
    large = make_facts(window=32, channels=256, scheduler=CONFIG)
    recipe = Recipe(guidance=1, scales=(1,), steps=20, scheduler=name)
    (base,) = run_with_network(monkeypatch, AllNoiseNetwork(), large, recipe)
    assert deviations(base) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("steps", [7, 30, 61])
@pytest.mark.parametrize("name", ["ddim", "euler", "dpmpp_2m"])
def test_noise_stays_sigma_with_any_spacing_of_steps(name, steps, spacing, monkeypatch):
    toy = make_facts(window=16, channels=64, scheduler=CONFIG | {"timestep_spacing": spacing})
    recipe = Recipe(
        guidance=1, economy=0, scales=(1, 4), stride=16, steps=steps, scheduler=name, dilated=False
    )
    _, upper = run_with_network(monkeypatch, AllNoiseNetwork(), toy, recipe)
    assert deviations(upper) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["ddim", "euler", "dpmpp_2m", "unipc"])
def test_a_surplus_step_of_diffusers_is_dropped(name):
    config = CONFIG | {"timestep_spacing": "trailing"}
    held = Solver(name, config, 61, base_schedule(timesteps(name, config, 61)))
    assert len(held.scheduler.timesteps) == 61
    canvas = torch.zeros(1, 4, 8, 8)
    for i in (59, 60):
        step = at(i)
        canvas = held.step(torch.zeros_like(canvas), step, held.model_input(canvas, step), Noise(0), 1)
    assert torch.isfinite(canvas).all()


@pytest.mark.parametrize("steps", [8, 50])
@pytest.mark.parametrize("name", ["ddim", "euler_a", "dpmpp_2m"])
@pytest.mark.slow
def test_noise_stays_sigma_with_few_and_many_steps(name, steps, monkeypatch):
    _, upper = run_all_noise(monkeypatch, scheduler=name, dilated=False, steps=steps)
    assert deviations(upper) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_blurred_dilated_views_keep_the_noise_when_v_is_blended(name, monkeypatch):
    _, upper = run_all_noise(monkeypatch, scheduler=name, lattice="v")
    assert deviations(upper) == pytest.approx(1, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEDULERS)
def test_without_the_pull_blending_v_nearly_keeps_the_noise_and_blending_raw_predictions_does_not(
    name, monkeypatch
):
    _, by_v = run_all_noise(monkeypatch, scheduler=name, lattice="v", skip_residual=False)
    _, raw = run_all_noise(monkeypatch, scheduler=name, lattice="raw", skip_residual=False)
    assert deviations(by_v) == pytest.approx(1, abs=0.015)
    assert deviations(raw).max() > 1.25


def test_a_v_prediction_model_keeps_the_noise(monkeypatch):
    model = make_facts(window=16, channels=192, scheduler=CONFIG | {"prediction_type": "v_prediction"})
    recipe = Recipe(guidance=1, scales=(1, 4), stride=16, steps=20, scheduler="ddim", skip_residual=False)
    _, upper = run_with_network(monkeypatch, AllNoiseNetwork(), model, recipe)
    assert deviations(upper) == pytest.approx(1, abs=0.015)


def final_distance(monkeypatch, **recipe):
    """Return how far from an anchor at 0 a network with target 1 ends."""
    toy = make_facts(window=16, channels=16, scheduler=CONFIG)
    recipe = Recipe(**{"guidance": 1, "scales": (1, 2), "dilated": False} | recipe)
    below = StageMade(plan(recipe, toy).stages[0], torch.zeros(1, 16, 16, 16), Tone.from_numbers(0, 1))
    (upper,) = run_with_network(monkeypatch, TargetNetwork(), toy, recipe, below)
    return upper.end.mean().item()


@pytest.mark.parametrize("steps", [12, 20, 50, 100])
def test_the_pull_keeps_the_canvas_close_to_its_anchor(steps, monkeypatch):
    ddim = final_distance(monkeypatch, scheduler="ddim", steps=steps)
    assert ddim < 0.6 * final_distance(monkeypatch, scheduler="ddim", steps=steps, skip_residual=False)


@pytest.mark.parametrize("steps", [4, 5, 6, 8, 12, 20, 50, 100, *slow_cases(7, 9, 10, 11, 15, 30)])
@pytest.mark.parametrize("economy", [0.005, *slow_cases(0)])
@pytest.mark.parametrize("name", [n for n in SCHEDULERS if n not in ("ddim", "lcm")])
def test_every_solver_stays_as_close_to_the_anchor_as_ddim(name, economy, steps, monkeypatch):
    ddim = final_distance(monkeypatch, scheduler="ddim", steps=steps, economy=economy)
    assert final_distance(monkeypatch, scheduler=name, steps=steps, economy=economy) == pytest.approx(
        ddim, rel=0.15
    )


def test_unipc_with_its_corrector_would_leave_the_anchor(monkeypatch):
    held = final_distance(monkeypatch, scheduler="unipc", steps=20)
    monkeypatch.setattr("engine.sampling.solver.NEGLIGIBLE_PULL", 2.0)
    assert final_distance(monkeypatch, scheduler="unipc", steps=20) > 1.4 * held


@pytest.mark.parametrize("steps", [10, 20, 100])
def test_the_pull_at_any_number_of_steps_equals_that_of_fifty(steps, monkeypatch):
    fifty = final_distance(monkeypatch, scheduler="ddim", steps=50)
    assert final_distance(monkeypatch, scheduler="ddim", steps=steps) == pytest.approx(fifty, rel=0.12)


def test_repeated_karras_timesteps_are_stepped_by_index(monkeypatch):
    assert len(set(timesteps("dpmpp_2m_karras", CONFIG, 100).tolist())) < 100
    _, upper = run_all_noise(monkeypatch, scheduler="dpmpp_2m_karras", dilated=False, steps=100)
    assert deviations(upper) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", [n for n in SCHEDULERS if SCHEDULERS[n].draws_noise])
def test_a_scheduler_that_draws_noise_uses_keyed_noise(name):
    t = timesteps(name, CONFIG, 8)
    canvas = torch.ones(1, 4, 8, 8)

    def step(drawn):
        solver = Solver(name, CONFIG, 8, base_schedule(t))
        solver.model_input(canvas, at(2))
        noise = Noise(0, SimpleNamespace(step=lambda stage, i, shape: drawn))
        return solver.step(torch.zeros_like(canvas), at(2), canvas, noise, 1)

    noise = np.random.RandomState(0).standard_normal((1, 4, 8, 8)).astype(np.float32)
    quiet, loud = step(np.zeros_like(noise)), step(noise)
    added = (loud - quiet).numpy()
    assert np.corrcoef(added.ravel(), noise.ravel())[0, 1] == pytest.approx(1, abs=1e-5)
    assert quiet.std() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_x0_is_exact_when_the_prediction_is_exact(name, kind):
    config = CONFIG | {"prediction_type": kind}
    solver = Solver(name, config, 12, base_schedule(timesteps(name, config, 12)))
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 1, 4, 8, 8, generator=generator)
    for i in (0, 5, 11):
        alpha, sigma = solver.noise_level(i)
        model_input = solver.model_input(alpha * clean + sigma * noise, at(i))
        alpha, sigma = solver.input_noise_level(i)
        assert torch.allclose(model_input, alpha * clean + sigma * noise, atol=1e-5)
        prediction = noise if kind == "epsilon" else alpha * noise - sigma * clean
        assert torch.allclose(solver.x0(prediction, at(i), model_input), clean, atol=1e-4)


DETERMINISTIC = [name for name, kind in SCHEDULERS.items() if not kind.draws_noise]


def blurred_solver(name, prediction_type="epsilon", steps=12, block_side=4):
    """Return the solver and the steps of a stage that starts blurred at t = 600."""
    config = CONFIG | {"prediction_type": prediction_type}
    t = timesteps(name, config, steps)
    schedule = stage_schedule(
        t, 1000, (3, 1, 1), (0.8, 0.008), 0, skip_residual=False, dilated=False, faithful=False,
        start_fraction=0.6,
    )  # fmt: skip
    schedule = with_block_blur(schedule, levels_at(t, name, config), 3.0)
    return Solver(name, config, steps, schedule, block_side), schedule.steps


def predict_noise_or_v(solver, x0, z, step):
    """Return the prediction that means this x0 for a canvas."""
    alpha, sigma = solver.input_noise_level(step.index)
    noise = (solver.model_input(z, step) - alpha * x0) / sigma
    return noise if solver.predicts_noise else alpha * noise - sigma * x0


def published_step(solver, x0, z, step):
    """Return the canvas after a step of the published sampler without new noise."""
    (alpha, sigma), (next_alpha, next_sigma) = (solver.noise_level(step.index + k) for k in (0, 1))
    now, after = (relay.multiplier(b, solver.block_side) for b in (step.block_blur, step.next_block_blur))
    gamma = next_sigma / next_alpha / (sigma / alpha)
    return next_alpha * relay.step(z / alpha, x0, now, after, gamma)


def start_blurred(solver, step, size=(20, 32)):
    """Return a clean picture, and its canvas before a step with blurred blocks."""
    clean, noise = torch.randn(2, 1, 4, *size, generator=torch.Generator().manual_seed(0))
    alpha, sigma = solver.noise_level(step.index)
    return clean, alpha * relay.blurred(clean, step.block_blur, solver.block_side) + sigma * noise


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_blurred_steps_with_the_same_x0_are_the_published_ones(name, prediction_type):
    solver, steps = blurred_solver(name, prediction_type)
    clean, z = start_blurred(solver, steps[0])
    for step in steps:
        prediction = predict_noise_or_v(solver, clean, z, step)
        made = solver.step(prediction, step, z, Noise(0), 2)
        if step is not steps[-1]:
            expected = published_step(solver, clean, z, step)
            assert (made - expected).abs().max() < 1e-5 * expected.abs().max()
        z = made
    assert (z - clean).abs().max() < 0.2


def denoise(solver, z, step):
    """Predict a clean picture that changes from step to step, as a network does."""
    x = solver.model_input(z, step)
    alpha, sigma = solver.input_noise_level(step.index)
    return torch.tanh((x + 0.3 * torch.roll(x, 1, -1)) * alpha) * (1 + sigma)


@pytest.mark.parametrize("name", ["ddim", "euler"])
def test_blurred_steps_of_first_order_solvers_are_the_published_ones(name):
    solver, steps = blurred_solver(name)
    _, z = start_blurred(solver, steps[0])
    expected = z
    for step in steps[:-1]:
        x0 = denoise(solver, expected, step)
        expected = published_step(solver, x0, expected, step)
        z = solver.step(predict_noise_or_v(solver, denoise(solver, z, step), z, step), step, z, Noise(0), 2)
    assert (z - expected).abs().max() < 1e-5 * expected.abs().max()


def end_of_blurred_steps(name, steps):
    """Return the result of a stage with blurred blocks whose network predicts the mean of pictures around 1."""
    solver, ahead = blurred_solver(name, steps=steps)
    _, z = start_blurred(solver, ahead[0])
    for step in ahead:
        alpha, _ = solver.input_noise_level(step.index)
        x0 = 1 + alpha * (solver.model_input(z, step) - alpha)
        z = solver.step(predict_noise_or_v(solver, x0, z, step), step, z, Noise(0), 2)
    return z


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_blurred_steps_of_all_solvers_end_in_the_same_picture(name):
    exact = end_of_blurred_steps("ddim", 100)
    assert (end_of_blurred_steps(name, 60) - exact).std() < 0.05 * exact.std()


def test_without_a_blur_of_blocks_a_step_is_the_schedulers():
    plain, (step, *_) = blurred_solver("dpmpp_2m")
    other, _ = blurred_solver("dpmpp_2m")
    z = torch.ones(1, 4, 8, 8)
    made = plain.step(z, step._replace(block_blur=0.0), z, Noise(0), 2)
    other._set_step(step.index)
    assert torch.equal(made, other.scheduler.step(z, other.scheduler.timesteps[step.index], z).prev_sample)
