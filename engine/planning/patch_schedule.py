"""How the network is bent at every step of a stage, and what its local views then cost. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.planning.hidiffusion import hidiffusion
from engine.planning.patches import STRAIGHT, Bending, Bends, Look, attention, is_beyond, work
from engine.planning.scalecrafter import scalecrafter

if TYPE_CHECKING:
    from engine.planning.stage import Stage

BENDS: dict[str, Bending] = {
    "attention": attention,
    "scalecrafter": scalecrafter,
    "hidiffusion": hidiffusion,
}
"""By the network's name in a method's row."""


def bends_of(stage: Stage) -> tuple[Bends, ...]:
    """Of its local views, at every step, left out or not; none where they are of about native size."""
    steps, (rows, cols), window = len(stage.schedule.t), stage.window, stage.facts.window
    if not stage.method.network or not is_beyond(rows, cols, window):
        return (STRAIGHT,) * steps
    bending, options = BENDS[stage.method.network], vars(stage.options)
    key = (stage.recipe.seed, stage.rows, stage.cols)
    looks = (Look(rows, cols, window, stage.facts.body, i, steps, (*key, i)) for i in range(steps))
    bends = (bending(look, options) for look in looks)
    # Without guidance there is no unconditional answer.
    return tuple(each if stage.copies == 2 else each._replace(mild=None) for each in bends)


def local_areas(stage: Stage, cells: int) -> float:
    """Tile areas of one local view of so many cells at a step, under all texts: the mean over the steps."""
    area, levels = cells / stage.facts.window**2, stage.facts.levels
    worked = [stage.bends[step.index] for step in stage.schedule.steps if step.lattices < 1]
    if not stage.method.network or not worked:
        return stage.copies * work(levels, area)
    total = sum(
        stage.copies * work(levels, area, each.strong)
        + (0 if each.mild is None else work(levels, area, each.mild))
        for each in worked
    )
    return total / len(worked)
