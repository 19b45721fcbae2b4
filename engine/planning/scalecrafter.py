"""ScaleCrafter (He et al. 2023): convolutions are dilated so that they see as much of the picture as in training.
The tables are those published, with sizes as multiples of the native side.

Up to 2.8 times the native side (a canvas of 2 x 4 is that) a few parts are dilated by the ratio of the sides. From
there on each part has its own factor, which falls over the steps, and a second, mildly patched prediction keeps the
detail that strong dilation loses (noise-damped guidance).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from engine.planning.patches import DilatedConvolutions, PatchContext, StepPatches, count_steps

# Ratios of a view's mean side to the native side, from which on a view is medium and large.
MEDIUM_RATIO = 2.25
LARGE_RATIO = 8**0.5
# A ratio this near to a whole number is rounded to it: other factors need the map to be resized twice.
ROUNDING_TOLERANCE = 0.05
# The smallest dilation factor of large views.
MIN_FACTOR = 2


@dataclass(frozen=True)
class DilationTable:
    """Which parts of an architecture are dilated, by how much and for how long.

    Shares are those of a stage's steps, from the first step on.
    """

    # The parts that are dilated in small and medium views, by the ratio.
    parts: tuple[str, ...]
    # The shares for views up to MEDIUM_RATIO, and from there to LARGE_RATIO.
    small_share: float
    medium_share: float
    # Dilation factors by part, at four times the native side: of the strong and of the mild prediction.
    strong_factors: Mapping[str, float] = field(hash=False)
    mild_factors: Mapping[str, float] = field(hash=False)
    # The share for views from LARGE_RATIO on.
    large_share: float = 0.7


SD_PARTS = (
    "down_blocks.1",
    "down_blocks.2",
    "down_blocks.3",
    "mid_block",
    "up_blocks.0",
    "up_blocks.1",
    "up_blocks.2",
)
SD15_MILD_FACTORS = {
    "down_blocks.2": 3,
    "down_blocks.3": 4,
    "mid_block": 4,
    "up_blocks.0": 4,
    "up_blocks.1": 3,
}
SD21_MILD_FACTORS = {
    "down_blocks.2": 3,
    "down_blocks.2.downsamplers": 4,
    "down_blocks.3": 4,
    "mid_block": 4,
    "up_blocks.0": 4,
    "up_blocks.1": 4,
    "up_blocks.2": 3,
}
TABLES_BY_ARCHITECTURE = {
    "sdxl": DilationTable(
        parts=("mid_block", "up_blocks.0"),
        small_share=0.6,
        medium_share=0.6,
        strong_factors={
            "down_blocks.2": 4,
            "mid_block": 4,
            "up_blocks.0": 4,
            "up_blocks.1": 3,
            "up_blocks.2": 2,
        },
        mild_factors={"mid_block": 4, "up_blocks.0": 4},
    ),
    "sd15": DilationTable(
        parts=SD_PARTS,
        small_share=0.6,
        medium_share=0.7,
        strong_factors={"down_blocks.1": 2, **SD15_MILD_FACTORS, "up_blocks.2": 2},
        mild_factors=SD15_MILD_FACTORS,
    ),
    "sd21": DilationTable(
        parts=SD_PARTS,
        small_share=0.4,
        medium_share=0.6,
        strong_factors={**SD21_MILD_FACTORS, "up_blocks.3": 2},
        mild_factors=SD21_MILD_FACTORS,
        large_share=0.74,
    ),
}


def scalecrafter(context: PatchContext, options: Mapping[str, object]) -> StepPatches:
    """Return ScaleCrafter's patches of one step. The option "bent_until" replaces the published share of steps."""
    table = TABLES_BY_ARCHITECTURE[context.architecture]
    share = options["bent_until"] or _published_share(table, context.ratio)
    patched_steps = count_steps(share, context.steps)
    if context.index >= patched_steps:
        return StepPatches()
    dispersed = bool(options["dispersed"])
    if not _is_large(context.ratio):
        factor = _round_ratio(context.ratio)
        return StepPatches((DilatedConvolutions(tuple((part, factor) for part in table.parts), dispersed),))
    remaining = (patched_steps - context.index) / patched_steps
    strong = DilatedConvolutions(_falling_factors(table.strong_factors, context, remaining), dispersed)
    if not options["damped"]:
        return StepPatches((strong,))
    mild = DilatedConvolutions(_falling_factors(table.mild_factors, context, remaining), dispersed)
    return StepPatches((strong,), (mild,))


def _is_large(ratio: float) -> bool:
    return ratio >= LARGE_RATIO - ROUNDING_TOLERANCE


def _published_share(table: DilationTable, ratio: float) -> float:
    """Return the share of the steps in which the network is patched for views of this ratio."""
    if _is_large(ratio):
        return table.large_share
    return table.medium_share if ratio > MEDIUM_RATIO else table.small_share


def _round_ratio(ratio: float) -> float:
    """Return the nearest whole number if it is near enough, else the ratio itself."""
    nearest = round(ratio)
    return float(nearest if abs(ratio - nearest) <= ROUNDING_TOLERANCE else ratio)


def _falling_factors(
    factors: Mapping[str, float], context: PatchContext, remaining: float
) -> tuple[tuple[str, float], ...]:
    """Return (part, dilation factor) pairs for a step of a large view.

    remaining: the share of the patched steps that is left, by which factors fall.
    """
    # The published factors are those at four times the native side. Larger views need larger ones.
    scale = max(1.0, context.ratio / 4)
    pairs = []
    for part, published in factors.items():
        factor = ceil(_limit_factor(part, published, context) * scale * remaining - 1e-9)
        pairs.append((part, float(max(factor, MIN_FACTOR))))
    return tuple(pairs)


def _limit_factor(part: str, factor: float, context: PatchContext) -> float:
    """Limit the factor of SDXL's deepest down block by the ratio: 4096 x 2048 px take 3, 4096 x 4096 px take 4."""
    if context.architecture == "sdxl" and part == "down_blocks.2":
        return min(factor, ceil(context.ratio - ROUNDING_TOLERANCE))
    return factor
