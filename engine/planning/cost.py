"""What a stage and a plan cost: calls of the network, tile areas, memory. No torch.

An evaluation is one latent through the network once; a tile area weighs it by its area over the native area;
a call is one forward pass of a batch of views.
"""

from collections.abc import Iterable
from dataclasses import replace
from math import ceil

from engine.errors import BadRecipe
from engine.planning.controlnets import controlnet_for
from engine.planning.patches import Patch, PooledLevel, StridedLevel, WindowedAttention
from engine.planning.plan import Plan, plan
from engine.planning.sizes import SIZE_TOLERANCE, Size
from engine.planning.stage import Stage

# Float32 canvases in memory at once: two predictions and their sums, canvas, anchor, noise, solver history.
CANVASES = 16
# Bytes of a px of a decoded picture and its tiles, in float32 and in 8 bits.
PIXEL_BYTES = 40
# A ControlNet's share of an evaluation's work: half a network, and the map from px to latent cells.
CONTROLNET_WORK = 0.6
# The share of a level's work between the first attention on the way down and the second on the way up.
INNER_SHARE = 3 / 5
# How many smaller sizes are tried when one does not fit into memory.
SIZES_TRIED = 48

# The shares of a native evaluation that one level of the network takes: in proportion to the area, and (its
# attention) to the area's square. The first level is the outermost.
Level = tuple[float, float]


def calls(stage: Stage) -> int:
    """Return how many times the network is called."""
    schedule, batch = stage.schedule, stage.view_batch
    window_calls = ceil(stage.windows / batch) * (schedule.window_steps + stage.damped_steps)
    return window_calls + ceil(stage.dilated_views / batch) * schedule.dilated_steps


def tile_areas(stage: Stage) -> float:
    """Return the evaluations of a stage, each weighed by its area over the native area."""
    return _tile_areas(stage, stage.schedule.window_steps, stage.schedule.dilated_steps)


def tile_areas_saved(stage: Stage) -> float:
    """Return the tile areas that economy leaves out."""
    return _tile_areas(stage, *stage.schedule.steps_without_economy) - tile_areas(stage)


def economy_saves(plan: Plan) -> float:
    """Return the share of a plan's tile areas that economy leaves out."""
    saved = sum(map(tile_areas_saved, plan.stages))
    return saved / (saved + sum(map(tile_areas, plan.stages)))


def work(stage: Stage) -> float:
    """Return the tile areas of a stage, with those of its ControlNets at the steps in which they act."""
    if not stage.controls:
        return tile_areas(stage)
    total, steps = len(stage.schedule.t), stage.steps
    active = sum(control.is_active(step.index, total) for control in stage.controls for step in steps)
    return tile_areas(stage) * (1 + CONTROLNET_WORK * active / max(1, len(steps)))


def memory(stage: Stage) -> int:
    """Return an estimate of a stage's peak memory in bytes: weights, canvases, and the network or the decoder."""
    footprint, (height, width) = stage.facts.footprint, stage.size
    batches = (min(stage.view_batch, views) for views in (stage.windows, stage.dilated_views))
    cells = max(views * cells for views, cells in zip(batches, _view_cells(stage), strict=True))
    working = stage.guidance_passes * cells * footprint.per_cell * (1 + CONTROLNET_WORK * len(stage.controls))
    decoding = min(height * width, stage.facts.native**2) * footprint.per_px
    canvases = 4 * CANVASES * stage.rows * stage.cols * stage.facts.channels + PIXEL_BYTES * height * width
    return int(footprint.weights + _controlnet_bytes(stage) + canvases + max(working, decoding))


def peak_memory(stages: Iterable[Stage]) -> int:
    """Return an estimate of the peak memory of a run of these stages in bytes."""
    return max(map(memory, stages))


def evaluation_areas(levels: tuple[Level, ...], area: float, patches: tuple[Patch, ...] = ()) -> float:
    """Return the tile areas of one evaluation of a view, whose area over the native one is given.

    Attention grows with the square of the area. For views of about native size the cost is the area.
    """
    if area <= SIZE_TOLERANCE**2:
        return area
    total, inner = 0.0, area
    for k, (linear, square) in enumerate(levels):
        here = [patch for patch in patches if getattr(patch, "level", None) == k]
        if any(isinstance(patch, WindowedAttention) for patch in here):
            square /= 4
        is_pooled = any(isinstance(patch, PooledLevel) for patch in here)
        inner_share = INNER_SHARE if is_pooled else 0.0
        total += (1 - inner_share) * (linear * inner + square * inner**2)
        if is_pooled:
            inner /= 4
            total += inner_share * (linear * inner + square * inner**2)
        if any(isinstance(patch, StridedLevel) for patch in here):
            inner /= 4
    return total


def largest_fitting(whole: Plan, failed: Stage, free: int | None) -> Size | None:
    """Return the largest size below the failed stage's that fits into the free bytes, one view at a time.

    Return None if nothing larger than the stage before it fits. The estimate was too low for the failed stage,
    so no size that needs nine tenths of its memory is believed.
    """
    believed = int(0.9 * _memory_of_one_view(failed))
    budget = believed if free is None else min(believed, free + failed.facts.footprint.weights)
    least = whole.stages[failed.number - 2].scale if failed.number > 1 else 0.0
    for k in range(1, SIZES_TRIED):
        scale = failed.scale - (failed.scale - least) * k / SIZES_TRIED
        tried = _stage_at(whole, failed, scale)
        if tried and _memory_of_one_view(tried) <= budget:
            return tried.size
    return None


def _stage_at(whole: Plan, failed: Stage, scale: float) -> Stage | None:
    """Return the last stage of the plan if the picture ended at this scale instead of the failed stage's."""
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
    return memory(replace(stage, recipe=replace(stage.recipe, view_batch=1)))


def _tile_areas(stage: Stage, window_steps: int, dilated_steps: int) -> float:
    window_cells, dilated_cells = _view_cells(stage)
    dilated = (
        stage.guidance_passes * stage.dilated_views * dilated_steps * dilated_cells / stage.facts.window**2
    )
    return stage.windows * window_steps * _local_areas(stage, window_cells) + dilated


def _local_areas(stage: Stage, cells: int) -> float:
    """Return the tile areas of one local view at a step, the mean over the steps, with all guidance passes."""
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
    """Return the latent cells of a local view, and of a dilated one."""
    if stage.sees_whole_canvas and stage.dilation == 1:
        return stage.rows * stage.cols, 0
    dilated = ceil(stage.rows / stage.dilation) * ceil(stage.cols / stage.dilation)
    return stage.window[0] * stage.window[1], dilated


def _controlnet_bytes(stage: Stage) -> int:
    """Return the bytes of the ControlNets that act at a stage."""
    facts = stage.facts
    return sum(controlnet_for(control, facts).weight_bytes(facts.dtype) for control in stage.controls)
