"""HiDiffusion's patches (Zhang et al. 2023).

The feature maps of inner levels are reduced to about the size of training (RAU-Net), and the largest self-attention
is limited to windows (MSW-MSA). Blocks and numbers of steps are the published ones, with view sizes expressed as
multiples of the native side.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.planning.patches import (
    Patch,
    PatchContext,
    PooledLevel,
    StepPatches,
    StridedLevel,
    WindowedAttention,
    count_steps,
)

# A view counts as large if both its sides are at least this many times the native side.
LARGE_VIEW_SCALE = 4


@dataclass(frozen=True)
class PatchedBlocks:
    """The blocks of an architecture that HiDiffusion patches, and the steps at which it patches them.

    `strided` and `pooled` are patched in the first steps of a stage, `windowed` in all steps.
    """

    # The patch of a downsampler and an upsampler.
    strided: StridedLevel
    # The patch of two blocks of one level.
    pooled: PooledLevel
    # The names of the transformers with the largest self-attention, which is limited to windows.
    windowed: tuple[str, ...]
    # The level of the network that these transformers belong to, counted from 0 at full size.
    windowed_level: int
    # For views that are not large: the fractions of a stage's steps in which (strided, pooled) are patched.
    small_view_fractions: tuple[float, float]
    # The same fractions for large views (see LARGE_VIEW_SCALE).
    large_view_fractions: tuple[float, float]
    # Whether, in views that are not large, `pooled` is patched only after the steps in which `strided` is patched.
    takes_turns: bool = False


# The published blocks of SD 1 and SD 2.
SD_BLOCKS = PatchedBlocks(
    strided=StridedLevel("down_blocks.0", "up_blocks.2", 0),
    pooled=PooledLevel("down_blocks.1", "up_blocks.2", 1),
    windowed=(
        "down_blocks.0.attentions.0",
        "down_blocks.0.attentions.1",
        "up_blocks.3.attentions.0",
        "up_blocks.3.attentions.1",
        "up_blocks.3.attentions.2",
    ),
    windowed_level=0,
    small_view_fractions=(0.4, 0.0),
    large_view_fractions=(0.7, 0.3),
)
# The published blocks of SDXL.
SDXL_BLOCKS = PatchedBlocks(
    strided=StridedLevel("down_blocks.1", "up_blocks.0", 1),
    pooled=PooledLevel("down_blocks.1", "up_blocks.1", 1),
    windowed=(
        "down_blocks.1.attentions.0",
        "down_blocks.1.attentions.1",
        "up_blocks.1.attentions.0",
        "up_blocks.1.attentions.1",
        "up_blocks.1.attentions.2",
    ),
    windowed_level=1,
    small_view_fractions=(0.16, 0.4),
    large_view_fractions=(0.3, 0.7),
    takes_turns=True,
)
# The patched blocks by Facts.architecture.
BLOCKS_BY_ARCHITECTURE = {"sdxl": SDXL_BLOCKS, "sd15": SD_BLOCKS, "sd21": SD_BLOCKS}


def hidiffusion(context: PatchContext, options: Mapping[str, Any]) -> StepPatches:
    """Return HiDiffusion's patches of one denoising step.

    The option "bent_until" is the fraction of the steps with patches. If it is not 0, it replaces the larger of the
    two published fractions, and the smaller one is changed in proportion.
    """
    blocks = BLOCKS_BY_ARCHITECTURE[context.architecture]
    is_large = min(context.sides) >= LARGE_VIEW_SCALE * context.window
    fractions = blocks.large_view_fractions if is_large else blocks.small_view_fractions
    strided_fraction, pooled_fraction = fractions
    if options["bent_until"]:
        scale = options["bent_until"] / max(fractions)
        strided_fraction *= scale
        pooled_fraction *= scale
    is_strided = context.index < count_steps(strided_fraction, context.steps)
    is_pooled = context.index < count_steps(pooled_fraction, context.steps)
    if blocks.takes_turns and not is_large and is_strided:
        is_pooled = False
    patches: list[Patch] = []
    if is_strided:
        patches.append(blocks.strided)
    if is_pooled:
        patches.append(blocks.pooled)
    if options["windowed"]:
        patches.append(WindowedAttention(blocks.windowed, blocks.windowed_level, context.random_key))
    return StepPatches(tuple(patches))
