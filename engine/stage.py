"""One size of the picture, and what it takes to make it. No torch."""

from dataclasses import dataclass
from functools import cached_property
from math import ceil

from engine import views
from engine.catalogue import Facts
from engine.schedule import Schedule
from engine.sizes import Size

# Float32 canvases held at once: two predictions and their sums, canvas, anchor, noise, solver history.
CANVASES = 16
# A decoded picture and its tiles in float32, and in bytes.
PIXEL_BYTES = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """One size of the picture, and what it takes to make it. Sizes are (height, width)."""

    number: int
    scale: float
    height: int
    width: int
    rows: int
    cols: int
    cell: int
    native: int
    factor: int
    window: Size
    stride: int
    reach: int
    feather: bool
    faithful: bool
    kernel: int
    whole_ids: Size
    final: Size
    schedule: Schedule
    copies: int
    view_batch: int

    @property
    def is_base(self) -> bool:
        return self.number == 1

    @property
    def size(self) -> Size:
        """(height, width) in px."""
        return self.height, self.width

    @property
    def margin(self) -> int:
        """Cells of zeros around the canvas that windows may reach into, as published."""
        return self.reach if self.faithful else 0

    @cached_property
    def grid(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        height, width = self.window
        return views.starts(self.rows, height, self.stride), views.starts(self.cols, width, self.stride)

    @property
    def steps(self) -> int:
        """Steps that are worked; economy leaves out the first ones."""
        return len(self.schedule.t) - self.schedule.first

    @property
    def windows(self) -> int:
        """Local views a step; the base has one, the whole canvas."""
        return 1 if self.is_base else len(self.grid[0]) * len(self.grid[1])

    @property
    def lattices(self) -> int:
        """Dilated views a step."""
        return 0 if self.is_base or self.factor == 1 else self.factor**2

    @cached_property
    def evaluations(self) -> int:
        return self.copies * (
            self.windows * self.schedule.window_steps + self.lattices * self.schedule.lattice_steps
        )

    @cached_property
    def calls(self) -> int:
        return (
            ceil(self.windows / self.view_batch) * self.schedule.window_steps
            + ceil(self.lattices / self.view_batch) * self.schedule.lattice_steps
        )

    @cached_property
    def tile_areas(self) -> float:
        schedule = self.schedule
        return self._areas(schedule.window_steps, schedule.lattice_steps)

    @cached_property
    def tile_areas_left_out(self) -> float:
        """What economy saves."""
        steps = len(self.schedule.t)
        overview = self.lattices and bool((self.schedule.lattices > 0).any())
        return self._areas(steps, steps if overview else 0) - self.tile_areas

    def _areas(self, window_steps: int, lattice_steps: int) -> float:
        window, component = self.view_cells
        cells = self.windows * window_steps * window + self.lattices * lattice_steps * component
        return self.copies * cells / self.native**2

    @property
    def view_cells(self) -> Size:
        """Cells of a local view and of a dilated one."""
        if self.is_base:
            return self.rows * self.cols, 0
        component = ceil(self.rows / self.factor) * ceil(self.cols / self.factor)
        return self.window[0] * self.window[1], component


def memory(stage: Stage, facts: Facts) -> int:
    """Peak bytes of one stage: weights and canvases, and on top the views at work or the decoder's tile."""
    together = min(stage.view_batch, max(stage.windows, stage.lattices))
    at_work = together * stage.copies * max(stage.view_cells) * facts.weight.per_cell
    decoding = min(stage.height * stage.width, facts.native**2) * facts.weight.per_px
    canvases = (
        CANVASES * stage.rows * stage.cols * facts.channels * 4 + PIXEL_BYTES * stage.height * stage.width
    )
    return int(facts.weight.weights + canvases + max(at_work, decoding))
