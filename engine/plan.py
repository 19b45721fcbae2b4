"""From a recipe and a model's facts to stages and their cost. No torch: sliders ask it while they move."""

from dataclasses import dataclass, replace
from math import ceil

from engine import errors, views
from engine.catalogue import Facts
from engine.checks import clean
from engine.errors import BadRecipe
from engine.methods import method_of
from engine.recipe import Recipe
from engine.schedule import Schedule, lay, plain
from engine.sizes import sized, stage_size
from engine.stage import Stage, memory
from engine.timesteps import SCHEDULERS, scheduler_of, timesteps


@dataclass(frozen=True, eq=False)
class Plan:
    """The recipe with every empty field filled, and the stages it leads to."""

    recipe: Recipe
    facts: Facts
    stages: tuple[Stage, ...]

    @property
    def copies(self) -> int:
        """Texts that each view is evaluated under: what to avoid and what to show, or the latter alone."""
        return self.stages[0].copies

    @property
    def view_batch(self) -> int:
        return self.stages[0].view_batch

    @property
    def evaluations(self) -> int:
        return sum(s.evaluations for s in self.stages)

    @property
    def calls(self) -> int:
        return sum(s.calls for s in self.stages)

    @property
    def tile_areas(self) -> float:
        return sum(s.tile_areas for s in self.stages)

    @property
    def economy_saves(self) -> float:
        """The share of tile areas that economy leaves out."""
        left_out = sum(s.tile_areas_left_out for s in self.stages)
        return left_out / (left_out + self.tile_areas)

    @property
    def memory(self) -> int:
        """Peak bytes, an estimate: weights, and the larger of a stage's views and its decoding."""
        return max(memory(stage, self.facts) for stage in self.stages)


def plan(recipe: Recipe, facts: Facts) -> Plan:
    """The stages of a recipe on a model, or BadRecipe with the field and a sentence."""
    recipe = resolve(clean(recipe), facts)
    rises = method_of(recipe).rises
    scales = recipe.scales if rises else tuple(dict.fromkeys((recipe.scales[0], recipe.scales[-1])))
    schedules = _Schedules(recipe, facts)
    numbered = enumerate(scales, 1)
    return Plan(recipe, facts, tuple(_stage(n, scale, schedules) for n, scale in numbered))


def resolve(recipe: Recipe, facts: Facts) -> Recipe:
    """The recipe with every empty field filled for this model. It is what is hashed and written."""
    if recipe.model not in ("", facts.name):
        raise BadRecipe("model", errors.WRONG_MODEL.format(asked=recipe.model, present=facts.name))
    stride = facts.window // 2 if recipe.stride is None else recipe.stride
    if stride > facts.window:
        raise BadRecipe("stride", errors.STRIDE_WINDOW.format(stride=stride, window=facts.window))
    defaults = facts.defaults
    width, height, scales = sized(recipe, facts)
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
    )
    if not recipe.faithful:
        return recipe
    return replace(recipe, economy=0.0, kernel="code", lattice="raw", feather=False)


def _scheduler(recipe: Recipe, facts: Facts) -> str:
    name = recipe.scheduler or facts.defaults.scheduler
    try:
        kind, _ = scheduler_of(name, facts.scheduler)
    except BadRecipe:
        if recipe.scheduler:
            raise
        name, kind = "ddim", SCHEDULERS["ddim"]
    if recipe.faithful and not kind.first_order:
        raise BadRecipe("scheduler", errors.FAITHFUL_SCHEDULER.format(scheduler=name))
    return name


class _Schedules:
    """The schedules of one plan; stages above the base share them."""

    def __init__(self, recipe: Recipe, facts: Facts) -> None:
        self.recipe, self.facts = recipe, facts
        self.row = method_of(recipe)
        self.t = timesteps(recipe.scheduler, facts.scheduler, recipe.steps)
        self.laid: dict[bool, Schedule] = {}

    def above_base(self, factor: int) -> Schedule:
        lattices = self.row.lattices and factor > 1
        if lattices not in self.laid:
            recipe = self.recipe
            self.laid[lattices] = lay(
                self.t,
                self.facts.train_steps,
                (recipe.alpha1, recipe.alpha2, recipe.alpha3),
                (recipe.sigma1, recipe.sigma2),
                recipe.economy,
                pulls=self.row.pulls,
                lattices=lattices,
                faithful=recipe.faithful,
            )
        return self.laid[lattices]


def dilation(scale: float) -> int:
    """s: the scale itself if whole, else so that a component is 0.8 to 1.25 of the native side."""
    return int(scale) if scale == int(scale) else ceil(scale / 1.25)


def _stage(number: int, scale: float, schedules: _Schedules) -> Stage:
    recipe, facts = schedules.recipe, schedules.facts
    rows, cols = stage_size(scale, recipe, facts)
    base = stage_size(recipe.scales[0], recipe, facts)
    final = (recipe.height, recipe.width)
    factor = 1 if number == 1 else dilation(scale)
    return Stage(
        number=number,
        scale=scale,
        height=rows * facts.cell,
        width=cols * facts.cell,
        rows=rows,
        cols=cols,
        cell=facts.cell,
        native=facts.window,
        factor=factor,
        window=(min(facts.window, rows), min(facts.window, cols)),
        stride=recipe.stride,
        reach=views.reach(facts.window, recipe.stride) if recipe.jitter else 0,
        feather=recipe.feather,
        faithful=recipe.faithful,
        kernel=4 * factor - 3 if recipe.kernel == "paper" else 2 * factor - 1,
        whole_ids=final
        if recipe.faithful
        else facts.bucket_near((base[0] * facts.cell, base[1] * facts.cell)),
        final=final,
        schedule=plain(schedules.t) if number == 1 else schedules.above_base(factor),
        copies=2 if recipe.guidance > 1 else 1,
        view_batch=recipe.view_batch or facts.view_batch,
    )
