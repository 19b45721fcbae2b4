"""A stage of a plan: the size of its canvas, its denoising steps and its views. No torch.

Sizes are (height, width). engine/planning/cost.py computes the cost of a stage.
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
from engine.recipe.recipe import LATENT, ResolvedRecipe

# The side of a large window divided by the native side.
LARGE_WINDOW = 2


def window_starts(length: int, window: int, stride: int) -> tuple[int, ...]:
    """Return the first rows (or columns) of the windows on one axis; the last window ends at the end of the axis.

    length: the canvas's rows (or columns).    window: the window's side on this axis. Units are latent cells.
    """
    if length <= window:
        return (0,)
    count = int((length - window) / stride - 1e-6) + 2
    return tuple(min(k * stride, length - window) for k in range(count))


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """A stage of a plan: one size of the picture, with everything that denoising at this size depends on."""

    # The stage's number, counted from 1.
    number: int
    # The picture's mean side at this stage divided by the native side.
    scale: float
    # The rows of the canvas in latent cells.
    rows: int
    # The columns of the canvas in latent cells.
    cols: int
    # The first stage's (height, width) in px.
    base_size: Size
    # The spacing of a dilated view's rows and columns in latent cells; 1 if there are no dilated views.
    dilation: int
    # The side, in latent cells, of the blocks of block noise and of the blur of blocks; 1 if the method has none. It is
    # this stage's scale over that of the stage below (of the base, if it starts from a start image), rounded.
    block_side: int
    # Where the stage starts from the picture that it enlarges, as a fraction of the training timesteps (1: pure noise).
    start_fraction: float
    # The weights and the blur at every denoising step.
    schedule: Schedule
    # The patches of the network for local views, at every step of the schedule.
    patches: tuple[StepPatches, ...]
    # The recipe with every field filled.
    recipe: ResolvedRecipe
    # The facts of the model.
    facts: Facts
    # The row of the recipe's method, changed by the recipe's ablation settings and options.
    method: Method
    # The recipe's options, defaults included.
    options: Options
    # The (height, width) in px of the picture that the stage enlarges: the stage below, or the start image while it has
    # more px. None if there is no such picture, or if its size is not known.
    size_below: Size | None = None

    @property
    def is_base(self) -> bool:
        """Whether this is the first stage of a method that starts at about native size."""
        return self.number == 1 and self.method.has_base

    @property
    def upscales(self) -> bool:
        """Whether an upscaler makes the stage's picture, without denoising."""
        return self.method.upscales and not self.is_base

    @property
    def upscaler(self) -> str:
        """The upscaler that enlarges the picture below, by name or path; empty if the latent below is enlarged."""
        has_picture_below = self.number > 1 or self.upscales
        return self.recipe.enlarge if has_picture_below and self.recipe.enlarge != LATENT else ""

    @property
    def sees_whole_canvas(self) -> bool:
        """Whether the stage has one local view, which is the whole canvas, instead of windows."""
        return self.is_base or self.method.views == "whole"

    @property
    def size(self) -> Size:
        """The stage's (height, width) in px."""
        return self.rows * self.facts.cell, self.cols * self.facts.cell

    @property
    def final_size(self) -> Size:
        """The final picture's (height, width) in px."""
        return self.recipe.height, self.recipe.width

    @property
    def whole_canvas_id(self) -> Size:
        """The (height, width) in SDXL's size ids of views that cover the whole canvas, dilated views included.

        It is the training size nearest to the base's size. In faithful mode, and without a base, it is the final
        picture's size.
        """
        if self.faithful or not self.method.has_base:
            return self.final_size
        return self.facts.bucket_near(self.base_size)

    @property
    def faithful(self) -> bool:
        """Whether the stage repeats the published code exactly."""
        return self.recipe.faithful

    @property
    def steps(self) -> tuple[Step, ...]:
        """The denoising steps that are carried out; the setting `economy` may skip the first ones."""
        return self.schedule.steps

    @property
    def step_count(self) -> int:
        """The number of denoising steps that are carried out."""
        return len(self.schedule.t) - self.schedule.first

    @property
    def window(self) -> Size:
        """The (rows, columns) of a local view in latent cells; at most those of the canvas with its padding."""
        if self.sees_whole_canvas:
            return self.rows, self.cols
        side, padding = self.facts.window * self._window_factor, 2 * self.jitter_padding
        return min(side, self.rows + padding), min(side, self.cols + padding)

    @property
    def stride(self) -> int:
        """The distance between neighbouring windows in latent cells; it is doubled for large windows."""
        return self.recipe.stride * self._window_factor

    @property
    def _window_factor(self) -> int:
        """The side of this stage's windows divided by the native side: 1, or 2 for large windows."""
        return LARGE_WINDOW if self.method.views == "large" else 1

    @property
    def jitter_reach(self) -> int:
        """The largest random shift of a window in latent cells; 0 without jitter."""
        jitters = self.recipe.jitter and self.method.jitters
        return jitter_reach(self.facts.window, self.recipe.stride) if jitters else 0

    @property
    def jitter_padding(self) -> int:
        """The width in latent cells of the zero padding around the canvas, which only the published code has.

        There, shifted windows reach into the padding.
        """
        return self.jitter_reach if self.faithful else 0

    @property
    def blur_kernel(self) -> int:
        """The side of the blur's kernel in latent cells: for dilation s, 4s - 3 (paper) or 2s - 1 (published code)."""
        return 4 * self.dilation - 3 if self.recipe.kernel == "paper" else 2 * self.dilation - 1

    @cached_property
    def window_grid(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The first rows and the first columns of all windows, in latent cells, before random shifts."""
        height, width = self.window
        return window_starts(self.rows, height, self.stride), window_starts(self.cols, width, self.stride)

    @property
    def window_count(self) -> int:
        """The number of local views at one denoising step: the number of windows, or 1 for the whole canvas."""
        return 1 if self.sees_whole_canvas else len(self.window_grid[0]) * len(self.window_grid[1])

    @property
    def dilated_view_count(self) -> int:
        """The number of dilated views at one denoising step; 0 if the stage has none."""
        return 0 if self.dilation == 1 else self.dilation**2

    @property
    def guidance_passes(self) -> int:
        """The number of evaluations per view: 2 with classifier-free guidance (with and without prompt), else 1."""
        return 2 if self.recipe.guidance > 1 else 1

    @cached_property
    def damped_steps(self) -> int:
        """The number of steps with noise-damped guidance, which needs one more evaluation of each local view."""
        return sum(self.patches[step.index].mild is not None for step in self.steps if step.c2 < 1)

    @property
    def view_batch(self) -> int:
        """The number of views in one call of the network."""
        return self.recipe.view_batch or self.facts.view_batch

    @cached_property
    def evaluations(self) -> int:
        """The number of evaluations in the stage: steps times views times guidance passes.

        One evaluation passes one view's latent through the network once.
        """
        schedule = self.schedule
        views = self.window_count * schedule.window_steps + self.dilated_view_count * schedule.dilated_steps
        return self.guidance_passes * views + self.window_count * self.damped_steps

    @property
    def controls(self) -> tuple[Control, ...]:
        """The recipe's controls whose strength at this stage is not 0."""
        return tuple(control for control in self.recipe.controls if control.strength(self.number))
