"""ScaleCrafter's patches (He et al. 2023): dilated convolutions cover as much of a large picture as in training.

A view's ratio is its mean side divided by the native side. Below a ratio of 2.8, some blocks are dilated by the
ratio. From 2.8 on, each block has its own dilation factor, which falls over the denoising steps, and a second
prediction with milder dilation keeps the detail that strong dilation loses (noise-damped guidance). The tables are
the published ones, with view sizes expressed as ratios.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from engine.planning.patches import DilatedConvolutions, PatchContext, StepPatches, count_steps

# A view with a larger ratio than this is medium.
MEDIUM_VIEW_RATIO = 2.25
# A view with at least this ratio is large; for example 2 x 4 times the native side.
LARGE_VIEW_RATIO = 8**0.5
# The largest difference at which a ratio is rounded to a whole number. With a dilation factor that is not whole, the
# feature map must be resized twice.
ROUNDING_TOLERANCE = 0.05
# The smallest dilation factor in large views.
MIN_LARGE_VIEW_FACTOR = 2


@dataclass(frozen=True)
class DilationTable:
    """The blocks of an architecture that are dilated, their dilation factors, and the fraction of patched steps.

    The patched steps are the first ones of a stage.
    """

    # The names of the blocks that are dilated in small and medium views; their factor is the view's ratio.
    parts: tuple[str, ...]
    # The fraction of a stage's steps with patches for small views, up to MEDIUM_VIEW_RATIO.
    small_view_fraction: float
    # The same fraction for medium views, between MEDIUM_VIEW_RATIO and LARGE_VIEW_RATIO.
    medium_view_fraction: float
    # For large views: dilation factors by block, at four times the native side, of the usual predictions.
    strong_factors: Mapping[str, float] = field(hash=False)
    # For large views: dilation factors by block of the second, milder prediction of noise-damped guidance.
    mild_factors: Mapping[str, float] = field(hash=False)
    # The fraction of a stage's steps with patches for large views, from LARGE_VIEW_RATIO on.
    large_view_fraction: float = 0.7


# The blocks of SD 1 and SD 2 that are dilated in small and medium views.
SD_PARTS = (
    "down_blocks.1",
    "down_blocks.2",
    "down_blocks.3",
    "mid_block",
    "up_blocks.0",
    "up_blocks.1",
    "up_blocks.2",
)
# DilationTable.mild_factors of SD 1.5.
SD15_MILD_FACTORS = {
    "down_blocks.2": 3,
    "down_blocks.3": 4,
    "mid_block": 4,
    "up_blocks.0": 4,
    "up_blocks.1": 3,
}
# DilationTable.mild_factors of SD 2.1.
SD21_MILD_FACTORS = {
    "down_blocks.2": 3,
    "down_blocks.2.downsamplers": 4,
    "down_blocks.3": 4,
    "mid_block": 4,
    "up_blocks.0": 4,
    "up_blocks.1": 4,
    "up_blocks.2": 3,
}
# The published tables by Facts.architecture.
TABLES_BY_ARCHITECTURE = {
    "sdxl": DilationTable(
        parts=("mid_block", "up_blocks.0"),
        small_view_fraction=0.6,
        medium_view_fraction=0.6,
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
        small_view_fraction=0.6,
        medium_view_fraction=0.7,
        strong_factors={"down_blocks.1": 2, **SD15_MILD_FACTORS, "up_blocks.2": 2},
        mild_factors=SD15_MILD_FACTORS,
    ),
    "sd21": DilationTable(
        parts=SD_PARTS,
        small_view_fraction=0.4,
        medium_view_fraction=0.6,
        strong_factors={**SD21_MILD_FACTORS, "up_blocks.3": 2},
        mild_factors=SD21_MILD_FACTORS,
        large_view_fraction=0.74,
    ),
}


def scalecrafter(context: PatchContext, options: Mapping[str, Any]) -> StepPatches:
    """Return ScaleCrafter's patches of one denoising step.

    The option "bent_until" is the fraction of the steps with dilated convolutions; 0 means the published fraction.
    """
    table = TABLES_BY_ARCHITECTURE[context.architecture]
    fraction = options["bent_until"] or _published_fraction(table, context.ratio)
    patched_steps = count_steps(fraction, context.steps)
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
    """Return whether a view with this ratio counts as large."""
    return ratio >= LARGE_VIEW_RATIO - ROUNDING_TOLERANCE


def _published_fraction(table: DilationTable, ratio: float) -> float:
    """Return the published fraction of the steps with patches, for a view with this ratio."""
    if _is_large(ratio):
        return table.large_view_fraction
    return table.medium_view_fraction if ratio > MEDIUM_VIEW_RATIO else table.small_view_fraction


def _round_ratio(ratio: float) -> float:
    """Return a ratio, rounded to a whole number if the difference is at most ROUNDING_TOLERANCE."""
    nearest = round(ratio)
    return float(nearest if abs(ratio - nearest) <= ROUNDING_TOLERANCE else ratio)


def _falling_factors(
    factors: Mapping[str, float], context: PatchContext, remaining: float
) -> tuple[tuple[str, float], ...]:
    """Return (block, dilation factor) pairs for one step of a large view; the factors fall from step to step.

    factors: the published factors by block.
    remaining: the fraction of the patched steps that is still ahead; the factors are multiplied by it.
    """
    # The published factors are for four times the native side. Larger views need larger factors.
    scale = max(1.0, context.ratio / 4)
    pairs = []
    for part, published in factors.items():
        factor = ceil(_limit_factor(part, published, context) * scale * remaining - 1e-9)
        pairs.append((part, float(max(factor, MIN_LARGE_VIEW_FACTOR))))
    return tuple(pairs)


def _limit_factor(part: str, factor: float, context: PatchContext) -> float:
    """Return a factor, limited for SDXL's deepest down block: to 3 for 4096 x 2048 px, to 4 for 4096 x 4096 px."""
    if context.architecture == "sdxl" and part == "down_blocks.2":
        return min(factor, ceil(context.ratio - ROUNDING_TOLERANCE))
    return factor
