"""Which size would fit, when one does not. No torch."""

from dataclasses import replace

from engine.errors import BadRecipe
from engine.planning.plan import Plan, plan
from engine.planning.stage import Stage

TRIES = 48


def largest_fitting(whole: Plan, failed: Stage, free: int | None) -> tuple[int, int] | None:
    """The largest size (height, width) below the failed stage's that needs no more than what is free, one
    view at a time; None if nothing above the stage below would fit.

    The estimate was too low once, so nothing as large as nine tenths of the failed stage's is believed.
    """
    believed = int(0.9 * _one_view(failed))
    budget = believed if free is None else min(believed, free + failed.facts.footprint.weights)
    least = whole.stages[failed.number - 2].scale if failed.number > 1 else 0.0
    for k in range(1, TRIES):
        scale = failed.scale - (failed.scale - least) * k / TRIES
        tried = _at(whole, failed, scale)
        if tried and _one_view(tried) <= budget:
            return tried.size
    return None


def _at(whole: Plan, failed: Stage, scale: float) -> Stage | None:
    """The stage in place of the failed one, if the picture ended at this scale."""
    smaller = tuple(stage.scale for stage in whole.stages[: failed.number - 1])
    width, height = (
        round(cells * scale / failed.scale) * whole.facts.cell for cells in (failed.cols, failed.rows)
    )
    asked = replace(
        whole.recipe,
        width=width,
        height=height,
        scales=() if failed.faithful else (*smaller, scale),
    )
    try:
        return plan(asked, whole.facts).stages[-1]
    except BadRecipe:
        return None


def _one_view(stage: Stage) -> int:
    return replace(stage, recipe=replace(stage.recipe, view_batch=1)).memory
