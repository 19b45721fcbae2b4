"""Which training timesteps every named scheduler visits, without diffusers (numpy only)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from engine import errors
from engine.errors import BadRecipe


@dataclass(frozen=True)
class Scheduler:
    """A diffusers scheduler by name; `extra_step`: it lays one more step than asked and drops the last."""

    cls: str
    spacing: str = "linspace"
    overrides: tuple[tuple[str, Any], ...] = ()
    draws_noise: bool = False
    first_order: bool = False
    whole_steps: bool = False
    extra_step: bool = False


SCHEDULERS = {
    "ddim": Scheduler(
        "DDIMScheduler", "leading", (("clip_sample", False), ("set_alpha_to_one", False)),
        first_order=True, whole_steps=True,
    ),
    "euler": Scheduler("EulerDiscreteScheduler", first_order=True),
    "euler_a": Scheduler("EulerAncestralDiscreteScheduler", draws_noise=True),
    "dpmpp_2m": Scheduler("DPMSolverMultistepScheduler", whole_steps=True, extra_step=True),
    "dpmpp_2m_karras": Scheduler(
        "DPMSolverMultistepScheduler", overrides=(("use_karras_sigmas", True),),
        whole_steps=True, extra_step=True,
    ),
    "unipc": Scheduler("UniPCMultistepScheduler", whole_steps=True, extra_step=True),
    "lcm": Scheduler("LCMScheduler", draws_noise=True, whole_steps=True),
}  # fmt: skip

# What of a model's scheduler config describes the model rather than its solver.
OF_THE_MODEL = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type",
    "timestep_spacing", "steps_offset", "rescale_betas_zero_snr", "set_alpha_to_one",
    "original_inference_steps", "timestep_scaling",
)  # fmt: skip
# Ways of laying steps, or of changing a prediction, that the plan does not foretell.
EXOTIC = (
    "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas", "thresholding",
    "use_dynamic_shifting",
)  # fmt: skip
USUAL = {
    "interpolation_type": "linear", "timestep_type": "discrete", "algorithm_type": "dpmsolver++",
    "lambda_min_clipped": -float("inf"),
}  # fmt: skip


def scheduler_of(name: str, config: Mapping[str, Any]) -> tuple[Scheduler, dict[str, Any]]:
    """The scheduler meant by `name` for a model whose own has this config, and the config it gets."""
    if name != "model":
        kind = SCHEDULERS[name]
        settings = {k: config[k] for k in OF_THE_MODEL if k in config} | dict(kind.overrides)
    else:
        kind = _own(config)
        settings = {k: v for k, v in config.items() if not k.startswith("_")}
    if kind.cls == "DDIMScheduler" and settings.get("timestep_spacing") == "linspace":
        # DDIM always goes T // steps down, which meets the next timestep only when they lead or trail.
        settings["timestep_spacing"] = "leading"
    return kind, settings


def _own(config: Mapping[str, Any]) -> Scheduler:
    known = ", ".join(SCHEDULERS)
    cls = config.get("_class_name", "unknown")
    for kind in SCHEDULERS.values():
        if kind.cls == cls:
            break
    else:
        raise BadRecipe("scheduler", errors.OWN_SCHEDULER.format(what=cls, known=known))
    strange = [k for k in EXOTIC if config.get(k)]
    strange += [k for k, usual in USUAL.items() if config.get(k, usual) not in (usual, None)]
    if strange:
        what = f"{cls} with {', '.join(strange)}"
        raise BadRecipe("scheduler", errors.OWN_SCHEDULER.format(what=what, known=known))
    return kind


def timesteps(name: str, config: Mapping[str, Any], steps: int) -> np.ndarray:
    """The training timesteps, falling, that this scheduler visits in so many steps."""
    frozen = tuple(
        sorted((k, tuple(v) if isinstance(v, list) else v) for k, v in config.items() if v is not None)
    )
    return _timesteps(name, frozen, steps)


@lru_cache(maxsize=256)
def _timesteps(name: str, config: tuple[tuple[str, Any], ...], steps: int) -> np.ndarray:
    kind, settings = scheduler_of(name, dict(config))
    total = settings.get("num_train_timesteps", 1000)
    if kind.cls == "LCMScheduler":
        laid = _lcm(total, steps, settings.get("original_inference_steps", 50))
    elif settings.get("use_karras_sigmas"):
        laid = _karras(kind, settings, steps)
    else:
        laid = _spaced(kind, settings, total, steps)
    laid = laid.astype(np.int64 if kind.whole_steps else np.float32)
    laid.flags.writeable = False
    return laid


def _spaced(kind: Scheduler, settings: Mapping[str, Any], total: int, steps: int) -> np.ndarray:
    spacing = settings.get("timestep_spacing", kind.spacing)
    laid = steps + kind.extra_step
    if spacing == "linspace":
        falling = np.linspace(0, total - 1, laid, dtype=None if kind.whole_steps else np.float32)[::-1]
        return falling[:steps].round() if kind.whole_steps else falling[:steps]
    if spacing == "leading":
        return (np.arange(laid) * (total // laid))[::-1][:steps] + settings.get("steps_offset", 0)
    return np.arange(total, 0, -total / steps)[:steps].round() - 1


def _lcm(total: int, steps: int, original: int) -> np.ndarray:
    if steps > original:
        raise BadRecipe("steps", errors.STEPS_LCM.format(limit=original, steps=steps))
    taught = np.arange(1, original + 1)[::-1] * (total // original) - 1
    return taught[np.floor(np.linspace(0, original, steps, endpoint=False)).astype(int)]


def _karras(kind: Scheduler, settings: Mapping[str, Any], steps: int) -> np.ndarray:
    """Sigmas even in sigma^(1/7); each is given the timestep whose sigma it has."""
    sigmas = noise_levels(settings)
    ends = sigmas[[-1, 0]]
    if not kind.extra_step:  # Euler bends the range that it would have visited anyway.
        visited = _spaced(kind, settings, len(sigmas), steps)
        ends = np.interp(visited, np.arange(len(sigmas)), sigmas)[[0, -1]]
    least, most = settings.get("sigma_min") or ends[1], settings.get("sigma_max") or ends[0]
    bent = np.linspace(float(most) ** (1 / 7), float(least) ** (1 / 7), steps) ** 7
    logs = np.log(sigmas)
    laid = np.interp(np.log(np.maximum(bent, 1e-10)), logs, np.arange(len(sigmas)))
    return laid.round() if kind.whole_steps else laid


def noise_levels(settings: Mapping[str, Any]) -> np.ndarray:
    """sigma / alpha of every training timestep, as diffusers makes it from betas (float32)."""
    total = settings.get("num_train_timesteps", 1000)
    start, end = settings.get("beta_start", 0.0001), settings.get("beta_end", 0.02)
    schedule = settings.get("beta_schedule", "linear")
    if settings.get("trained_betas") is not None:
        betas = np.asarray(settings["trained_betas"], np.float32)
    elif schedule == "scaled_linear":
        betas = np.linspace(start**0.5, end**0.5, total, dtype=np.float32) ** 2
    elif schedule == "squaredcos_cap_v2":
        kept = np.cos((np.arange(total + 1) / total + 0.008) / 1.008 * np.pi / 2) ** 2
        betas = np.minimum(1 - kept[1:] / kept[:-1], 0.999).astype(np.float32)
    else:
        betas = np.linspace(start, end, total, dtype=np.float32)
    alphas = np.cumprod(1 - betas, dtype=np.float64).astype(np.float32)
    if settings.get("rescale_betas_zero_snr"):
        # By way of betas and back, as diffusers goes: Karras timesteps feel the rounding.
        roots = np.sqrt(alphas)
        kept = ((roots - roots[-1]) * (roots[0] / (roots[0] - roots[-1]))) ** 2
        betas = 1 - np.append(kept[:1], kept[1:] / kept[:-1])
        alphas = np.cumprod(1 - betas, dtype=np.float64).astype(np.float32)
        alphas[-1] = 2.0**-24
    return np.sqrt((1 - alphas) / alphas)
