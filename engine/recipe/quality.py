"""Quality presets: named settings of a recipe that trade seconds for detail, with values for each model. No torch."""

from dataclasses import replace
from typing import Any

from engine import errors
from engine.catalogue.entries import Facts, Quality
from engine.errors import BadRecipe, short_repr
from engine.methods import METHODS, RESTART_OPTIONS
from engine.recipe.options import changed_options, options_from_pairs
from engine.recipe.recipe import DEFAULTS, Recipe

# The distance between windows that an empty stride means, as a fraction of the window's side.
DEFAULT_STRIDE = 0.5


def quality_names(facts: Facts) -> tuple[str, ...]:
    """Return the names of a model's quality presets, the fastest first."""
    return tuple(facts.defaults.qualities)


def apply_quality(recipe: Recipe, name: str, facts: Facts) -> Recipe:
    """Return a recipe with the settings of a quality preset of a model; raise KeyError if there is no such preset.

    A method that starts its stages at a middle step anyway (SDEdit) keeps its redraw strength.
    """
    quality = facts.defaults.qualities[name]
    return replace(recipe, **_settings(quality, facts), options=_with_restart(recipe, quality))


def fill_quality(recipe: Recipe, name: str, facts: Facts) -> Recipe:
    """Return a recipe in which those settings of a quality preset that have their defaults are the preset's.

    Raise BadRecipe if the model has no such preset.
    """
    if name not in quality_names(facts):
        known = ", ".join(quality_names(facts)) or "–"
        raise BadRecipe(
            "quality", errors.UNKNOWN_CHOICE.format(field="quality", value=short_repr(name), known=known)
        )
    quality = facts.defaults.qualities[name]
    settings = _settings(quality, facts)
    empty = {
        field: value
        for field, value in settings.items()
        if getattr(recipe, field) == getattr(DEFAULTS, field)
    }
    has_restart = RESTART_OPTIONS & dict(recipe.options).keys()
    return replace(recipe, **empty, options=recipe.options if has_restart else _with_restart(recipe, quality))


def default_recipe(facts: Facts) -> Recipe:
    """Return the recipe without a prompt that the page starts with for a model."""
    name = facts.defaults.quality
    return apply_quality(DEFAULTS, name, facts) if name else DEFAULTS


def find_quality(recipe: Recipe, facts: Facts) -> str | None:
    """Return the quality preset whose settings a recipe has; None if it has none's."""
    if recipe.steps == facts.defaults.steps:
        recipe = replace(recipe, steps=None)
    if recipe.stride == facts.window // 2:
        recipe = replace(recipe, stride=None)
    names = quality_names(facts)
    return next((name for name in names if apply_quality(recipe, name, facts) == recipe), None)


def _settings(quality: Quality, facts: Facts) -> dict[str, Any]:
    """Return the fields of a recipe that a quality preset sets, besides its options; None for a model's default."""
    return {
        "steps": None if quality.steps == facts.defaults.steps else quality.steps,
        "dilated": quality.dilated,
        "stride": None if quality.stride == DEFAULT_STRIDE else round(quality.stride * facts.window),
    }


def _with_restart(recipe: Recipe, quality: Quality) -> tuple[tuple[str, object], ...]:
    """Return the recipe's options, with the preset's redraw strength if the method has none of its own."""
    if METHODS[recipe.method].restarts:
        return recipe.options
    options = options_from_pairs(recipe.options)
    return changed_options(replace(options, restart=quality.restart, restart_stages=()))
