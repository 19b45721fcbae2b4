"""Estimate what a stage and a plan cost: calls of the network, computation, memory. No torch.

An evaluation passes one latent through the network once. Computation is measured in tile areas: an evaluation at
native size costs 1, a larger one costs as many tile areas as its view has native areas. A call is one forward pass
of a batch of views.
"""

from collections.abc import Iterable
from dataclasses import replace
from math import ceil

from engine.catalogue.upscalers import upscaler_work
from engine.errors import BadRecipe
from engine.planning.controlnets import controlnet_for
from engine.planning.enlargement import network_pixels
from engine.planning.patches import Patch, PooledLevel, StridedLevel, WindowedAttention
from engine.planning.plan import Plan, plan
from engine.planning.sizes import SIZE_TOLERANCE, Size
from engine.planning.stage import Stage

# The number of float32 canvases in memory at once: predictions and their sums, canvas, anchor, noise, solver history.
CANVASES = 16
# Bytes in memory per px of the decoded picture, for the picture and its tiles in float32 and in 8 bits.
PIXEL_BYTES = 40
# The cost of a ControlNet relative to the network's: half a network, and the control map's encoder.
CONTROLNET_COST = 0.6
# The fraction of a level's cost that a PooledLevel reduces: between the first attention of the down block and the
# second attention of the up block.
INNER_FRACTION = 3 / 5
# The number of smaller sizes that are tried when a size does not fit into memory.
SIZES_TRIED = 48

# The fractions of an evaluation's cost at native size that one level of the network takes: the fraction that grows
# with the area, and the fraction (attention) that grows with the area's square.
LevelCost = tuple[float, float]


def network_call_count(stage: Stage) -> int:
    """Return the number of calls of the network in a stage; each call has a batch of up to `view_batch` views."""
    schedule, batch = stage.schedule, stage.view_batch
    window_calls = ceil(stage.window_count / batch) * (schedule.window_steps + stage.damped_steps)
    return window_calls + ceil(stage.dilated_view_count / batch) * schedule.dilated_steps


def tile_areas(stage: Stage) -> float:
    """Return the cost of a stage in tile areas (1 is one evaluation at native size), without ControlNets."""
    return _tile_areas(stage, stage.schedule.window_steps, stage.schedule.dilated_steps)


def tile_areas_saved(stage: Stage) -> float:
    """Return the tile areas that the setting `economy` saves in a stage."""
    return _tile_areas(stage, *stage.schedule.steps_without_economy) - tile_areas(stage)


def fraction_saved_by_economy(plan: Plan) -> float:
    """Return the fraction (0 to 1) of a plan's tile areas that the setting `economy` saves."""
    saved = sum(map(tile_areas_saved, plan.stages))
    total = saved + sum(map(tile_areas, plan.stages))
    return saved / total if total else 0.0


def relative_cost(stage: Stage) -> float:
    """Return the cost of a stage in tile areas (1 is one evaluation at native size).

    ControlNets and the upscaler are included.
    """
    return denoising_cost(stage) + upscaling_cost(stage)


def denoising_cost(stage: Stage) -> float:
    """Return the cost of a stage's denoising in tile areas, ControlNets included.

    Each ControlNet counts only at the steps at which its control is active.
    """
    if not stage.controls:
        return tile_areas(stage)
    total, steps = len(stage.schedule.t), stage.steps
    active = sum(control.is_active(step.index, total) for control in stage.controls for step in steps)
    return tile_areas(stage) * (1 + CONTROLNET_COST * active / max(1, len(steps)))


def upscaling_cost(stage: Stage) -> float:
    """Return the cost in tile areas of the upscaler that enlarges the picture below; 0 without one.

    If the size of the picture below is not known, one pass of the network is assumed.
    """
    if not stage.upscaler:
        return 0.0
    (factor, megaflops, surroundings), (height, width) = upscaler_work(stage.upscaler), stage.size
    below = stage.size_below or (ceil(height / factor), ceil(width / factor))
    if factor == 1:
        return 0.0
    px = network_pixels(below, stage.size, factor, surroundings)
    return px * megaflops / (1000 * stage.facts.gigaflops)


def stage_memory(stage: Stage) -> int:
    """Return an estimate of a stage's peak memory in bytes.

    It is the memory of weights and canvases, plus that of the network or of the decoder, the larger of the two.
    """
    footprint, (height, width) = stage.facts.footprint, stage.size
    batches = (min(stage.view_batch, views) for views in (stage.window_count, stage.dilated_view_count))
    cells = max(views * cells for views, cells in zip(batches, _view_cells(stage), strict=True))
    working = stage.guidance_passes * cells * footprint.per_cell * (1 + CONTROLNET_COST * len(stage.controls))
    if stage.upscales:  # The network is not called.
        working = 0.0
    decoding = min(height * width, stage.facts.native_side**2) * footprint.per_px
    canvases = 4 * CANVASES * stage.rows * stage.cols * stage.facts.channels + PIXEL_BYTES * height * width
    return int(footprint.weights + _controlnet_bytes(stage) + canvases + max(working, decoding))


def peak_memory(stages: Iterable[Stage]) -> int:
    """Return an estimate of the peak memory, in bytes, of a run with these stages."""
    return max(map(stage_memory, stages))


def evaluation_areas(levels: tuple[LevelCost, ...], area: float, patches: tuple[Patch, ...] = ()) -> float:
    """Return the cost in tile areas of evaluating one view once.

    levels: the cost of each level of the network, outermost first.    area: the view's area over the native area.
    patches: the patches of the network in this evaluation.
    For views of about native size the cost is `area`; for larger ones the cost of attention grows with area².
    """
    if area <= SIZE_TOLERANCE**2:
        return area
    total, inner = 0.0, area
    for k, (linear, square) in enumerate(levels):
        level_patches = [patch for patch in patches if getattr(patch, "level", None) == k]
        if any(isinstance(patch, WindowedAttention) for patch in level_patches):
            square /= 4
        is_pooled = any(isinstance(patch, PooledLevel) for patch in level_patches)
        inner_fraction = INNER_FRACTION if is_pooled else 0.0
        total += (1 - inner_fraction) * (linear * inner + square * inner**2)
        if is_pooled:
            inner /= 4
            total += inner_fraction * (linear * inner + square * inner**2)
        if any(isinstance(patch, StridedLevel) for patch in level_patches):
            inner /= 4
    return total


def largest_fitting(whole: Plan, failed: Stage, free: int | None) -> Size | None:
    """Return the largest (height, width) in px that fits into memory, for a stage that did not fit.

    whole: the plan.    failed: the stage that did not fit.    free: the free bytes; None if unknown.
    The result is smaller than the failed stage and larger than the previous stage; None if no such size fits. Views
    are assumed to be evaluated one at a time. The failed stage needed more memory than estimated, so a size fits
    only if its estimate is at most nine tenths of the failed stage's estimate.
    """
    limit = int(0.9 * _memory_of_one_view(failed))
    budget = limit if free is None else min(limit, free + failed.facts.footprint.weights)
    least = whole.stages[failed.number - 2].scale if failed.number > 1 else 0.0
    for k in range(1, SIZES_TRIED):
        scale = failed.scale - (failed.scale - least) * k / SIZES_TRIED
        tried = _stage_at(whole, failed, scale)
        if tried and _memory_of_one_view(tried) <= budget:
            return tried.size
    return None


def _stage_at(whole: Plan, failed: Stage, scale: float) -> Stage | None:
    """Return the last stage of a plan like `whole` that ends at `scale` in place of the failed stage's scale.

    None if there is no such plan.
    """
    smaller = tuple(stage.scale for stage in whole.stages[: failed.number - 1])
    height, width = (
        round(cells * scale / failed.scale) * whole.facts.cell for cells in (failed.rows, failed.cols)
    )
    scales = () if failed.faithful else (*smaller, scale)
    try:
        return plan(replace(whole.recipe, width=width, height=height, scales=scales), whole.facts).stages[-1]
    except BadRecipe:
        return None


def _memory_of_one_view(stage: Stage) -> int:
    """Return an estimate of a stage's peak memory in bytes if views are evaluated one at a time."""
    return stage_memory(replace(stage, recipe=replace(stage.recipe, view_batch=1)))


def _tile_areas(stage: Stage, window_steps: int, dilated_steps: int) -> float:
    """Return the cost of a stage in tile areas, for these numbers of steps with local and with dilated views."""
    window_cells, dilated_cells = _view_cells(stage)
    dilated = (
        stage.guidance_passes
        * stage.dilated_view_count
        * dilated_steps
        * dilated_cells
        / stage.facts.window**2
    )
    return stage.window_count * window_steps * _local_areas(stage, window_cells) + dilated


def _local_areas(stage: Stage, cells: int) -> float:
    """Return the cost in tile areas of one local view at one step, guidance passes included; the mean over steps.

    cells: the number of latent cells of the view.
    """
    area, levels = cells / stage.facts.window**2, stage.facts.level_costs
    steps = [stage.patches[step.index] for step in stage.steps if step.c2 < 1]
    if not stage.method.network or not steps:
        return stage.guidance_passes * evaluation_areas(levels, area)
    total = 0.0
    for patches in steps:
        total += stage.guidance_passes * evaluation_areas(levels, area, patches.strong)
        if patches.mild is not None:
            total += evaluation_areas(levels, area, patches.mild)
    return total / len(steps)


def _view_cells(stage: Stage) -> tuple[int, int]:
    """Return the number of latent cells of a local view, and of a dilated view (0 if there are none)."""
    if stage.sees_whole_canvas and stage.dilation == 1:
        return stage.rows * stage.cols, 0
    dilated = ceil(stage.rows / stage.dilation) * ceil(stage.cols / stage.dilation)
    return stage.window[0] * stage.window[1], dilated


def _controlnet_bytes(stage: Stage) -> int:
    """Return the bytes of the weights of the ControlNets that a stage uses."""
    facts = stage.facts
    return sum(controlnet_for(control, facts).weight_bytes(facts.dtype) for control in stage.controls)
