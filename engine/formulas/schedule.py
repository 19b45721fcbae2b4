"""The schedule of a stage, c1, c2, c3 and the blur, as pure functions of the timesteps (numpy only).

c(t)  = (1 + cos(pi (T - t) / T)) / 2                    1 at pure noise, 0 at the clean end
c1    = c^alpha1     pull to the enlargement (skip residual)
c1    = c^(alpha1 (1 - f) / f)      with a start image of fidelity f
c2    = c^alpha2     share of the dilated views
c3    = c^alpha3
blur  = (sigma1 - sigma2) c3 + sigma2               standard deviation in latent cells
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

PAPER_STEPS = 50
# A smaller pull moves nothing that a solver's corrector could undo.
NEGLIGIBLE_PULL = 1e-4
# In place of -log 0, which is infinite: one training step of this pull leaves nothing.
STRONGEST_RATE = 1e4
# Where a neighbouring cell has less weight than this, the blur is left out.
NEGLIGIBLE_WEIGHT = 1e-6


def cosine(t: np.ndarray, total: int) -> np.ndarray:
    """Return c(t); `total` is T, the number of training steps."""
    return (1 + np.cos(np.pi * (total - t) / total)) / 2


def c1_per_training_time(alpha1: float, t: np.ndarray, total: int) -> np.ndarray:
    """Return c1' = 1 - (1 - c1)^(50 dt / T): as strong a pull with any number of steps as the paper's with 50.

    Even steps take c1 at their beginning, as the paper does. Where some steps are much longer than others
    (Karras), each takes the integral over its time: c1' = 1 - exp(50 / T * integral of log(1 - c1) dt).
    """
    covered = t - np.append(t[1:], 0)
    if is_even(t):
        return 1 - (1 - cosine(t, total) ** alpha1) ** (PAPER_STEPS * covered / total)
    times = np.arange(total)
    with np.errstate(divide="ignore"):
        rate = np.minimum(-np.log1p(-(cosine(times, total) ** alpha1)), STRONGEST_RATE)
    integral = np.append(0, np.cumsum((rate[1:] + rate[:-1]) / 2))
    reached = np.interp(np.append(t, 0), times, integral)
    return 1 - np.exp(PAPER_STEPS / total * np.diff(reached))


def is_even(t: np.ndarray) -> bool:
    """Whether steps cover the same time but for rounding; the last may be cut short."""
    covered = t[:-1] - t[1:]
    return len(covered) == 0 or covered.max() <= 2 * covered.min()


def fidelity_exponent(alpha1: float, fidelity: float) -> float:
    """Return the exponent of c1 with a start image: at fidelity 1/2 the paper's, at 1 zero, at 0 infinite."""
    return alpha1 * (1 - fidelity) / fidelity if fidelity else np.inf


def survival(c1: np.ndarray) -> np.ndarray:
    """Return how much of each step's output is left at the stage's end: the product of 1 - c1' over later steps."""
    left = np.cumprod((1 - c1)[::-1])[::-1]
    return np.append(left[1:], 1.0)


class Step(NamedTuple):
    """One step of a stage."""

    # The step's number, from 0.
    index: int
    # The training timestep.
    t: float
    # The pull to the anchor.
    c1: float
    # The share of the dilated views; 0 leaves them out, 1 leaves the windows out.
    c2: float
    # The standard deviation of the blur that dilated views read the canvas through, in latent cells.
    blur: float


@dataclass(frozen=True, eq=False)
class Schedule:
    """The values of a stage's steps, one array each. Steps before `first` are left out."""

    t: np.ndarray
    c1: np.ndarray
    c2: np.ndarray
    blur: np.ndarray
    # How much of each step's output is left at the stage's end.
    survival: np.ndarray
    first: int
    # How many steps would see windows, and how many dilated views, if economy left nothing out.
    steps_without_economy: tuple[int, int]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that are carried out."""
        columns = (self.t, self.c1, self.c2, self.blur)
        rows = zip(range(len(self.t)), *(c.tolist() for c in columns), strict=True)
        return tuple(Step(*row) for row in rows)[self.first :]

    @property
    def window_steps(self) -> int:
        """How many steps see local views."""
        return int(np.count_nonzero(self.c2[self.first :] < 1))

    @property
    def dilated_steps(self) -> int:
        """How many steps see dilated views."""
        return int(np.count_nonzero(self.c2[self.first :] > 0))


def base_schedule(t: np.ndarray) -> Schedule:
    """Return the schedule of a stage without an anchor: one view of the whole canvas at every step."""
    none = np.zeros(len(t))
    return Schedule(t, none, none, none, np.ones(len(t)), 0, (len(t), 0))


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
    begin: float = 1.0,
) -> Schedule:
    """Return the schedule of a stage with an anchor, without the work that economy leaves out.

    begin: the share of the training time at which the stage begins.
    """
    c = cosine(t.astype(np.float64), total)
    c1 = np.zeros(len(t))
    if skip_residual:
        c1 = c ** alphas[0] if faithful else c1_per_training_time(alphas[0], t.astype(np.float64), total)
    left = survival(c1)
    c2 = c ** alphas[1] if dilated else np.zeros(len(t))
    start = min(int(np.count_nonzero(t > begin * total)), len(t) - 1)
    without = int(np.count_nonzero(c2[start:] < 1)), int(np.count_nonzero(c2[start:] > 0))
    c2 = np.where(c2 < economy, 0.0, np.where(1 - c2 < economy, 1.0, c2))
    blur = (sigmas[0] - sigmas[1]) * c ** alphas[2] + sigmas[1]
    if not faithful:
        with np.errstate(divide="ignore"):
            blur = np.where(np.exp(-0.5 / blur**2) < NEGLIGIBLE_WEIGHT, 0.0, blur)
    first = max(start, int(np.argmax(left >= economy)))
    return Schedule(t, c1, c2, blur, left, first, without)
