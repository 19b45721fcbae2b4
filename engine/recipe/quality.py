"""Quality presets: named settings of a recipe that trade seconds for detail, with values for each model. No torch."""

from dataclasses import replace

from engine import errors
from engine.catalogue.entries import Facts, Quality
from engine.errors import BadRecipe, short_repr
from engine.methods import METHODS, RESTART_OPTIONS
from engine.recipe.options import changed_options, options_from_pairs
from engine.recipe.recipe import DEFAULTS, Recipe


def quality_names(facts: Facts) -> tuple[str, ...]:
    """Return the names of a model's quality presets, the fastest first."""
    return tuple(facts.defaults.qualities)


def apply_quality(recipe: Recipe, name: str, facts: Facts) -> Recipe:
    """Return a recipe with the settings of a quality preset of a model; raise KeyError if there is no such preset.

    A method that starts its stages at a middle step anyway (SDEdit) keeps its redraw strength.
    """
    quality = facts.defaults.qualities[name]
    steps = quality.steps if quality.steps != facts.defaults.steps else None
    return replace(
        recipe,
        steps=steps,
        dilated=quality.dilated,
        options=_with_restart(recipe, quality),
    )


def fill_quality(recipe: Recipe, name: str, facts: Facts) -> Recipe:
    """Return a recipe in which those settings of a quality preset that have their defaults are the preset's.

    Raise BadRecipe if the model has no such preset.
    """
    if name not in quality_names(facts):
        known = ", ".join(quality_names(facts)) or "–"
        raise BadRecipe(
            "quality", errors.UNKNOWN_CHOICE.format(field="quality", value=short_repr(name), known=known)
        )
    filled = apply_quality(recipe, name, facts)
    if recipe.steps is not None:
        filled = replace(filled, steps=recipe.steps)
    if recipe.dilated != DEFAULTS.dilated:
        filled = replace(filled, dilated=recipe.dilated)
    if RESTART_OPTIONS & dict(recipe.options).keys():
        filled = replace(filled, options=recipe.options)
    return filled


def default_recipe(facts: Facts) -> Recipe:
    """Return the recipe without a prompt that the page and the command line start with for a model."""
    name = facts.defaults.quality
    return apply_quality(DEFAULTS, name, facts) if name else DEFAULTS


def find_quality(recipe: Recipe, facts: Facts) -> str | None:
    """Return the quality preset whose settings a recipe has; None if it has none's."""
    if recipe.steps == facts.defaults.steps:
        recipe = replace(recipe, steps=None)
    names = quality_names(facts)
    return next((name for name in names if apply_quality(recipe, name, facts) == recipe), None)


def _with_restart(recipe: Recipe, quality: Quality) -> tuple[tuple[str, object], ...]:
    """Return the recipe's options, with the preset's redraw strength if the method has none of its own."""
    if METHODS[recipe.method].restarts:
        return recipe.options
    options = options_from_pairs(recipe.options)
    return changed_options(replace(options, restart=quality.restart, restart_stages=()))
