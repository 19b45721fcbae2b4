"""Plan the stages of a recipe on a model. No torch, because the page plans whenever a slider moves."""

from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, prod
from typing import Any, cast

from engine import errors
from engine.catalogue.entries import Facts
from engine.catalogue.upscalers import upscaler_entry
from engine.errors import BadRecipe, short_repr
from engine.formulas.schedule import (
    STRONGEST_BLOCK_BLUR,
    Schedule,
    base_schedule,
    fidelity_exponent,
    stage_schedule,
    with_block_blur,
)
from engine.formulas.timesteps import (
    FIRST_ORDER_SCHEDULERS,
    SCHEDULERS,
    levels_at,
    resolve_scheduler,
    timesteps,
)
from engine.methods import METHODS, Method
from engine.planning.controlnets import controlnet_for
from engine.planning.enlargement import list_passes
from engine.planning.patch_schedule import patches_for_stage
from engine.planning.patches import StepPatches
from engine.planning.sizes import SIZE_TOLERANCE, Size, fill_sizes, resolve_stride, stage_cells
from engine.planning.stage import Stage
from engine.recipe import images
from engine.recipe.checks import check
from engine.recipe.controls import Control
from engine.recipe.effects import drop_own_restart, is_faithful, resolve_method, start_fraction
from engine.recipe.options import changed_options, options_from_pairs
from engine.recipe.recipe import LATENT, Recipe, ResolvedRecipe

# The fraction by which a ready-made map's aspect ratio may differ from the picture's, whose sides are whole cells.
MAP_ASPECT_SLACK = 0.02


@dataclass(frozen=True, eq=False)
class Plan:
    """The stages of a run, with the recipe and the model that they were planned for."""

    # The recipe with every empty field filled.
    recipe: ResolvedRecipe
    # The facts of the model.
    facts: Facts
    # The stages, first to last.
    stages: tuple[Stage, ...]

    @property
    def evaluations(self) -> int:
        """The number of evaluations in all stages: how often one view's latent passes through the network."""
        return sum(stage.evaluations for stage in self.stages)


def plan(recipe: Recipe, facts: Facts) -> Plan:
    """Return the plan of a recipe for a model; raise BadRecipe if the recipe is not valid."""
    checked = check(recipe)
    resolved = resolve_recipe(checked, facts)
    scales = resolved.scales
    row = resolve_method(resolved)
    if not row.has_base:
        scales = scales[-1:]
    elif not row.progressive and len(scales) > 1:
        scales = (scales[0], scales[-1])
    stages = tuple(
        _build_stage(
            n, scale, resolved, facts, _find_block_side(row, scales[:n], resolved, facts, checked.image)
        )
        for n, scale in enumerate(scales, 1)
    )
    stages = _add_sizes_below(stages, checked.image)
    for below, above in pairwise(stages):
        if above.size == below.size:
            words = f"{below.scale:g} and {above.scale:g}"
            raise BadRecipe("scales", errors.SCALES_REPEAT_A_SIZE.format(scales=words))
    _check_views(stages)
    _check_block_blur(stages)
    _check_upscaled_sizes(stages)
    for control in checked.controls:
        _check_ready_made_map(control, stages)
    return Plan(resolved, facts, stages)


def with_view_batch(plan: Plan, view_batch: int) -> Plan:
    """Return a copy of a plan with another number of views per call of the network."""
    recipe = replace(plan.recipe, view_batch=view_batch)
    return replace(plan, recipe=recipe, stages=tuple(replace(stage, recipe=recipe) for stage in plan.stages))


def resolve_recipe(recipe: Recipe, facts: Facts) -> ResolvedRecipe:
    """Return a recipe with every empty field filled for a model; raise BadRecipe if the recipe is not valid.

    Images are replaced by their digests. This form of the recipe is hashed and stored.
    """
    if recipe.model not in ("", facts.name):
        raise BadRecipe(
            "model", errors.WRONG_MODEL.format(asked=short_repr(recipe.model), present=short_repr(facts.name))
        )
    if not is_faithful(recipe):
        recipe = replace(recipe, faithful=False)
    if recipe.image is not None and not METHODS[recipe.method].takes_start_image:
        sentence = errors.METHOD_TAKES_NO_PICTURE.format(method=recipe.method)
        raise BadRecipe("image", sentence, {"method": Recipe.method})
    stride = resolve_stride(recipe, facts)
    if stride > facts.window:
        sentence = errors.STRIDE_OUT_OF_RANGE.format(stride=stride, window=facts.window)
        raise BadRecipe("stride", sentence, {"stride": facts.window})
    if recipe.faithful and recipe.image is not None:
        raise BadRecipe("image", errors.FAITHFUL_PICTURE, {"faithful": False})
    if recipe.faithful and recipe.controls:
        raise BadRecipe("controls", errors.FAITHFUL_CONTROLS, {"faithful": False})
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
        scheduler=_resolve_scheduler(recipe, facts),
        image=None if recipe.image is None else images.digest(recipe.image),
        controls=tuple(_resolve_control(control, facts) for control in recipe.controls),
        enlarge=_resolve_enlargement(recipe, facts),
        options=_resolve_options(recipe),
    )
    if recipe.faithful:
        recipe = replace(recipe, economy=0.0, kernel="code", lattice="raw", feather=False)
    return cast(ResolvedRecipe, recipe)


def _resolve_scheduler(recipe: Recipe, facts: Facts) -> str:
    """Return the name of the scheduler to use; raise BadRecipe if the recipe's scheduler does not work.

    If the recipe names none and the model's default does not work, return "ddim".
    """
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


def _resolve_options(recipe: Recipe) -> tuple[tuple[str, Any], ...]:
    """Return a recipe's options, without a redraw strength that is the method's own."""
    return changed_options(drop_own_restart(options_from_pairs(recipe.options), recipe.method))


def _resolve_enlargement(recipe: Recipe, facts: Facts) -> str:
    """Return how a stage starts from the one below: "latent" or an upscaler; raise BadRecipe if that cannot be."""
    if METHODS[recipe.method].upscales:
        if recipe.enlarge == LATENT:
            raise BadRecipe("enlarge", errors.UPSCALER_NEEDED, {"enlarge": facts.defaults.upscaler})
        return recipe.enlarge or facts.defaults.upscaler
    if recipe.faithful and recipe.enlarge not in ("", LATENT):
        raise BadRecipe("enlarge", errors.FAITHFUL_ENLARGEMENT, {"faithful": False})
    return recipe.enlarge or LATENT


def _resolve_control(control: Control, facts: Facts) -> Control:
    """Return a control with its image replaced by a digest; raise BadRecipe if the model lacks a ControlNet for it."""
    controlnet_for(control, facts)
    try:
        return replace(control, image=images.digest(control.checked_image))
    except BadRecipe as fault:
        raise BadRecipe("controls", fault.sentence) from fault


def _check_views(stages: tuple[Stage, ...]) -> None:
    """Raise BadRecipe if the network is patched but sees only windows of native size, where patches do nothing."""
    last = stages[-1]
    if last.method.network and last.method.views == "windows":
        fit = changed_options(replace(last.options, views="whole"))
        raise BadRecipe("options", errors.PATCHES_NEED_LARGE_VIEWS, {"options": fit})


def _check_block_blur(stages: tuple[Stage, ...]) -> None:
    """Raise BadRecipe if a blur of blocks is to be undone by a scheduler that adds new noise at each step."""
    last = stages[-1]
    kind, _ = resolve_scheduler(last.recipe.scheduler, last.facts.scheduler)
    if kind.draws_noise and any(stage.schedule.block_blur.any() for stage in stages):
        fit = changed_options(replace(last.options, unblur=0.0))
        sentence = errors.BLUR_NEEDS_SCHEDULER_WITHOUT_NOISE.format(scheduler=last.recipe.scheduler)
        raise BadRecipe("options", sentence, {"options": fit})


def _check_upscaled_sizes(stages: tuple[Stage, ...]) -> None:
    """Raise BadRecipe if an upscaler would have to enlarge a larger picture than it can."""
    for stage in stages:
        entry = upscaler_entry(stage.upscaler)
        if not entry or not entry.largest_side or stage.size_below is None:
            continue
        last = (
            stage.size_below,
            *(step.source for step in list_passes(stage.size_below, stage.size, entry.factor)),
        )[-1]
        if prod(last) > entry.largest_side**2:
            sentence = errors.UPSCALER_PICTURE_TOO_LARGE.format(
                source=entry.title, limit=entry.largest_side, stage=stage.number
            )
            raise BadRecipe("enlarge", sentence, {"enlarge": "lanczos"})


def _check_ready_made_map(control: Control, stages: tuple[Stage, ...]) -> None:
    """Raise BadRecipe if a ready-made map's aspect ratio is not the picture's, or a stage that uses it is larger."""
    if not control.given or images.is_digest(control.image):
        return
    height, width = images.measure(control.checked_image)
    said, (high, wide) = {"width": width, "height": height}, stages[-1].size
    if abs(height * wide - width * high) > max(width * high, height * wide) * MAP_ASPECT_SLACK:
        raise BadRecipe("controls", errors.CONTROL_MAP_WRONG_SHAPE.format(wide=wide, high=high, **said))
    for stage in stages:
        high, wide = stage.size
        if control.strength(stage.number) and (height < high or width < wide):
            sentence = errors.CONTROL_MAP_TOO_SMALL.format(stage=stage.number, wide=wide, high=high, **said)
            raise BadRecipe("controls", sentence)


def dilation_for_scale(scale: float) -> int:
    """Return the dilation of a stage at a scale: the spacing, in latent cells, of a dilated view's rows and columns.

    It is the scale itself if the scale is a whole number. Otherwise it is the smallest whole number for which a
    dilated view's mean side is at most SIZE_TOLERANCE times the native side.
    """
    return int(scale) if scale == int(scale) else ceil(scale / SIZE_TOLERANCE)


def _find_block_side(
    method: Method, scales: tuple[float, ...], recipe: ResolvedRecipe, facts: Facts, image: str | None
) -> int:
    """Return the side, in latent cells, of the blocks of the stage at the last of the scales; 1 if it has no blocks.

    It is the ratio of the last two scales, rounded (1.5 gives 2). While the stage starts from a start image, which has
    more px than the stage below, it is relative to the first scale.

    image: the start image, as a path or a digest; None without one.
    """
    if not method.relays or len(scales) == 1:
        return 1
    sizes = [_size_at_scale(scale, recipe, facts) for scale in scales[-2:]]
    below = scales[0] if _starts_from_image(image, *sizes) else scales[-2]
    return int(scales[-1] / below + 0.5)


def _size_at_scale(scale: float, recipe: ResolvedRecipe, facts: Facts) -> Size:
    """Return the (height, width) in px of a stage at a scale."""
    rows, cols = stage_cells(scale, recipe, facts)
    return rows * facts.cell, cols * facts.cell


def _starts_from_image(image: str | None, size_below: Size, size: Size) -> bool:
    """Return whether a stage starts from the start image, which has more px than the stage below.

    image: the start image, as a path or a digest; a digest does not say the image's size, so the answer is yes.
    size_below, size: the (height, width) in px of the stage below and of the stage.
    """
    if image is None or images.is_digest(image):
        return image is not None
    return images.count_crop_pixels(images.measure(image), size) > prod(size_below)


def _build_stage(number: int, scale: float, recipe: ResolvedRecipe, facts: Facts, block_side: int) -> Stage:
    """Return the stage with a number (from 1) at a scale.

    block_side: see Stage.block_side.
    """
    rows, cols = stage_cells(scale, recipe, facts)
    base_rows, base_cols = stage_cells(recipe.scales[0], recipe, facts)
    method, is_first = resolve_method(recipe), number == 1
    dilation = 1 if is_first or not method.dilated else dilation_for_scale(scale)
    start = start_fraction(recipe, number)
    stage = Stage(
        number=number,
        scale=scale,
        rows=rows,
        cols=cols,
        base_size=(base_rows * facts.cell, base_cols * facts.cell),
        dilation=dilation,
        block_side=block_side,
        start_fraction=start,
        schedule=_build_schedule(
            recipe, facts, method, start, is_first=is_first, dilated=dilation > 1, relays=block_side > 1
        ),
        patches=(),
        recipe=recipe,
        facts=facts,
        method=method,
        options=options_from_pairs(recipe.options),
    )
    return replace(stage, patches=_find_patches(stage))


def _add_sizes_below(stages: tuple[Stage, ...], image: str | None) -> tuple[Stage, ...]:
    """Return the stages with the size of the picture that each of them enlarges.

    image: the start image, as a path or a digest; None without one. A stage starts from it in place of the stage
        below if it has more px.
    """
    sizes = [(0, 0), *(stage.size for stage in stages)]
    below: list[Size | None] = [None, *sizes[1:-1]]
    for n, stage in enumerate(stages):
        if _starts_from_image(image, sizes[n], stage.size):
            file = None if images.is_digest(image) else image
            below[n] = images.crop_size(images.measure(file), stage.size) if file else None
    return tuple(replace(stage, size_below=size) for stage, size in zip(stages, below, strict=True))


def _find_patches(stage: Stage) -> tuple[StepPatches, ...]:
    """Return the patches of the network at every step of a stage's schedule."""
    return patches_for_stage(
        stage.method.network,
        vars(stage.options),
        stage.window,
        stage.facts,
        len(stage.schedule.t),
        (stage.recipe.seed, stage.rows, stage.cols),
        guided=stage.guidance_passes == 2,
    )


def _build_schedule(
    recipe: ResolvedRecipe,
    facts: Facts,
    method: Method,
    start: float,
    *,
    is_first: bool,
    dilated: bool,
    relays: bool,
) -> Schedule:
    """Return the schedule of a stage.

    start: see Stage.start_fraction.
    is_first: whether this is the first stage, which has an anchor only if there is a start image.
    dilated: whether there are dilated views.
    relays: whether the stage may undo a blur of blocks.
    """
    t = timesteps(recipe.scheduler, facts.scheduler, recipe.steps)
    if method.upscales and not (is_first and method.has_base):
        return base_schedule(t[:0])
    if is_first and recipe.image is None:
        return base_schedule(t)
    alpha1 = recipe.alpha1 if recipe.image is None else fidelity_exponent(recipe.alpha1, recipe.fidelity)
    schedule = stage_schedule(
        t,
        facts.train_steps,
        (alpha1, recipe.alpha2, recipe.alpha3),
        (recipe.sigma1, recipe.sigma2),
        recipe.economy,
        skip_residual=method.skip_residual,
        dilated=dilated,
        faithful=recipe.faithful,
        start_fraction=start,
    )
    if not relays:
        return schedule
    levels = levels_at(t, recipe.scheduler, facts.scheduler)
    return with_block_blur(schedule, levels, STRONGEST_BLOCK_BLUR * options_from_pairs(recipe.options).unblur)
