"""From a recipe and a model's facts to stages and their cost. No torch: sliders ask it while they move."""

from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

from engine import errors
from engine.catalogue.entries import Facts
from engine.errors import BadRecipe, short
from engine.formulas.schedule import Schedule, exponent, lay, of_base
from engine.formulas.timesteps import FIRST_ORDER_SCHEDULERS, SCHEDULERS, resolve_scheduler, timesteps
from engine.methods import METHODS
from engine.planning.controlnets import net_of
from engine.planning.sizes import SLACK, fill_sizes, stage_cells
from engine.planning.stage import Stage
from engine.recipe import images
from engine.recipe.checks import check
from engine.recipe.controls import Control
from engine.recipe.effects import is_faithful, resolve_method
from engine.recipe.options import changed, options_of
from engine.recipe.recipe import Recipe

SHAPE_SLACK = 0.02
"""Of a map that is given: sides are whole cells, so shapes are never quite the same."""


@dataclass(frozen=True, eq=False)
class Plan:
    """The recipe with every empty field filled, and the stages it leads to."""

    recipe: Recipe
    facts: Facts
    stages: tuple[Stage, ...]

    @property
    def evaluations(self) -> int:
        return sum(stage.evaluations for stage in self.stages)

    @property
    def calls(self) -> int:
        return sum(stage.calls for stage in self.stages)

    @property
    def tile_areas(self) -> float:
        return sum(stage.tile_areas for stage in self.stages)

    @property
    def economy_saves(self) -> float:
        """The share of tile areas that economy leaves out."""
        left_out = sum(stage.tile_areas_left_out for stage in self.stages)
        return left_out / (left_out + self.tile_areas)

    @property
    def memory(self) -> int:
        """Peak bytes, an estimate."""
        return max(stage.memory for stage in self.stages)


def plan(recipe: Recipe, facts: Facts) -> Plan:
    """The stages of a recipe on a model, or BadRecipe with the field and a sentence."""
    given = check(recipe).controls
    recipe = resolve(check(recipe), facts)
    scales = recipe.scales
    row = resolve_method(recipe)
    if not row.grows:
        scales = scales[-1:]
    elif not row.rises and len(scales) > 1:
        scales = (scales[0], scales[-1])
    stages = tuple(_stage(n, scale, recipe, facts) for n, scale in enumerate(scales, 1))
    for below, above in pairwise(stages):
        if above.size == below.size:
            words = f"{below.scale:g} and {above.scale:g}"
            raise BadRecipe("scales", errors.SCALES_STAND.format(scales=words))
    _check_views(stages)
    for control in given:
        _check_map(control, stages)
    return Plan(recipe, facts, stages)


def resolve(recipe: Recipe, facts: Facts) -> Recipe:
    """The recipe with every empty field filled for this model. It is what is hashed and written."""
    if recipe.model not in ("", facts.name):
        raise BadRecipe(
            "model", errors.WRONG_MODEL.format(asked=short(recipe.model), present=short(facts.name))
        )
    if not is_faithful(recipe):
        recipe = replace(recipe, faithful=False)
    if recipe.image is not None and not METHODS[recipe.method].starts_from_picture:
        sentence = errors.METHOD_PICTURE.format(method=recipe.method)
        raise BadRecipe("image", sentence, {"method": Recipe.method})
    stride = facts.window // 2 if recipe.stride is None else recipe.stride
    if stride > facts.window:
        sentence = errors.STRIDE_WINDOW.format(stride=stride, window=facts.window)
        raise BadRecipe("stride", sentence, {"stride": facts.window})
    if recipe.faithful and recipe.image is not None:
        raise BadRecipe("image", errors.FAITHFUL_PICTURE, {"faithful": False})
    if recipe.faithful and recipe.controls:
        raise BadRecipe("controls", errors.CONTROL_FAITHFUL, {"faithful": False})
    defaults = facts.defaults
    width, height, scales = fill_sizes(recipe, facts)
    recipe = replace(
        recipe,
        model=facts.name,
        width=width,
        height=height,
        scales=scales,
        stride=stride,
        steps=defaults.steps if recipe.steps is None else recipe.steps,
        guidance=defaults.guidance if recipe.guidance is None else recipe.guidance,
        scheduler=_scheduler(recipe, facts),
        image=None if recipe.image is None else images.digest(recipe.image),
        controls=tuple(_control(control, facts) for control in recipe.controls),
    )
    if not recipe.faithful:
        return recipe
    return replace(recipe, economy=0.0, kernel="code", lattice="raw", feather=False)


def _scheduler(recipe: Recipe, facts: Facts) -> str:
    name = recipe.scheduler or facts.defaults.scheduler
    try:
        kind, _ = resolve_scheduler(name, facts.scheduler)
    except BadRecipe:
        if recipe.scheduler:
            raise
        name, kind = "ddim", SCHEDULERS["ddim"]
    if recipe.faithful and not kind.first_order:
        sentence = errors.FAITHFUL_SCHEDULER.format(scheduler=name, fit=" or ".join(FIRST_ORDER_SCHEDULERS))
        raise BadRecipe("scheduler", sentence, {"scheduler": FIRST_ORDER_SCHEDULERS[0]})
    return name


def _control(control: Control, facts: Facts) -> Control:
    """The control with its picture by its digest; BadRecipe if this model cannot follow it."""
    net_of(control, facts)
    try:
        return replace(control, image=images.digest(control.image))
    except BadRecipe as fault:
        raise BadRecipe("controls", fault.sentence) from fault


def _check_views(stages: tuple[Stage, ...]) -> None:
    """A network is bent for nothing where all that it is shown is of its native size."""
    last = stages[-1]
    if last.method.network and last.method.views == "windows":
        fit = changed(replace(last.options, views="whole"))
        raise BadRecipe("options", errors.BENT_WINDOWS, {"options": fit})


def _check_map(control: Control, stages: tuple[Stage, ...]) -> None:
    """A map that was given has the picture's shape, and is as large as each stage that follows it."""
    if not control.given or images.is_digest(control.image):
        return
    height, width = images.measure(control.image)
    said, (high, wide) = {"width": width, "height": height}, stages[-1].size
    if abs(height * wide - width * high) > max(width * high, height * wide) * SHAPE_SLACK:
        raise BadRecipe("controls", errors.CONTROL_MAP_SHAPE.format(wide=wide, high=high, **said))
    for stage in stages:
        high, wide = stage.size
        if control.strength(stage.number) and (height < high or width < wide):
            sentence = errors.CONTROL_MAP_SIZE.format(stage=stage.number, wide=wide, high=high, **said)
            raise BadRecipe("controls", sentence)


def dilation(scale: float) -> int:
    """s: the scale itself if whole, else the least that keeps a component within 1.25 of the native side."""
    return int(scale) if scale == int(scale) else ceil(scale / SLACK)


def _stage(number: int, scale: float, recipe: Recipe, facts: Facts) -> Stage:
    rows, cols = stage_cells(scale, recipe, facts)
    row = resolve_method(recipe)
    base = stage_cells(recipe.scales[0], recipe, facts)
    above = number > 1
    factor = dilation(scale) if above and row.lattices else 1
    return Stage(
        number=number,
        scale=scale,
        rows=rows,
        cols=cols,
        base=(base[0] * facts.cell, base[1] * facts.cell),
        factor=factor,
        schedule=_schedule(above, factor > 1, recipe, facts),
        recipe=recipe,
        facts=facts,
    )


def _schedule(above: bool, lattices: bool, recipe: Recipe, facts: Facts) -> Schedule:
    t = timesteps(recipe.scheduler, facts.scheduler, recipe.steps)
    if not above and recipe.image is None:
        return of_base(t)
    row = resolve_method(recipe)
    alpha1 = recipe.alpha1 if recipe.image is None else exponent(recipe.alpha1, recipe.fidelity)
    return lay(
        t,
        facts.train_steps,
        (alpha1, recipe.alpha2, recipe.alpha3),
        (recipe.sigma1, recipe.sigma2),
        recipe.economy,
        pulls=row.pulls,
        lattices=lattices,
        faithful=recipe.faithful,
        begin=options_of(recipe.options).restart if row.restarts else 1.0,
    )
