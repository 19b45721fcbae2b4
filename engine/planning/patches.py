"""The patches of a network: temporary changes that let it see more than its native size. Plain values, no
torch; engine/network/patching applies them.

ScaleCrafter lets convolutions reach further, HiDiffusion shrinks inner levels and limits the largest attention
to windows, and attention scaling sharpens attention.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, sqrt
from typing import NamedTuple

from engine.formulas.noise import draw_quarter_shift
from engine.planning.sizes import SIZE_TOLERANCE, Size


@dataclass(frozen=True)
class DilatedConvolutions:
    """Dilate the 3x3 convolutions of parts of the network (ScaleCrafter's re-dilation)."""

    # (part, dilation factor) pairs; a later part overrides an earlier one that contains it.
    parts: tuple[tuple[str, float], ...]
    # Use 5x5 kernels at half the spacing (ScaleCrafter's convolution dispersion).
    dispersed: bool = False


@dataclass(frozen=True)
class StridedLevel:
    """Halve the feature map between two samplers (RAU-Net): `down` has stride 4 in place of 2, and `up` restores
    the size."""

    down: str
    up: str
    # The level of the network from which the map is halved, counted from 0 at the outermost.
    level: int


@dataclass(frozen=True)
class PooledLevel:
    """Halve the feature map between the attentions of two blocks (RAU-Net)."""

    down: str
    up: str
    # The level of the network that is halved, counted from 0 at the outermost.
    level: int


@dataclass(frozen=True)
class WindowedAttention:
    """Limit self-attention to windows of a quarter of the map (MSW-MSA). Windows shift at every step."""

    parts: tuple[str, ...]
    # The level of the network that these parts belong to.
    level: int
    # The key of the random draw of shifts.
    key: tuple[int | str, ...] = ()

    def shift(self, k: int) -> int:
        """Return the shift of the k-th attention's windows in quarters of a window's side: 0 to 3."""
        return draw_quarter_shift(*self.key, k)


@dataclass(frozen=True)
class ScaledAttention:
    """Scale the temperature of all self-attention to the number of tokens, so that its entropy is kept."""

    # The area of the view over the native area.
    area: float


Patch = DilatedConvolutions | StridedLevel | PooledLevel | WindowedAttention | ScaledAttention


class StepPatches(NamedTuple):
    """The patches of one step.

    With noise-damped guidance the network is called a second time, with the `mild` patches and without the
    prompt, and guidance starts from that prediction.
    """

    strong: tuple[Patch, ...] = ()
    mild: tuple[Patch, ...] | None = None


NO_PATCHES = StepPatches()


class PatchContext(NamedTuple):
    """What the patches of a step depend on."""

    # Latent cells of a local view.
    rows: int
    cols: int
    # Latent cells of the native window's side.
    window: int
    # The network's architecture: "sdxl", "sd15" or "sd21".
    architecture: str
    # The step, and how many there are.
    index: int
    steps: int
    # The key of the step's random draws.
    key: tuple[int | str, ...] = ()

    @property
    def area(self) -> float:
        """The view's area over the native area."""
        return self.rows * self.cols / self.window**2

    @property
    def ratio(self) -> float:
        """The view's mean side over the native side."""
        return sqrt(self.area)

    @property
    def sides(self) -> Size:
        return self.rows, self.cols


PatchFunction = Callable[[PatchContext, Mapping[str, object]], StepPatches]


def exceeds_native(rows: int, cols: int, window: int) -> bool:
    """Whether a view is too large for the network to see it without a patch."""
    return rows * cols > (SIZE_TOLERANCE * window) ** 2


def scaled_attention(context: PatchContext, options: Mapping[str, object]) -> StepPatches:
    """Return the patches of attention scaling (Jin et al. 2023)."""
    return StepPatches((ScaledAttention(context.area),))


def count_steps(share: float, steps: int) -> int:
    """Return how many of a stage's steps this share of them is, rounded up."""
    return ceil(share * steps - 1e-9)
