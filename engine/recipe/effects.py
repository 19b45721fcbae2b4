"""The combined effect of a recipe's settings: the resulting row of methods, and ineffective settings. No torch."""

from dataclasses import replace

from engine.methods import (
    ALL_NETWORK_OPTIONS,
    COMBINATION_OPTIONS,
    DENOISING_SETTINGS,
    DILATED_SETTINGS,
    FAITHFUL_SETTINGS,
    GUIDANCE_SETTINGS,
    METHODS,
    NETWORK_OPTIONS,
    SKIP_RESIDUAL_SETTINGS,
    WINDOW_SETTINGS,
    Method,
)
from engine.recipe.options import OPTION_DEFAULTS, OPTIONS, Options, options_from_pairs
from engine.recipe.recipe import DEFAULTS, LATENT, Recipe


def is_faithful(recipe: Recipe) -> bool:
    """Return whether the run repeats the published code exactly: `faithful` is on and the method supports it."""
    return recipe.faithful is True and "faithful" in METHODS[recipe.method].reads


def resolve_method(recipe: Recipe) -> Method:
    """Return the row of the recipe's method, changed by the recipe's ablation settings and options."""
    row, options = METHODS[recipe.method], options_from_pairs(recipe.options)
    readable = row.reads - COMBINATION_OPTIONS if is_faithful(recipe) else row.reads
    views = options.views if "views" in readable else ""
    network = options.network if "network" in readable else ""
    return replace(
        row,
        has_base=row.has_base and not (row.upscales and recipe.image is not None),
        progressive=row.progressive and recipe.progressive,
        skip_residual=row.skip_residual and recipe.skip_residual,
        dilated=row.dilated and recipe.dilated,
        views=views or row.views,
        network=network or row.network,
        true_size_ids=row.true_size_ids or ("placed" in readable and options.placed),
    )


def start_fraction(recipe: Recipe, stage: int) -> float:
    """Return where a stage starts from the picture that it enlarges, as a fraction of the training timesteps.

    1 is pure noise.    stage: the stage's number, from 1.
    """
    row = METHODS[recipe.method]
    if "restart" not in row.reads or is_faithful(recipe):
        return row.start
    options = options_from_pairs(recipe.options)
    by_stage = options.restart_stages
    return (by_stage[min(stage, len(by_stage)) - 1] if by_stage else options.restart) or row.start


def drop_own_restart(options: Options, method: str) -> Options:
    """Return options whose `restart` is 0 if it is the method's own value."""
    return replace(options, restart=0.0) if options.restart == METHODS[method].start else options


def ineffective_settings(recipe: Recipe) -> tuple[str, ...]:
    """Return the sorted names of settings and options that have no effect, because of the method or other settings."""
    row = resolve_method(recipe)
    names = {name for method in METHODS.values() for name in method.reads} - row.reads
    names |= ALL_NETWORK_OPTIONS - NETWORK_OPTIONS[row.network]
    if options_from_pairs(recipe.options).restart_stages:
        names.add("restart")
    if row.views == "whole":
        names |= WINDOW_SETTINGS | {"placed"}
    if not row.skip_residual:
        names |= SKIP_RESIDUAL_SETTINGS
    if not row.dilated:
        names |= DILATED_SETTINGS
    if is_faithful(recipe):
        names |= FAITHFUL_SETTINGS | COMBINATION_OPTIONS
    if recipe.guidance is not None and recipe.guidance <= 1:
        names |= GUIDANCE_SETTINGS | {"damped"}
    if row.upscales and recipe.image is not None:
        names |= DENOISING_SETTINGS | GUIDANCE_SETTINGS
    if recipe.image is None or not row.skip_residual:
        names.add("fidelity")
    elif recipe.fidelity in (0, 1):
        names |= SKIP_RESIDUAL_SETTINGS
    return tuple(sorted(names))


def changed_but_ineffective_settings(recipe: Recipe) -> tuple[str, ...]:
    """Return the names in `ineffective_settings(recipe)` whose values differ from their defaults.

    In recipes of earlier versions `enlarge` always is "latent", so that this value does not count.
    """
    options = options_from_pairs(recipe.options)
    changed = []
    for name in ineffective_settings(recipe):
        values, defaults = (options, OPTION_DEFAULTS) if name in OPTIONS else (recipe, DEFAULTS)
        is_former_default = name == "enlarge" and recipe.enlarge == LATENT
        if getattr(values, name) != getattr(defaults, name) and not is_former_default:
            changed.append(name)
    return tuple(changed)
