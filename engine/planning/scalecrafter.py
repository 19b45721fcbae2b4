"""ScaleCrafter (He et al. 2023): convolutions that reach as far, relative to the picture, as they were
trained to. The published tables, as multiples of the native side.

Up to 2.8 times the native side (a canvas of 2 x 4 is that) one factor for a few parts, which is the ratio
itself. From there on factors by part, which fall over the steps, and a second, gentler bent answer: it keeps
the detail that strong dilation loses (noise-damped guidance).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from engine.planning.patches import DilatedConvolutions, PatchContext, StepPatches, count_steps

LARGE = 8**0.5
WHOLE_NEAR = 0.05
"""A ratio this near to a whole number is taken for it: fractions cost a resize on both sides."""
LEAST = 2


@dataclass(frozen=True)
class Table:
    """parts: dilated by the ratio, in so many of the steps up to 2.25 times, and beyond.
    large: factors of parts at four times; gentle: those of them, or others, of the second answer.
    """

    parts: tuple[str, ...]
    until: tuple[float, float]
    large: Mapping[str, float] = field(hash=False)
    gentle: Mapping[str, float] = field(hash=False)
    until_large: float = 0.7


MIDDLE = ("down_blocks.1", "down_blocks.2", "down_blocks.3", "mid_block", "up_blocks.0", "up_blocks.1")
SD_PARTS = (*MIDDLE, "up_blocks.2")
SD15 = {"down_blocks.2": 3, "down_blocks.3": 4, "mid_block": 4, "up_blocks.0": 4, "up_blocks.1": 3}
SD21 = {
    "down_blocks.2": 3, "down_blocks.2.downsamplers": 4, "down_blocks.3": 4, "mid_block": 4,
    "up_blocks.0": 4, "up_blocks.1": 4, "up_blocks.2": 3,
}  # fmt: skip
TABLES = {
    "sdxl": Table(
        ("mid_block", "up_blocks.0"),
        (0.6, 0.6),
        {"down_blocks.2": 4, "mid_block": 4, "up_blocks.0": 4, "up_blocks.1": 3, "up_blocks.2": 2},
        {"mid_block": 4, "up_blocks.0": 4},
    ),
    "sd15": Table(SD_PARTS, (0.6, 0.7), {"down_blocks.1": 2, **SD15, "up_blocks.2": 2}, SD15),
    "sd21": Table(SD_PARTS, (0.4, 0.6), SD21 | {"up_blocks.3": 2}, SD21, 0.74),
}


def scalecrafter(context: PatchContext, options: Mapping[str, object]) -> StepPatches:
    """The bends of a step."""
    table = TABLES[context.architecture]
    large = context.ratio >= LARGE - WHOLE_NEAR
    published = table.until_large if large else table.until[context.ratio > 2.25]
    last = count_steps(options["bent_until"] or published, context.steps)
    if context.index >= last:
        return StepPatches()
    dispersed = bool(options["dispersed"])
    if not large:
        near = round(context.ratio)
        factor = near if abs(context.ratio - near) <= WHOLE_NEAR else context.ratio
        return StepPatches(
            (DilatedConvolutions(tuple((part, float(factor)) for part in table.parts), dispersed),)
        )
    beyond, left = max(1.0, context.ratio / 4), (last - context.index) / last

    def falling(factors: Mapping[str, float]) -> tuple[DilatedConvolutions]:
        parts = tuple(
            (part, float(max(ceil(_least(part, factor, context) * beyond * left - 1e-9), LEAST)))
            for part, factor in factors.items()
        )
        return (DilatedConvolutions(parts, dispersed),)

    return StepPatches(falling(table.large), falling(table.gentle) if options["damped"] else None)


def _least(part: str, factor: float, context: PatchContext) -> float:
    """4096 x 2048 px of SDXL takes 3 where 4096 x 4096 takes 4, in the deepest level on the way down."""
    if context.architecture == "sdxl" and part == "down_blocks.2":
        return min(factor, ceil(context.ratio - WHOLE_NEAR))
    return factor
