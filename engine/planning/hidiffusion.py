"""HiDiffusion (Zhang et al. 2023): inner levels see a map of the size they were trained on (RAU-Net), and the
largest attention a quarter of it at a time (MSW-MSA). Published steps, as multiples of the native side.
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

LARGE = 4
"""Times the native side, on both axes, from which the steps of large pictures hold."""


@dataclass(frozen=True)
class Body:
    """strided, pooled: the two pairs. quartered: where the largest attention is, at which level.
    small, large: the share of the steps in which (strided, pooled) are felt; strided_first: the former gives
    way to the latter, in small pictures.
    """

    strided: StridedLevel
    pooled: PooledLevel
    quartered: tuple[str, ...]
    level: int
    small: tuple[float, float]
    large: tuple[float, float]
    strided_first: bool = False


SD = Body(
    StridedLevel("down_blocks.0", "up_blocks.2", 0),
    PooledLevel("down_blocks.1", "up_blocks.2", 1),
    ("down_blocks.0.attentions.0", "down_blocks.0.attentions.1", "up_blocks.3.attentions.0",
     "up_blocks.3.attentions.1", "up_blocks.3.attentions.2"),
    0,
    small=(0.4, 0.0),
    large=(0.7, 0.3),
)  # fmt: skip
BODIES = {
    "sdxl": Body(
        StridedLevel("down_blocks.1", "up_blocks.0", 1),
        PooledLevel("down_blocks.1", "up_blocks.1", 1),
        ("down_blocks.1.attentions.0", "down_blocks.1.attentions.1", "up_blocks.1.attentions.0",
         "up_blocks.1.attentions.1", "up_blocks.1.attentions.2"),
        1,
        small=(0.16, 0.4),
        large=(0.3, 0.7),
        strided_first=True,
    ),
    "sd15": SD,
    "sd21": SD,
}  # fmt: skip


def hidiffusion(context: PatchContext, options: Mapping[str, object]) -> StepPatches:
    """The bends of a step."""
    body = BODIES[context.architecture]
    is_large = min(context.sides) >= LARGE * context.window
    strided, pooled = body.large if is_large else body.small
    if options["bent_until"]:
        longer = options["bent_until"] / max(strided, pooled)
        strided, pooled = strided * longer, pooled * longer
    is_strided = context.index < count_steps(strided, context.steps)
    is_pooled = context.index < count_steps(pooled, context.steps)
    if body.strided_first and not is_large:
        is_pooled = is_pooled and not is_strided
    bends: list[Patch] = [body.strided] * is_strided + [body.pooled] * is_pooled
    if options["windowed"]:
        bends.append(WindowedAttention(body.quartered, body.level, context.key))
    return StepPatches(tuple(bends))
