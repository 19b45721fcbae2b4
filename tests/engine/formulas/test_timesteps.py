import diffusers
import numpy as np
import pytest

from engine.errors import BadRecipe
from engine.formulas.timesteps import SCHEDULERS, levels_at, noise_levels, resolve_scheduler, timesteps
from tests.support.slow_cases import slow_cases

BETAS = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
# Some of the possible numbers of steps. With trailing spacing, diffusers adds a step to 61 of them.
SOME_COUNTS = (4, 5, 6, 7, 9, 12, 16, 20, 30, 43, 50, 61, 99, 100)


def diffusers_timesteps(name, config, steps):
    kind, settings = resolve_scheduler(name, config)
    scheduler = getattr(diffusers, kind.class_name).from_config(settings)
    scheduler.set_timesteps(steps)
    # With trailing spacing and 61 steps, diffusers adds a 62nd at t = -1.
    return scheduler.timesteps.numpy()[:steps]


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace", None])
@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("counts", [SOME_COUNTS, *slow_cases(range(4, 101))])
def test_every_named_scheduler_has_the_timesteps_of_diffusers(name, spacing, zero_snr, counts):
    config = BETAS | ({"timestep_spacing": spacing} if spacing else {})
    if zero_snr:
        config |= {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
    for steps in (steps for steps in counts if steps <= 50 or name != "lcm"):
        assert np.array_equal(timesteps(name, config, steps), diffusers_timesteps(name, config, steps)), steps


@pytest.mark.parametrize("cls", ["EulerDiscreteScheduler", "UniPCMultistepScheduler"])
@pytest.mark.parametrize("betas", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_a_models_own_karras_schedule(cls, betas):
    own = BETAS | {"_class_name": cls, "use_karras_sigmas": True, "beta_schedule": betas}
    for steps in (4, 7, 20, 50, 100):
        assert np.allclose(
            timesteps("model", own, steps), diffusers_timesteps("model", own, steps), atol=1e-3
        )


@pytest.mark.parametrize("betas", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_noise_levels_equal_those_of_diffusers(betas):
    settings = BETAS | {"beta_schedule": betas}
    kept = diffusers.DPMSolverMultistepScheduler(**settings).alphas_cumprod.numpy()
    assert np.allclose(noise_levels(settings), np.sqrt((1 - kept) / kept), rtol=1e-4)


@pytest.mark.parametrize(
    ("strange", "words"),
    [
        ({"_class_name": "EDMDPMSolverMultistepScheduler"}, "EDM"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "FlowMatch"),
        ({"prediction_type": "sample"}, "predicts sample"),
        ({"prediction_type": "flow_prediction"}, "predicts flow"),
        ({"rescale_betas_zero_snr": True}, "zero terminal SNR"),
        ({"steps_offset": None}, "invalid scheduler config"),
        ({"steps_offset": -1}, "invalid scheduler config"),
        ({"steps_offset": 500}, "invalid scheduler config"),
        ({"timestep_spacing": "sideways"}, "invalid scheduler config"),
        ({"trained_betas": [0.1] * 10}, "invalid scheduler config"),
        ({"num_train_timesteps": 3}, "invalid scheduler config"),
        ({"beta_end": 3}, "invalid scheduler config"),
        ({"original_inference_steps": None}, "invalid scheduler config"),
    ],
)
@pytest.mark.parametrize("name", ["ddim", "euler", "model"])
def test_a_model_that_no_solver_supports_is_refused_with_every_scheduler(strange, words, name):
    config = BETAS | {"_class_name": "DDIMScheduler", "prediction_type": "epsilon"} | strange
    with pytest.raises(BadRecipe, match=words):
        timesteps(name, config, 20)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_there_are_as_many_steps_as_requested_and_none_beyond_the_ends(name, spacing):
    for steps in range(4, 51 if name == "lcm" else 101):
        t = timesteps(name, BETAS | {"timestep_spacing": spacing}, steps)
        assert len(t) == steps
        assert 0 <= t[-1] <= t[0] <= 999


def test_lcm_takes_no_more_steps_than_it_was_trained_for():
    with pytest.raises(BadRecipe, match="at most 50"):
        timesteps("lcm", BETAS, 51)


@pytest.mark.parametrize(
    "cls", ["HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "DPMSolverSinglestepScheduler"]
)
def test_a_solver_with_two_evaluations_a_step_is_refused(cls):
    with pytest.raises(BadRecipe, match=cls):
        timesteps("model", BETAS | {"_class_name": cls}, 20)


@pytest.mark.parametrize(
    "strange",
    [
        {"use_exponential_sigmas": True},
        {"use_beta_sigmas": True},
        {"interpolation_type": "log_linear"},
        {"timestep_type": "continuous"},
    ],
)
def test_a_schedule_that_cannot_be_planned_is_refused(strange):
    with pytest.raises(BadRecipe, match=next(iter(strange))):
        timesteps("model", BETAS | {"_class_name": "EulerDiscreteScheduler"} | strange, 20)


def test_a_noise_level_between_two_timesteps_is_interpolated():
    levels = noise_levels(BETAS)
    between = (levels[300] + levels[301]) / 2
    assert levels_at(np.array([300, 300.5]), "euler", BETAS) == pytest.approx([levels[300], between])
