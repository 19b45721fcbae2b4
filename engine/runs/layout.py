"""How the views of a stage lie on its canvas, as the record of a finished stage holds it. No torch.

A page draws the windows of a finished stage from this and needs no plan for it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from engine.planning.plan import Plan

Size = tuple[int, int]


@dataclass(frozen=True)
class StageLayout:
    """The canvas of a stage, where its windows begin before any jitter, and its dilation."""

    # Number of stages of the plan that the stage belongs to.
    stage_count: int
    # (height, width) of the canvas in latent cells.
    canvas: Size
    # (height, width) of one window in latent cells.
    window: Size
    # Top edges and left edges of the windows in latent cells.
    grid: tuple[tuple[int, ...], tuple[int, ...]]
    # Distance of neighbours in a dilated view in latent cells; 1 if the stage has no dilated views.
    dilation: int

    @property
    def window_count(self) -> int:
        tops, lefts = self.grid
        return len(tops) * len(lefts)


def layout_of(plan: Plan, number: int) -> StageLayout:
    """Return the layout of a stage of a plan; stages count from 1."""
    stage = plan.stages[number - 1]
    canvas = (stage.rows, stage.cols)
    return StageLayout(len(plan.stages), canvas, stage.window, stage.window_grid, stage.dilation)


def to_dict(layout: StageLayout) -> dict[str, Any]:
    """Return plain values for JSON."""
    return asdict(layout)


def from_dict(values: Any) -> StageLayout | None:
    """Return the layout that a record holds; None if it holds none, as records of earlier versions do."""
    if not isinstance(values, Mapping):
        return None
    try:
        tops, lefts = values["grid"]
        return StageLayout(
            stage_count=int(values["stage_count"]),
            canvas=_size(values["canvas"]),
            window=_size(values["window"]),
            grid=(tuple(map(int, tops)), tuple(map(int, lefts))),
            dilation=int(values["dilation"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _size(values: Any) -> Size:
    height, width = map(int, values)
    return height, width
