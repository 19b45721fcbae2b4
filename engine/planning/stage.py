"""One size of the picture: its geometry, its steps and its views. A plain value; no torch.

Sizes are (height, width). What a stage costs is in engine/planning/cost.py.
"""

from dataclasses import dataclass
from functools import cached_property

from engine.catalogue.entries import Facts
from engine.formulas.schedule import Schedule, Step
from engine.methods import Method
from engine.planning.patches import StepPatches
from engine.planning.sizes import Size, jitter_reach
from engine.recipe.controls import Control
from engine.recipe.options import Options
from engine.recipe.recipe import Recipe

# The side of a large window over that of a native one.
LARGE_WINDOW = 2


def window_starts(length: int, window: int, stride: int) -> tuple[int, ...]:
    """Return where windows begin on an axis; the last one is moved back to end with the axis."""
    if length <= window:
        return (0,)
    count = int((length - window) / stride - 1e-6) + 2
    return tuple(min(k * stride, length - window) for k in range(count))


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """A stage of a plan."""

    # Counted from 1.
    number: int
    # The picture's side over the native side.
    scale: float
    # The canvas in latent cells.
    rows: int
    cols: int
    # The first stage's size in px.
    base_size: Size
    # Every how many rows and columns a dilated view takes; 1 means that there are no dilated views.
    dilation: int
    schedule: Schedule
    # The patches of the network for local views, at every step of the schedule.
    patches: tuple[StepPatches, ...]
    # The recipe with every field filled.
    recipe: Recipe
    facts: Facts
    # The recipe's row of the table of methods, with its ablations applied.
    method: Method
    options: Options

    @property
    def is_base(self) -> bool:
        """Whether this is the small first stage that later ones grow from."""
        return self.number == 1 and self.method.has_base

    @property
    def sees_whole_canvas(self) -> bool:
        """Whether the canvas is the stage's one local view."""
        return self.is_base or self.method.views == "whole"

    @property
    def size(self) -> Size:
        """The size in px."""
        return self.rows * self.facts.cell, self.cols * self.facts.cell

    @property
    def final_size(self) -> Size:
        """The final picture's size in px."""
        return self.recipe.height, self.recipe.width

    @property
    def whole_canvas_id(self) -> Size:
        """The size in SDXL's size ids of views of the whole: the training bucket nearest to the base."""
        if self.faithful or not self.method.has_base:
            return self.final_size
        return self.facts.bucket_near(self.base_size)

    @property
    def faithful(self) -> bool:
        return self.recipe.faithful

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that are carried out; economy leaves out the first ones."""
        return self.schedule.steps

    @property
    def step_count(self) -> int:
        return len(self.schedule.t) - self.schedule.first

    @property
    def window(self) -> Size:
        """The size of a local view in latent cells: no larger than the canvas with its padding."""
        if self.sees_whole_canvas:
            return self.rows, self.cols
        side, padding = self.facts.window * self._window_scale, 2 * self.jitter_padding
        return min(side, self.rows + padding), min(side, self.cols + padding)

    @property
    def stride(self) -> int:
        """The distance between windows in latent cells; large windows are further apart."""
        return self.recipe.stride * self._window_scale

    @property
    def _window_scale(self) -> int:
        return LARGE_WINDOW if self.method.views == "large" else 1

    @property
    def jitter_reach(self) -> int:
        """The largest random shift of a window in latent cells; neighbours still meet."""
        jitters = self.recipe.jitter and self.method.jitters
        return jitter_reach(self.facts.window, self.recipe.stride) if jitters else 0

    @property
    def jitter_padding(self) -> int:
        """The zeros around the canvas in latent cells that shifted windows reach into in the published code."""
        return self.jitter_reach if self.faithful else 0

    @property
    def blur_kernel(self) -> int:
        """The blur's width in latent cells: 4s - 3 in the paper, 2s - 1 in its code, for a dilation s."""
        return 4 * self.dilation - 3 if self.recipe.kernel == "paper" else 2 * self.dilation - 1

    @cached_property
    def window_grid(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The rows and the columns at which windows begin before they are shifted."""
        height, width = self.window
        return window_starts(self.rows, height, self.stride), window_starts(self.cols, width, self.stride)

    @property
    def windows(self) -> int:
        """The number of local views at a step."""
        return 1 if self.sees_whole_canvas else len(self.window_grid[0]) * len(self.window_grid[1])

    @property
    def dilated_views(self) -> int:
        """The number of dilated views at a step."""
        return 0 if self.dilation == 1 else self.dilation**2

    @property
    def guidance_passes(self) -> int:
        """2 with classifier-free guidance (unconditional and conditional), else 1."""
        return 2 if self.recipe.guidance > 1 else 1

    @cached_property
    def damped_steps(self) -> int:
        """The number of steps with noise-damped guidance, which evaluates local views once more."""
        return sum(self.patches[step.index].mild is not None for step in self.steps if step.c2 < 1)

    @property
    def view_batch(self) -> int:
        """The number of views in one call of the network."""
        return self.recipe.view_batch or self.facts.view_batch

    @cached_property
    def evaluations(self) -> int:
        """How many times a latent goes through the network."""
        schedule = self.schedule
        views = self.windows * schedule.window_steps + self.dilated_views * schedule.dilated_steps
        return self.guidance_passes * views + self.windows * self.damped_steps

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls that have an effect at this stage."""
        return tuple(control for control in self.recipe.controls if control.strength(self.number))
