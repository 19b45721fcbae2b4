"""HiDiffusion (Zhang et al. 2023): inner levels see a map of the size they were trained on (RAU-Net), and the
largest attention a quarter of it at a time (MSW-MSA). Published steps, as multiples of the native side.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.planning.patches import Bend, Bends, Look, Pooled, Quartered, Strided, whole_steps

LARGE = 4
"""Times the native side, on both axes, from which the steps of large pictures hold."""


@dataclass(frozen=True)
class Body:
    """strided, pooled: the two pairs. quartered: where the largest attention is, at which level.
    small, large: the share of the steps in which (strided, pooled) are felt; strided_first: the former gives
    way to the latter, in small pictures.
    """

    strided: Strided
    pooled: Pooled
    quartered: tuple[str, ...]
    level: int
    small: tuple[float, float]
    large: tuple[float, float]
    strided_first: bool = False


SD = Body(
    Strided("down_blocks.0", "up_blocks.2", 0),
    Pooled("down_blocks.1", "up_blocks.2", 1),
    ("down_blocks.0.attentions.0", "down_blocks.0.attentions.1", "up_blocks.3.attentions.0",
     "up_blocks.3.attentions.1", "up_blocks.3.attentions.2"),
    0,
    small=(0.4, 0.0),
    large=(0.7, 0.3),
)  # fmt: skip
BODIES = {
    "sdxl": Body(
        Strided("down_blocks.1", "up_blocks.0", 1),
        Pooled("down_blocks.1", "up_blocks.1", 1),
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


def hidiffusion(look: Look, options: Mapping[str, object]) -> Bends:
    """The bends of a step."""
    body = BODIES[look.body]
    is_large = min(look.sides) >= LARGE * look.window
    strided, pooled = body.large if is_large else body.small
    if options["bent_until"]:
        longer = options["bent_until"] / max(strided, pooled)
        strided, pooled = strided * longer, pooled * longer
    is_strided = look.index < whole_steps(strided, look.steps)
    is_pooled = look.index < whole_steps(pooled, look.steps)
    if body.strided_first and not is_large:
        is_pooled = is_pooled and not is_strided
    bends: list[Bend] = [body.strided] * is_strided + [body.pooled] * is_pooled
    if options["windowed"]:
        bends.append(Quartered(body.quartered, body.level, look.key))
    return Bends(tuple(bends))
