"""The patches of a network: temporary changes that let the network process views above its native size.

ScaleCrafter dilates convolutions, HiDiffusion halves inner feature maps and limits the largest self-attention to
windows, and attention scaling sharpens self-attention. The patches are plain values without torch;
engine/network/patching applies them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, NamedTuple

from engine.formulas.noise import draw_quarter_shift
from engine.planning.sizes import SIZE_TOLERANCE, Size


@dataclass(frozen=True)
class DilatedConvolutions:
    """Dilates the 3x3 convolutions of some blocks of the network (ScaleCrafter's re-dilation)."""

    # (block, dilation factor) pairs, with blocks by name: "mid_block", or "down_blocks.2.downsamplers" for a block's
    # downsamplers alone. A later pair overrides an earlier pair for the same convolutions.
    parts: tuple[tuple[str, float], ...]
    # Whether to use 5x5 kernels at half the spacing (ScaleCrafter's convolution dispersion).
    dispersed: bool = False


@dataclass(frozen=True)
class StridedLevel:
    """Halves the feature map between a downsampler and an upsampler (HiDiffusion's RAU-Net).

    The downsampler has stride 4 in place of 2, and the upsampler restores the size.
    """

    # The name of the block that contains the downsampler.
    down_block: str
    # The name of the block that contains the upsampler.
    up_block: str
    # The level of the network, counted from 0 at full size, after which the downsampler comes. All deeper levels
    # are halved.
    level: int


@dataclass(frozen=True)
class PooledLevel:
    """Halves the feature map between the attentions of two blocks (HiDiffusion's RAU-Net).

    The map is average-pooled after the first attention of the down block, and enlarged to its old size after the
    second attention of the up block.
    """

    # The name of the block after whose first attention the map is pooled.
    down_block: str
    # The name of the block after whose second attention the map has its old size again.
    up_block: str
    # The level of the network that both blocks belong to, counted from 0 at full size.
    level: int


@dataclass(frozen=True)
class WindowedAttention:
    """Limits self-attention to windows of a quarter of the feature map (HiDiffusion's MSW-MSA).

    The windows are shifted at random, differently at every denoising step.
    """

    # The names of the transformers whose self-attention is limited, such as "down_blocks.1.attentions.0".
    parts: tuple[str, ...]
    # The level of the network that these transformers belong to, counted from 0 at full size.
    level: int
    # The key that determines the random shifts.
    random_key: tuple[int | str, ...] = ()

    def shift(self, k: int) -> int:
        """Return the shift of the windows of the k-th self-attention, in quarters of a window's side: 0 to 3."""
        return draw_quarter_shift(*self.random_key, k)


@dataclass(frozen=True)
class ScaledAttention:
    """Changes the temperature of all self-attention with the number of tokens, which keeps the entropy."""

    # The view's area divided by the native area.
    area: float


# One patch of the network.
Patch = DilatedConvolutions | StridedLevel | PooledLevel | WindowedAttention | ScaledAttention


class StepPatches(NamedTuple):
    """The patches of the network at one denoising step."""

    # The patches for the usual predictions, with and without the prompt.
    strong: tuple[Patch, ...] = ()
    # The patches for the additional prediction of noise-damped guidance, which is made without the prompt and is
    # what guidance starts from; None without noise-damped guidance.
    mild: tuple[Patch, ...] | None = None


# The patches of a step at which the network is unchanged.
NO_PATCHES = StepPatches()


class PatchContext(NamedTuple):
    """What determines how the network is patched at a denoising step."""

    # The rows of a local view in latent cells.
    rows: int
    # The columns of a local view in latent cells.
    cols: int
    # The native side in latent cells.
    window: int
    # The network's architecture: "sdxl", "sd15" or "sd21".
    architecture: str
    # The number of the denoising step, from 0.
    index: int  # pyright: ignore[reportIncompatibleMethodOverride]  # tuple.index is not used
    # The number of denoising steps of the stage.
    steps: int
    # The key that determines the random draws of this step.
    random_key: tuple[int | str, ...] = ()

    @property
    def area(self) -> float:
        """The view's area divided by the native area."""
        return self.rows * self.cols / self.window**2

    @property
    def ratio(self) -> float:
        """The view's mean side (the root of its area) divided by the native side."""
        return sqrt(self.area)

    @property
    def sides(self) -> Size:
        """The view's (rows, columns) in latent cells."""
        return self.rows, self.cols


# A function that returns the patches of one denoising step, from the context and the recipe's options by name.
PatchFunction = Callable[[PatchContext, Mapping[str, Any]], StepPatches]


def exceeds_native(rows: int, cols: int, window: int) -> bool:
    """Return whether a view is larger than about the native size, so that the network needs patches.

    rows, cols: the view's size in latent cells.    window: the native side in latent cells.
    """
    return rows * cols > (SIZE_TOLERANCE * window) ** 2


def scaled_attention(context: PatchContext, options: Mapping[str, Any]) -> StepPatches:
    """Return the patches of attention scaling (Jin et al. 2023), which are the same at every step."""
    return StepPatches((ScaledAttention(context.area),))


def count_steps(fraction: float, steps: int) -> int:
    """Return the number of steps that is a fraction of all `steps`, rounded up."""
    return ceil(fraction * steps - 1e-9)
