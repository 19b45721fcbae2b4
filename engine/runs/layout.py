"""The positions of a stage's views on its canvas, as stored in the record of a finished stage. No torch.

The page draws the windows of a finished stage from this layout, without a plan.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from engine.planning.plan import Plan

Size = tuple[int, int]


@dataclass(frozen=True)
class StageLayout:
    """The canvas of a stage, the positions of its windows before any jitter, and its dilation."""

    # The number of stages in the plan that the stage belongs to.
    stage_count: int
    # (height, width) of the canvas in latent cells.
    canvas: Size
    # (height, width) of one window in latent cells.
    window: Size
    # Top edges and left edges of the windows in latent cells.
    grid: tuple[tuple[int, ...], tuple[int, ...]]
    # Spacing of the rows and columns of a dilated view in latent cells; 1 if the stage has no dilated views.
    dilation: int

    @property
    def window_count(self) -> int:
        """The number of windows."""
        tops, lefts = self.grid
        return len(tops) * len(lefts)


def stage_layout(plan: Plan, number: int) -> StageLayout:
    """Return the layout of a plan's stage. number: the stage's number, counted from 1."""
    stage = plan.stages[number - 1]
    canvas = (stage.rows, stage.cols)
    return StageLayout(len(plan.stages), canvas, stage.window, stage.window_grid, stage.dilation)


def to_dict(layout: StageLayout) -> dict[str, Any]:
    """Return a layout as plain values for JSON."""
    return asdict(layout)


def from_dict(values: object) -> StageLayout | None:
    """Return the layout in a stage's record; None if it is missing, as in records of earlier versions."""
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


def _size(values: Iterable[Any]) -> Size:
    """Return (height, width) from a list in a record."""
    height, width = map(int, values)
    return height, width
