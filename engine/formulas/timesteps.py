"""Which training timesteps every named scheduler visits, without diffusers (numpy only)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine import errors
from engine.errors import BadRecipe


@dataclass(frozen=True)
class SchedulerKind:
    """A diffusers scheduler.

    state: how it keeps the canvas, and so its timesteps.
        "sigmas"   z0 + sigma noise; timesteps may be fractions
        "ratios"   alpha^2 + sigma^2 = 1, by a list of sigma / alpha; lays a step too many, drops the last
        "alphas"   the same, looked up by timestep
    firmness: how many times as firm as DDIM's its pull has to be, to hold as well.
    """

    cls: str
    state: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    draws_noise: bool = False
    firmness: float = 1.0
    first_order: bool = False

    @property
    def whole_steps(self) -> bool:
        return self.state != "sigmas"


SCHEDULERS = {
    "ddim": SchedulerKind("DDIMScheduler", "alphas", {"clip_sample": False}, first_order=True),
    "euler": SchedulerKind("EulerDiscreteScheduler", "sigmas", first_order=True),
    # It leaves its canvas behind twice as fast, also after the pull has let go. Six was measured, at 4 to 100
    # steps, where pictures have unit variance; where it is 4, it ends a fifth nearer to the anchor than DDIM.
    "euler_a": SchedulerKind("EulerAncestralDiscreteScheduler", "sigmas", draws_noise=True, firmness=6.0),
    "dpmpp_2m": SchedulerKind("DPMSolverMultistepScheduler", "ratios"),
    "dpmpp_2m_karras": SchedulerKind("DPMSolverMultistepScheduler", "ratios", {"use_karras_sigmas": True}),
    "unipc": SchedulerKind("UniPCMultistepScheduler", "ratios"),
    "lcm": SchedulerKind("LCMScheduler", "alphas", draws_noise=True),
}
FIRST_ORDER_SCHEDULERS = tuple(name for name, kind in SCHEDULERS.items() if kind.first_order)

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
MOST_STEPS = 100
FOREIGN_NOISE = ("EDM", "FlowMatch")
PREDICTIONS = ("epsilon", "v_prediction")
USUAL = {
    "interpolation_type": "linear", "timestep_type": "discrete", "algorithm_type": "dpmsolver++",
    "lambda_min_clipped": -float("inf"),
}  # fmt: skip


def resolve_scheduler(name: str, config: Mapping[str, Any]) -> tuple[SchedulerKind, dict[str, Any]]:
    """The scheduler meant by `name` for a model whose own has this config, and the config it gets."""
    _check_model(config)
    if name == "model":
        kind, settings = _own(config), {k: v for k, v in config.items() if not k.startswith("_")}
    else:
        kind = SCHEDULERS[name]
        settings = {k: config[k] for k in OF_THE_MODEL if k in config} | kind.settings
    if kind.cls == "DDIMScheduler":
        settings.setdefault("set_alpha_to_one", False)
        settings.setdefault("timestep_spacing", "leading")
    return kind, settings


def _check_model(config: Mapping[str, Any]) -> None:
    """Refuses models whose noise or predictions are of a kind that no scheduler here follows."""
    cls, predicts = config.get("_class_name", ""), config.get("prediction_type", "epsilon")
    what = None
    if cls.startswith(FOREIGN_NOISE) or "sigma_data" in config:
        what = f"was made for {cls}"
    elif predicts not in PREDICTIONS:
        what = f"predicts {predicts}"
    elif predicts == "epsilon" and config.get("rescale_betas_zero_snr"):
        what = "predicts epsilon although its noise ends in nothing else (zero terminal SNR)"
    elif not _lays_steps(config):
        what = "comes with a scheduler config that makes no sense"
    if what:
        raise BadRecipe("model", errors.MODEL_UNSUPPORTED.format(what=what))


def _lays_steps(config: Mapping[str, Any]) -> bool:
    """Whether the numbers of a scheduler config can be right."""
    total, offset = train_steps(config), config.get("steps_offset", 0)
    betas = [config.get("beta_start", 0.0001), config.get("beta_end", 0.02)]
    trained = config.get("trained_betas")
    return (
        all(isinstance(n, int) for n in (total, offset, config.get("original_inference_steps", 50)))
        and total >= MOST_STEPS
        and 0 <= offset < total // MOST_STEPS + 1
        and all(isinstance(beta, int | float) and 0 < beta < 1 for beta in betas)
        and (trained is None or len(trained) == total)
        and config.get("timestep_spacing", "leading") in ("leading", "trailing", "linspace")
        and config.get("beta_schedule", "linear") in ("linear", "scaled_linear", "squaredcos_cap_v2")
    )


def _own(config: Mapping[str, Any]) -> SchedulerKind:
    known = ", ".join(SCHEDULERS)
    cls = config.get("_class_name", "unknown")
    for kind in SCHEDULERS.values():
        if kind.cls == cls:
            break
    else:
        raise BadRecipe("scheduler", errors.MODEL_SCHEDULER_UNSUPPORTED.format(what=cls, known=known))
    strange = [k for k in EXOTIC if config.get(k)]
    strange += [k for k, usual in USUAL.items() if config.get(k, usual) not in (usual, None)]
    if strange:
        what = f"{cls} with {', '.join(strange)}"
        raise BadRecipe("scheduler", errors.MODEL_SCHEDULER_UNSUPPORTED.format(what=what, known=known))
    return kind


def timesteps(name: str, config: Mapping[str, Any], steps: int) -> np.ndarray:
    """The training timesteps, falling, that this scheduler visits in so many steps."""
    kind, settings = resolve_scheduler(name, config)
    total = train_steps(settings)
    if kind.cls == "LCMScheduler":
        laid = _lcm(total, steps, settings.get("original_inference_steps", 50))
    elif settings.get("use_karras_sigmas"):
        laid = _karras(kind, settings, steps)
    else:
        laid = _spaced(kind, settings, total, steps)
    return laid.astype(np.int64 if kind.whole_steps else np.float32)


def train_steps(config: Mapping[str, Any]) -> int:
    """T."""
    return config.get("num_train_timesteps", 1000)


def _spaced(kind: SchedulerKind, settings: Mapping[str, Any], total: int, steps: int) -> np.ndarray:
    spacing = settings.get("timestep_spacing", "linspace")
    laid = steps + (kind.state == "ratios")
    if spacing == "linspace":
        falling = np.linspace(0, total - 1, laid, dtype=None if kind.whole_steps else np.float32)[::-1]
        return falling[:steps].round() if kind.whole_steps else falling[:steps]
    if spacing == "leading":
        return (np.arange(laid) * (total // laid))[::-1][:steps] + settings.get("steps_offset", 0)
    return np.arange(total, 0, -total / steps)[:steps].round() - 1


def _lcm(total: int, steps: int, original: int) -> np.ndarray:
    if steps > original:
        raise BadRecipe("steps", errors.TOO_MANY_LCM_STEPS.format(limit=original, steps=steps), {"steps": original})
    taught = np.arange(1, original + 1)[::-1] * (total // original) - 1
    return taught[np.floor(np.linspace(0, original, steps, endpoint=False)).astype(int)]


def _karras(kind: SchedulerKind, settings: Mapping[str, Any], steps: int) -> np.ndarray:
    """Sigmas even in sigma^(1/7); each is given the timestep whose sigma it has."""
    sigmas = noise_levels(settings)
    ends = sigmas[[-1, 0]]
    if kind.state == "sigmas":  # Euler bends the range that it would have visited anyway.
        visited = _spaced(kind, settings, len(sigmas), steps)
        ends = np.interp(visited, np.arange(len(sigmas)), sigmas)[[0, -1]]
    least, most = settings.get("sigma_min") or ends[1], settings.get("sigma_max") or ends[0]
    bent = np.linspace(float(most) ** (1 / 7), float(least) ** (1 / 7), steps) ** 7
    logs = np.log(sigmas)
    laid = np.interp(np.log(np.maximum(bent, 1e-10)), logs, np.arange(len(sigmas)))
    return laid.round() if kind.whole_steps else laid


def noise_levels(settings: Mapping[str, Any]) -> np.ndarray:
    """sigma / alpha of every training timestep, as diffusers makes it from betas (float32)."""
    total = train_steps(settings)
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
