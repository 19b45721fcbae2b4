"""HiDiffusion (Zhang et al. 2023): inner levels of the network see a map of the size that they were trained on
(RAU-Net), and the largest self-attention is limited to windows (MSW-MSA). The schedules are those published, with
sizes as multiples of the native side.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.planning.patches import (
    Patch,
    PatchContext,
    PooledLevel,
    StepPatches,
    StridedLevel,
    WindowedAttention,
    count_steps,
)

# From this multiple of the native side on, along both axes, a view is large.
LARGE = 4


@dataclass(frozen=True)
class PatchedBlocks:
    """Which blocks of an architecture HiDiffusion patches, and for how long.

    Shares are those of a stage's steps, from the first step on, for (strided, pooled).
    """

    strided: StridedLevel
    pooled: PooledLevel
    # The parts with the largest self-attention, and the level of the network that they belong to.
    windowed: tuple[str, ...]
    windowed_level: int
    # The shares for views up to LARGE times the native side, and for larger ones.
    small_shares: tuple[float, float]
    large_shares: tuple[float, float]
    # Whether in small views the pooled level waits until the strided level has ended.
    takes_turns: bool = False


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
    small_shares=(0.4, 0.0),
    large_shares=(0.7, 0.3),
)
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
    small_shares=(0.16, 0.4),
    large_shares=(0.3, 0.7),
    takes_turns=True,
)
BLOCKS_BY_ARCHITECTURE = {"sdxl": SDXL_BLOCKS, "sd15": SD_BLOCKS, "sd21": SD_BLOCKS}


def hidiffusion(context: PatchContext, options: Mapping[str, object]) -> StepPatches:
    """Return HiDiffusion's patches of one step.

    The option "bent_until" replaces the larger of the two shares and scales the other one alike.
    """
    blocks = BLOCKS_BY_ARCHITECTURE[context.architecture]
    is_large = min(context.sides) >= LARGE * context.window
    strided_share, pooled_share = blocks.large_shares if is_large else blocks.small_shares
    if options["bent_until"]:
        scale = options["bent_until"] / max(strided_share, pooled_share)
        strided_share *= scale
        pooled_share *= scale
    is_strided = context.index < count_steps(strided_share, context.steps)
    is_pooled = context.index < count_steps(pooled_share, context.steps)
    if blocks.takes_turns and not is_large and is_strided:
        is_pooled = False
    patches: list[Patch] = []
    if is_strided:
        patches.append(blocks.strided)
    if is_pooled:
        patches.append(blocks.pooled)
    if options["windowed"]:
        patches.append(WindowedAttention(blocks.windowed, blocks.windowed_level, context.key))
    return StepPatches(tuple(patches))
