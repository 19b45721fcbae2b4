"""The training timesteps that each scheduler visits (numpy only).

The functions repeat diffusers' set_timesteps so that planning needs no torch.
tests/engine/formulas/test_timesteps.py checks that the results equal those of diffusers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine import errors
from engine.errors import BadRecipe


@dataclass(frozen=True)
class SchedulerKind:
    """A scheduler that a recipe can choose: a diffusers class with settings, and its properties in sampling."""

    # The name of the class in diffusers.
    class_name: str
    # How the scheduler represents the noisy latent z:
    # "sigmas"  z = x0 + sigma noise; timesteps may be fractions
    # "ratios"  z = alpha x0 + sigma noise with alpha^2 + sigma^2 = 1, computed from a list of sigma / alpha;
    #           the list has one timestep too many, and the last is dropped
    # "alphas"  the same z as for "ratios", with alpha looked up by timestep
    parametrization: str
    # Config values that are always passed to the class.
    settings: Mapping[str, Any] = field(default_factory=dict)
    # Whether each step adds new noise.
    draws_noise: bool = False
    # The factor by which the pull to the anchor must be stronger than with DDIM for the same effect.
    pull_factor: float = 1.0
    # Whether a step uses only the current prediction, and no predictions of earlier steps.
    first_order: bool = False

    @property
    def has_integer_timesteps(self) -> bool:
        """Whether the scheduler's timesteps are whole numbers; those of the "sigmas" kinds (Euler) may be fractions."""
        return self.parametrization != "sigmas"


# The schedulers that a recipe can choose, by the values of its setting `scheduler`.
SCHEDULERS = {
    "ddim": SchedulerKind("DDIMScheduler", "alphas", {"clip_sample": False}, first_order=True),
    "euler": SchedulerKind("EulerDiscreteScheduler", "sigmas", first_order=True),
    # The noise of each step moves the canvas away from the anchor twice as fast as with DDIM, also after the
    # pull has ended. The factor 6 was measured at 4 to 100 steps with latents of unit variance; with a variance
    # of 4 the result is a fifth nearer to the anchor than the result of DDIM.
    "euler_a": SchedulerKind("EulerAncestralDiscreteScheduler", "sigmas", draws_noise=True, pull_factor=6.0),
    "dpmpp_2m": SchedulerKind("DPMSolverMultistepScheduler", "ratios"),
    "dpmpp_2m_karras": SchedulerKind("DPMSolverMultistepScheduler", "ratios", {"use_karras_sigmas": True}),
    "unipc": SchedulerKind("UniPCMultistepScheduler", "ratios"),
    "lcm": SchedulerKind("LCMScheduler", "alphas", draws_noise=True),
}
# The schedulers that the published DemoFusion code works with.
FIRST_ORDER_SCHEDULERS = tuple(name for name, kind in SCHEDULERS.items() if kind.first_order)

# Values of a model's scheduler config that describe the model's training; they apply to every scheduler.
MODEL_SETTINGS = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "prediction_type",
    "timestep_spacing",
    "steps_offset",
    "rescale_betas_zero_snr",
    "set_alpha_to_one",
    "original_inference_steps",
    "timestep_scaling",
)
# Config values that must be off, because their effect on timesteps or predictions is not supported here.
UNSUPPORTED_SETTINGS = (
    "use_exponential_sigmas",
    "use_beta_sigmas",
    "use_lu_lambdas",
    "use_flow_sigmas",
    "thresholding",
    "use_dynamic_shifting",
)
# Config values that must be missing or have this value; other values are not supported here.
REQUIRED_SETTINGS = {
    "interpolation_type": "linear",
    "timestep_type": "discrete",
    "algorithm_type": "dpmsolver++",
    "lambda_min_clipped": -float("inf"),
}
# The largest number of denoising steps that a recipe may have.
MAX_STEPS = 100
# Prefixes of scheduler classes for models with other kinds of noise, which are not supported.
UNSUPPORTED_CLASS_PREFIXES = ("EDM", "FlowMatch")
# What a supported model may predict: the noise, or v.
SUPPORTED_PREDICTION_TYPES = ("epsilon", "v_prediction")


def resolve_scheduler(name: str, config: Mapping[str, Any]) -> tuple[SchedulerKind, dict[str, Any]]:
    """Return the kind and the config of the scheduler that a recipe chooses for a model.

    name: a key of SCHEDULERS, or "model" for the scheduler that the model came with.
    config: the config of the scheduler that the model came with.
    Raise BadRecipe if the model or its scheduler is not supported.
    """
    _check_model(config)
    if name == "model":
        kind = _kind_of_model(config)
        settings = {key: value for key, value in config.items() if not key.startswith("_")}
    else:
        kind = SCHEDULERS[name]
        settings = {key: config[key] for key in MODEL_SETTINGS if key in config} | dict(kind.settings)
    if kind.class_name == "DDIMScheduler":
        settings.setdefault("set_alpha_to_one", False)
        settings.setdefault("timestep_spacing", "leading")
    return kind, settings


def _check_model(config: Mapping[str, Any]) -> None:
    """Raise BadRecipe if no scheduler here supports the noise or the predictions of a model.

    config: the config of the scheduler that the model came with.
    """
    class_name = config.get("_class_name", "")
    prediction_type = config.get("prediction_type", "epsilon")
    problem = None
    if class_name.startswith(UNSUPPORTED_CLASS_PREFIXES) or "sigma_data" in config:
        problem = f"was made for {class_name}"
    elif prediction_type not in SUPPORTED_PREDICTION_TYPES:
        problem = f"predicts {prediction_type}"
    elif prediction_type == "epsilon" and config.get("rescale_betas_zero_snr"):
        problem = "predicts epsilon with zero terminal SNR"
    elif not _is_valid_config(config):
        problem = "has an invalid scheduler config"
    if problem:
        raise BadRecipe("model", errors.MODEL_UNSUPPORTED.format(what=problem))


def _is_valid_config(config: Mapping[str, Any]) -> bool:
    """Return whether the values of a scheduler config have the right types and ranges."""
    total = train_steps(config)
    offset = config.get("steps_offset", 0)
    betas = [config.get("beta_start", 0.0001), config.get("beta_end", 0.02)]
    trained_betas = config.get("trained_betas")
    return (
        all(isinstance(n, int) for n in (total, offset, config.get("original_inference_steps", 50)))
        and total >= MAX_STEPS
        and 0 <= offset < total // MAX_STEPS + 1
        and all(isinstance(beta, int | float) and 0 < beta < 1 for beta in betas)
        and (trained_betas is None or len(trained_betas) == total)
        and config.get("timestep_spacing", "leading") in ("leading", "trailing", "linspace")
        and config.get("beta_schedule", "linear") in ("linear", "scaled_linear", "squaredcos_cap_v2")
    )


def _kind_of_model(config: Mapping[str, Any]) -> SchedulerKind:
    """Return the kind of the scheduler that a model came with; raise BadRecipe if SCHEDULERS lacks its class."""
    class_name = config.get("_class_name", "unknown")
    kind = next((kind for kind in SCHEDULERS.values() if kind.class_name == class_name), None)
    strange = [key for key in UNSUPPORTED_SETTINGS if config.get(key)]
    for key, required in REQUIRED_SETTINGS.items():
        if config.get(key, required) not in (required, None):
            strange.append(key)
    if kind is None:
        problem = class_name
    elif strange:
        problem = f"{class_name} with {', '.join(strange)}"
    else:
        return kind
    known = ", ".join(SCHEDULERS)
    raise BadRecipe("scheduler", errors.MODEL_SCHEDULER_UNSUPPORTED.format(what=problem, known=known))


def timesteps(name: str, config: Mapping[str, Any], steps: int) -> np.ndarray:
    """Return the training timesteps that a scheduler visits in `steps` denoising steps, highest first.

    name: a key of SCHEDULERS, or "model" for the scheduler that the model came with.
    config: the config of the scheduler that the model came with.
    """
    kind, settings = resolve_scheduler(name, config)
    total = train_steps(settings)
    if kind.class_name == "LCMScheduler":
        visited = _lcm_timesteps(total, steps, settings.get("original_inference_steps", 50))
    elif settings.get("use_karras_sigmas"):
        visited = _karras_timesteps(kind, settings, steps)
    else:
        visited = _spaced_timesteps(kind, settings, total, steps)
    return visited.astype(np.int64 if kind.has_integer_timesteps else np.float32)


def train_steps(config: Mapping[str, Any]) -> int:
    """Return T, the number of training timesteps, from a model's scheduler config."""
    return config.get("num_train_timesteps", 1000)


def _spaced_timesteps(kind: SchedulerKind, settings: Mapping[str, Any], total: int, steps: int) -> np.ndarray:
    """Return evenly spaced timesteps in the spacing that the config value timestep_spacing names."""
    spacing = settings.get("timestep_spacing", "linspace")
    # Schedulers with the parametrization "ratios" compute one timestep more and drop the last.
    count = steps + 1 if kind.parametrization == "ratios" else steps
    if spacing == "linspace":
        dtype = None if kind.has_integer_timesteps else np.float32
        visited = np.linspace(0, total - 1, count, dtype=dtype)[::-1][:steps]
        return visited.round() if kind.has_integer_timesteps else visited
    if spacing == "leading":
        return (np.arange(count) * (total // count))[::-1][:steps] + settings.get("steps_offset", 0)
    return np.arange(total, 0, -total / steps)[:steps].round() - 1


def _lcm_timesteps(total: int, steps: int, original: int) -> np.ndarray:
    """Return the timesteps of LCM: `steps` of the `original` timesteps that the model was distilled on."""
    if steps > original:
        raise BadRecipe(
            "steps", errors.TOO_MANY_LCM_STEPS.format(limit=original, steps=steps), {"steps": original}
        )
    distilled = np.arange(1, original + 1)[::-1] * (total // original) - 1
    return distilled[np.floor(np.linspace(0, original, steps, endpoint=False)).astype(int)]


def _karras_timesteps(kind: SchedulerKind, settings: Mapping[str, Any], steps: int) -> np.ndarray:
    """Return the timesteps of Karras sigmas, which are evenly spaced in sigma^(1/7)."""
    sigmas = noise_levels(settings)
    lowest, highest = sigmas[0], sigmas[-1]
    if kind.parametrization == "sigmas":
        # Euler uses only the range of sigmas that it would visit without Karras spacing.
        visited = _spaced_timesteps(kind, settings, len(sigmas), steps)
        visited_sigmas = np.interp(visited, np.arange(len(sigmas)), sigmas)
        lowest, highest = visited_sigmas[-1], visited_sigmas[0]
    lowest = settings.get("sigma_min") or lowest
    highest = settings.get("sigma_max") or highest
    karras = np.linspace(float(highest) ** (1 / 7), float(lowest) ** (1 / 7), steps) ** 7
    # Find the (fractional) training timestep of each sigma.
    matching = np.interp(np.log(np.maximum(karras, 1e-10)), np.log(sigmas), np.arange(len(sigmas)))
    return matching.round() if kind.has_integer_timesteps else matching


def levels_at(t: np.ndarray, name: str, config: Mapping[str, Any]) -> np.ndarray:
    """Return the noise level sigma / alpha at training timesteps, which may be fractions.

    name: a key of SCHEDULERS, or "model" for the scheduler that the model came with.
    config: the config of the scheduler that the model came with.
    """
    levels = noise_levels(resolve_scheduler(name, config)[1])
    return np.interp(t, np.arange(len(levels)), levels)


def noise_levels(settings: Mapping[str, Any]) -> np.ndarray:
    """Return the noise level sigma / alpha of every training timestep, computed as in diffusers (float32).

    settings: a scheduler config.
    """
    total = train_steps(settings)
    start, end = settings.get("beta_start", 0.0001), settings.get("beta_end", 0.02)
    schedule = settings.get("beta_schedule", "linear")
    if settings.get("trained_betas") is not None:
        betas = np.asarray(settings["trained_betas"], np.float32)
    elif schedule == "scaled_linear":
        betas = np.linspace(start**0.5, end**0.5, total, dtype=np.float32) ** 2
    elif schedule == "squaredcos_cap_v2":
        alpha_bar = np.cos((np.arange(total + 1) / total + 0.008) / 1.008 * np.pi / 2) ** 2
        betas = np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], 0.999).astype(np.float32)
    else:
        betas = np.linspace(start, end, total, dtype=np.float32)
    alphas_cumprod = np.cumprod(1 - betas, dtype=np.float64).astype(np.float32)
    if settings.get("rescale_betas_zero_snr"):
        # Convert to betas and back, as diffusers does, because Karras timesteps depend on the rounding.
        roots = np.sqrt(alphas_cumprod)
        rescaled = ((roots - roots[-1]) * (roots[0] / (roots[0] - roots[-1]))) ** 2
        betas = 1 - np.append(rescaled[:1], rescaled[1:] / rescaled[:-1])
        alphas_cumprod = np.cumprod(1 - betas, dtype=np.float64).astype(np.float32)
        # diffusers does the same: with 0 in place of a tiny number the last sigma would be infinite.
        alphas_cumprod[-1] = 2.0**-24
    return np.sqrt((1 - alphas_cumprod) / alphas_cumprod)
