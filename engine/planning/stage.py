"""One size of the picture, and what it takes to make it. No torch.

An evaluation is one latent through the network once; a tile area weighs it by area over native area; a call
is one forward of a batch of views.
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil

from engine.catalogue.entries import Facts
from engine.formulas.schedule import Schedule
from engine.methods import Method, method_of
from engine.planning.controlnets import net_of
from engine.planning.patch_schedule import bends_of, local_areas
from engine.planning.patches import Bends
from engine.planning.sizes import Size
from engine.recipe.controls import Control
from engine.recipe.options import Options, options_of
from engine.recipe.recipe import Recipe

# Float32 canvases held at once: two predictions and their sums, canvas, anchor, noise, solver history.
CANVASES = 16
# A decoded picture and its tiles in float32, and in bytes.
PIXEL_BYTES = 40
LARGE_WINDOW = 2
"""Sides of a native window that a large one has."""
CONTROL_WORK = 0.6
"""Of an evaluation, what one ControlNet beside it takes: half a network, and the map from px to cells."""


def starts(length: int, window: int, stride: int) -> tuple[int, ...]:
    """Where windows begin on an axis; the last one is moved back to end with the axis."""
    if length <= window:
        return (0,)
    count = int((length - window) / stride - 1e-6) + 2
    return tuple(min(k * stride, length - window) for k in range(count))


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """rows, cols: cells of the canvas. base: px of the first stage. factor: dilation, 1 without lattices.

    recipe: with every field filled. Sizes are (height, width).
    """

    number: int
    scale: float
    rows: int
    cols: int
    base: Size
    factor: int
    schedule: Schedule
    recipe: Recipe
    facts: Facts

    @cached_property
    def method(self) -> Method:
        return method_of(self.recipe)

    @cached_property
    def options(self) -> Options:
        return options_of(self.recipe.options)

    @property
    def is_base(self) -> bool:
        """Whether it is small, for others to grow from."""
        return self.number == 1 and self.method.grows

    @property
    def looks_whole(self) -> bool:
        """Whether its one local view is the canvas."""
        return self.is_base or self.method.views == "whole"

    @property
    def size(self) -> Size:
        """px."""
        return self.rows * self.facts.cell, self.cols * self.facts.cell

    @property
    def whole_ids(self) -> Size:
        """What a view of the whole is told of its size: the trained one nearest to the base."""
        own = self.faithful or not self.method.grows
        return self.final if own else self.facts.bucket_near(self.base)

    @property
    def final(self) -> Size:
        return self.recipe.height, self.recipe.width

    @property
    def faithful(self) -> bool:
        return self.recipe.faithful

    @property
    def window(self) -> Size:
        """Cells of a local view."""
        if self.looks_whole:
            return self.rows, self.cols
        side = self.facts.window * self._times
        return min(side, self.rows), min(side, self.cols)

    @property
    def stride(self) -> int:
        """Cells between windows; large ones are as much further apart."""
        return self.recipe.stride * self._times

    @property
    def _times(self) -> int:
        return LARGE_WINDOW if self.method.views == "large" else 1

    @property
    def reach(self) -> int:
        """Cells that a window may be shaken by, so that neighbours still meet."""
        shaken = self.recipe.jitter and self.method.shakes
        return (self.facts.window - self.recipe.stride) // 4 if shaken else 0

    @property
    def margin(self) -> int:
        """Cells of zeros around the canvas that windows may reach into, as published."""
        return self.reach if self.faithful else 0

    @property
    def kernel(self) -> int:
        """Cells of the blur: 4s - 3 in the paper, 2s - 1 in its code."""
        return 4 * self.factor - 3 if self.recipe.kernel == "paper" else 2 * self.factor - 1

    @cached_property
    def grid(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Where windows begin, before they are shaken."""
        height, width = self.window
        return (
            starts(self.rows, height, self.stride),
            starts(self.cols, width, self.stride),
        )

    @property
    def steps(self) -> int:
        """Steps that are worked; economy leaves out the first ones."""
        return len(self.schedule.t) - self.schedule.first

    @property
    def windows(self) -> int:
        """Local views a step."""
        return 1 if self.looks_whole else len(self.grid[0]) * len(self.grid[1])

    @property
    def lattices(self) -> int:
        """Dilated views a step."""
        return 0 if self.factor == 1 else self.factor**2

    @property
    def copies(self) -> int:
        """Texts that each view is evaluated under: what to avoid and what to show, or the latter alone."""
        return 2 if self.recipe.guidance > 1 else 1

    @property
    def view_batch(self) -> int:
        return self.recipe.view_batch or self.facts.view_batch

    @cached_property
    def evaluations(self) -> int:
        schedule = self.schedule
        looks = self.windows * schedule.window_steps + self.lattices * schedule.lattice_steps
        return self.copies * looks + self.windows * self._damped

    @cached_property
    def calls(self) -> int:
        schedule, batch = self.schedule, self.view_batch
        near, far = ceil(self.windows / batch), ceil(self.lattices / batch)
        return near * (schedule.window_steps + self._damped) + far * schedule.lattice_steps

    @cached_property
    def bends(self) -> tuple[Bends, ...]:
        """How the network is bent for local views, at every step, left out or not."""
        return bends_of(self)

    @cached_property
    def _damped(self) -> int:
        """Steps at which local views are answered for a second, gentler bent time."""
        return sum(
            self.bends[step.index].mild is not None for step in self.schedule.steps if step.lattices < 1
        )

    @cached_property
    def tile_areas(self) -> float:
        return self._areas(self.schedule.window_steps, self.schedule.lattice_steps)

    @cached_property
    def tile_areas_left_out(self) -> float:
        """What economy saves."""
        return self._areas(*self.schedule.steps_without_economy) - self.tile_areas

    @property
    def controls(self) -> tuple[Control, ...]:
        """What is followed at this stage."""
        return tuple(one for one in self.recipe.controls if one.strength(self.number))

    @cached_property
    def work(self) -> float:
        """Tile areas, and what ControlNets take beside them in the steps in which they are felt."""
        if not self.controls:
            return self.tile_areas
        of, steps = len(self.schedule.t), self.schedule.steps
        felt = sum(control.acts(step.index, of) for control in self.controls for step in steps)
        return self.tile_areas * (1 + CONTROL_WORK * felt / max(1, len(steps)))

    def _areas(self, window_steps: int, lattice_steps: int) -> float:
        near, far = self._view_cells
        far_areas = self.copies * self.lattices * lattice_steps * far / self.facts.window**2
        return self.windows * window_steps * local_areas(self, near) + far_areas

    @property
    def _view_cells(self) -> tuple[int, int]:
        """Cells of a view that is not dilated, and of one that is."""
        if self.looks_whole and self.factor == 1:
            return self.rows * self.cols, 0
        component = ceil(self.rows / self.factor) * ceil(self.cols / self.factor)
        return self.window[0] * self.window[1], component

    @property
    def _net_weights(self) -> int:
        """Bytes of the ControlNets that are at work."""
        return sum(net_of(control, self.facts).weights(self.facts.dtype) for control in self.controls)

    @property
    def memory(self) -> int:
        """Peak bytes, an estimate: weights and canvases, and the views at work or the decoder's tile."""
        footprint, (height, width) = self.facts.footprint, self.size
        near, far = (min(self.view_batch, n) for n in (self.windows, self.lattices))
        cells = max(views * c for views, c in zip((near, far), self._view_cells, strict=True))
        working = self.copies * cells * footprint.per_cell * (1 + CONTROL_WORK * len(self.controls))
        decoding = min(height * width, self.facts.native**2) * footprint.per_px
        held = 4 * CANVASES * self.rows * self.cols * self.facts.channels + PIXEL_BYTES * height * width
        return int(footprint.weights + self._net_weights + held + max(working, decoding))
