"""What happens when in a stage: c1, c2, c3 and the blur, as pure functions of the timesteps (numpy only).

c(t)  = (1 + cos(pi (T - t) / T)) / 2                    1 at pure noise, 0 at the clean end
c1    = c^alpha1     pull to the enlargement              c2 = c^alpha2     share of the lattices
c1    = c^(alpha1 (1 - f) / f)      under a start picture, f being its fidelity
blur  = (sigma1 - sigma2) c^alpha3 + sigma2               deviation, in cells
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

PAPER_STEPS = 50
# Below this a pull moves nothing that a corrector could undo.
FELT = 1e-4
# In place of -log 0: one training step of it leaves nothing.
FIRMEST = 1e4
# A neighbour with less weight than this makes the blur an identity.
UNSEEN = 1e-6


def cosine(t: np.ndarray, total: int) -> np.ndarray:
    return (1 + np.cos(np.pi * (total - t) / total)) / 2


def per_training_time(alpha1: float, t: np.ndarray, total: int) -> np.ndarray:
    """c1' = 1 - (1 - c1)^(50 dt / T): the paper's pull at 50 uniform steps, as firm at any other number.

    Even steps take c1 where they begin, as the paper's do. Where some are much longer than others (Karras), a
    long one's beginning is that of several even ones: c1' = 1 - exp(50 / T * integral of log(1 - c1) dt).
    """
    covered = t - np.append(t[1:], 0)
    if is_even(t):
        return 1 - (1 - cosine(t, total) ** alpha1) ** (PAPER_STEPS * covered / total)
    times = np.arange(total)
    with np.errstate(divide="ignore"):
        firm = np.minimum(-np.log1p(-(cosine(times, total) ** alpha1)), FIRMEST)
    reached = np.interp(np.append(t, 0), times, np.append(0, np.cumsum((firm[1:] + firm[:-1]) / 2)))
    return 1 - np.exp(PAPER_STEPS / total * np.diff(reached))


def is_even(t: np.ndarray) -> bool:
    """Whether steps cover the same time but for rounding; the last may be cut short."""
    covered = t[:-1] - t[1:]
    return len(covered) == 0 or covered.max() <= 2 * covered.min()


def exponent(alpha1: float, fidelity: float) -> float:
    """Of c1 under a start picture: 1/2 is the paper's, 1 always holds, 0 never does."""
    return alpha1 * (1 - fidelity) / fidelity if fidelity else np.inf


def survival(pull: np.ndarray) -> np.ndarray:
    """How much of each step's output is left at the stage's end: the product of 1 - c1' over later steps."""
    left = np.cumprod((1 - pull)[::-1])[::-1]
    return np.append(left[1:], 1.0)


class Step(NamedTuple):
    """One step of a stage. `lattices` is their share; 0 leaves them out, 1 leaves the windows out."""

    index: int
    t: float
    pull: float
    lattices: float
    blur: float


@dataclass(frozen=True, eq=False)
class Schedule:
    """A stage over its steps; steps before `first` are left out.

    steps_without_economy: how many would see windows, and lattices, if nothing were left out.
    """

    t: np.ndarray
    pull: np.ndarray
    lattices: np.ndarray
    blur: np.ndarray
    survival: np.ndarray
    first: int
    steps_without_economy: tuple[int, int]

    @property
    def steps(self) -> list[Step]:
        columns = (self.t, self.pull, self.lattices, self.blur)
        rows = zip(range(len(self.t)), *(c.tolist() for c in columns), strict=True)
        return [Step(*row) for row in rows][self.first :]

    @property
    def window_steps(self) -> int:
        return int(np.count_nonzero(self.lattices[self.first :] < 1))

    @property
    def lattice_steps(self) -> int:
        return int(np.count_nonzero(self.lattices[self.first :] > 0))


def of_base(t: np.ndarray) -> Schedule:
    """A stage that nothing is known of before: one view of the whole canvas at every step."""
    none = np.zeros(len(t))
    return Schedule(t, none, none, none, np.ones(len(t)), 0, (len(t), 0))


def lay(
    t: np.ndarray,
    total: int,
    alphas: tuple[float, float, float],
    sigmas: tuple[float, float],
    economy: float,
    *,
    pulls: bool,
    lattices: bool,
    faithful: bool,
    begin: float = 1.0,
) -> Schedule:
    """The schedule of a stage that has an anchor, with what economy leaves out left out.

    begin: the share of the training time at which it starts.
    """
    c = cosine(t.astype(np.float64), total)
    pull = np.zeros(len(t))
    if pulls:
        pull = c ** alphas[0] if faithful else per_training_time(alphas[0], t.astype(np.float64), total)
    left = survival(pull)
    share = c ** alphas[1] if lattices else np.zeros(len(t))
    start = min(int(np.count_nonzero(t > begin * total)), len(t) - 1)
    without = int(np.count_nonzero(share[start:] < 1)), int(np.count_nonzero(share[start:] > 0))
    share = np.where(share < economy, 0.0, np.where(1 - share < economy, 1.0, share))
    blur = (sigmas[0] - sigmas[1]) * c ** alphas[2] + sigmas[1]
    if not faithful:
        with np.errstate(divide="ignore"):
            blur = np.where(np.exp(-0.5 / blur**2) < UNSEEN, 0.0, blur)
    first = max(start, int(np.argmax(left >= economy)))
    return Schedule(t, pull, share, blur, left, first, without)
