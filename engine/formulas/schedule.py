"""The weights c1, c2 and c3 and the blurs at every step of a stage, as functions of the timesteps (numpy only).

t is the training timestep and T the number of training timesteps.
c(t)  = (1 + cos(pi (T - t) / T)) / 2                    1 at pure noise, 0 at the clean end
c1    = c^alpha1                 weight of the pull to the anchor, the noised enlargement (skip residual)
c1    = c^(alpha1 (1 - f) / f)   the same with a start image of fidelity f
c2    = c^alpha2                 weight of the dilated views; the local views have 1 - c2
c3    = c^alpha3                 weight of the larger blur
blur  = (sigma1 - sigma2) c3 + sigma2    standard deviation of the blur in latent cells
b     = strongest sin(pi / 2 * q)^2      standard deviation of the blur of blocks (relay), q: see `block_blurs`
"""

from dataclasses import dataclass, replace
from math import log
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

# The number of denoising steps in the DemoFusion paper, for which its alphas were chosen.
PAPER_STEPS = 50
# A pull c1 up to this value moves the canvas so little that a solver's corrector may undo it.
NEGLIGIBLE_PULL = 1e-4
# The largest value of -log(1 - c1), which would be infinite for c1 = 1.
STRONGEST_RATE = 1e4
# The standard deviation, in px, of Relay Diffusion's blur at its strongest (published for blocks of 4 x 4 px).
STRONGEST_BLOCK_BLUR = 3.0
# The logarithms of the noise levels on which EDM trains, and so Relay Diffusion; a normal distribution.
EDM_LOG_LEVELS = NormalDist(-1.2, 1.2)
# The standard deviation of px that EDM assumes; a latent's is about 1.
PIXEL_DEVIATION = 0.5
# A noise level below all levels that occur, in place of 0, which has no logarithm.
SMALLEST_LEVEL = 1e-6
# The blur is skipped if its kernel gives the neighbouring cell less weight than this.
NEGLIGIBLE_WEIGHT = 1e-6


def cosine(t: np.ndarray, total: int) -> np.ndarray:
    """Return c(t) = (1 + cos(pi (T - t) / T)) / 2: 1 at pure noise (t = T), 0 at t = 0.

    total: T, the number of training timesteps.
    """
    return (1 + np.cos(np.pi * (total - t) / total)) / 2


def c1_per_training_time(alpha1: float, t: np.ndarray, total: int) -> np.ndarray:
    """Return the pull c1' of each step, which in total is as strong as the paper's pull c1 with 50 steps.

    t: the training timesteps of the steps.    total: T, the number of training timesteps.
    For evenly spaced steps of length dt, c1' = 1 - (1 - c1)^(50 dt / T), with c1 at the beginning of the step as in
    the paper. If some steps are much longer than others (Karras), log(1 - c1) is integrated over each step:
    c1' = 1 - exp(50 / T * integral of log(1 - c1) dt).
    """
    covered = t - np.append(t[1:], 0)
    if has_even_steps(t):
        return 1 - (1 - cosine(t, total) ** alpha1) ** (PAPER_STEPS * covered / total)
    times = np.arange(total)
    with np.errstate(divide="ignore"):
        rate = np.minimum(-np.log1p(-(cosine(times, total) ** alpha1)), STRONGEST_RATE)
    integral = np.append(0, np.cumsum((rate[1:] + rate[:-1]) / 2))
    reached = np.interp(np.append(t, 0), times, integral)
    return 1 - np.exp(PAPER_STEPS / total * np.diff(reached))


def has_even_steps(t: np.ndarray) -> bool:
    """Return whether no step is more than twice as long as another; the last step, which may be short, is ignored.

    t: training timesteps.
    """
    covered = t[:-1] - t[1:]
    return len(covered) == 0 or covered.max() <= 2 * covered.min()


def fidelity_exponent(alpha1: float, fidelity: float) -> float:
    """Return the exponent of c1 for a start image.

    It is alpha1 at fidelity 1/2, zero (the strongest pull) at 1, and infinite (no pull) at 0.
    """
    return alpha1 * (1 - fidelity) / fidelity if fidelity else np.inf


def block_blurs(levels: np.ndarray, first: int, strongest: float) -> np.ndarray:
    """Return the blur b of blocks before each step (Relay Diffusion). It falls from `strongest` at the first step to 0.

    levels: the noise level sigma / alpha before each step.    first: the index of the first step that is carried out.
    b = strongest sin(pi/2 q)^2 with q = Phi((ln s + 1.2) / 1.2) / length, as published: s is the noise level of px
    with a deviation of 1/2, so here it is half of sigma / alpha. The published length is a constant. Here it is the
    Phi of the first step, so that q is 1 there. Steps before the first have its blur.
    """
    passed = np.array([_edm_quantile(level * PIXEL_DEVIATION) for level in levels.tolist()])
    return strongest * np.sin(np.pi / 2 * np.minimum(passed / passed[first], 1.0)) ** 2


def _edm_quantile(level: float) -> float:
    """Return the fraction of the noise levels in EDM's training that are lower than this one."""
    return EDM_LOG_LEVELS.cdf(log(max(level, SMALLEST_LEVEL)))


def survival(c1: np.ndarray) -> np.ndarray:
    """Return the fraction of each step's output that is left at the end of the stage.

    The pull c1 of every later step replaces some of the output, so this is the product of 1 - c1 over later steps.
    """
    left = np.cumprod((1 - c1)[::-1])[::-1]
    return np.append(left[1:], 1.0)


class Step(NamedTuple):
    """One denoising step of a stage."""

    # The step's number, counted from 0.
    index: int  # pyright: ignore[reportIncompatibleMethodOverride]  # tuple.index is not used
    # The training timestep.
    t: float
    # The weight of the pull to the anchor.
    c1: float
    # The weight of the dilated views. At 0 dilated views are left out, at 1 local views are left out.
    c2: float
    # The standard deviation, in latent cells, of the blur of the canvas before dilated views are taken from it.
    blur: float
    # The standard deviation, in latent cells, of the blur of the canvas's blocks before the step (Relay Diffusion).
    block_blur: float = 0.0
    # The standard deviation of the blur of the canvas's blocks after the step.
    next_block_blur: float = 0.0


@dataclass(frozen=True, eq=False)
class Schedule:
    """The values of all denoising steps of a stage, in arrays with one value per step."""

    # Training timesteps.
    t: np.ndarray
    # Weights of the pull to the anchor.
    c1: np.ndarray
    # Weights of the dilated views.
    c2: np.ndarray
    # Standard deviations of the blur in latent cells.
    blur: np.ndarray
    # Standard deviations of the blur of the canvas's blocks before each step, in latent cells; after the last step
    # there is no blur.
    block_blur: np.ndarray
    # Fractions of each step's output that are left at the end of the stage, after the pulls of later steps.
    survival: np.ndarray
    # The index of the first step that is carried out; earlier steps are skipped.
    first: int
    # The numbers of steps with local views and with dilated views if the setting `economy` skipped nothing.
    steps_without_economy: tuple[int, int]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps from `first` on, which are carried out."""
        columns = (self.t, self.c1, self.c2, self.blur, self.block_blur, np.append(self.block_blur, 0.0)[1:])
        rows = zip(range(len(self.t)), *(c.tolist() for c in columns), strict=True)
        return tuple(Step(*row) for row in rows)[self.first :]

    @property
    def window_steps(self) -> int:
        """The number of steps with local views."""
        return int(np.count_nonzero(self.c2[self.first :] < 1))

    @property
    def dilated_steps(self) -> int:
        """The number of steps with dilated views."""
        return int(np.count_nonzero(self.c2[self.first :] > 0))


def base_schedule(t: np.ndarray) -> Schedule:
    """Return the schedule of a stage without an anchor: one view of the whole canvas at every step."""
    none = np.zeros(len(t))
    return Schedule(t, none, none, none, none, np.ones(len(t)), 0, (len(t), 0))


def stage_schedule(
    t: np.ndarray,
    total: int,
    alphas: tuple[float, float, float],
    sigmas: tuple[float, float],
    economy: float,
    *,
    skip_residual: bool,
    dilated: bool,
    faithful: bool,
    start_fraction: float = 1.0,
) -> Schedule:
    """Return the schedule of a stage with an anchor.

    t: the training timesteps of the steps.    total: T, the number of training timesteps.
    economy: a threshold. Views with a smaller weight are left out, and so are the first steps if a smaller fraction
    of their output would be left at the end of the stage.
    start_fraction: the timestep at which the stage starts, as a fraction of T.
    """
    c = cosine(t.astype(np.float64), total)
    c1 = np.zeros(len(t))
    if skip_residual:
        c1 = c ** alphas[0] if faithful else c1_per_training_time(alphas[0], t.astype(np.float64), total)
    left = survival(c1)
    c2 = c ** alphas[1] if dilated else np.zeros(len(t))
    start = min(int(np.count_nonzero(t > start_fraction * total)), len(t) - 1)
    without = int(np.count_nonzero(c2[start:] < 1)), int(np.count_nonzero(c2[start:] > 0))
    c2 = np.where(c2 < economy, 0.0, np.where(1 - c2 < economy, 1.0, c2))
    blur = (sigmas[0] - sigmas[1]) * c ** alphas[2] + sigmas[1]
    if not faithful:
        with np.errstate(divide="ignore"):
            blur = np.where(np.exp(-0.5 / blur**2) < NEGLIGIBLE_WEIGHT, 0.0, blur)
    first = max(start, int(np.argmax(left >= economy)))
    return Schedule(t, c1, c2, blur, np.zeros(len(t)), left, first, without)


def with_block_blur(schedule: Schedule, levels: np.ndarray, strongest: float) -> Schedule:
    """Return a schedule that starts with blurred blocks and undoes the blur over its steps.

    levels, strongest: see `block_blurs`.
    """
    return replace(schedule, block_blur=block_blurs(levels, schedule.first, strongest))
