"""Quality presets, which set several settings at once."""

from dataclasses import replace

import pytest

from engine import Recipe, plan
from engine.catalogue.entries import Defaults, Quality, model_entries
from engine.errors import BadRecipe
from engine.recipe.quality import apply_quality, default_recipe, fill_quality, find_quality
from tests.support.planning import make_facts

QUALITIES = {
    "draft": Quality(8, restart=0.5, dilated=False),
    "standard": Quality(20, restart=0.6, stride=0.75),
    "fine": Quality(30),
}
DEFAULTS = Defaults(20, 3.0, "model", (1.0, 2.0, 4.0), qualities=QUALITIES)
FACTS = make_facts(defaults=DEFAULTS)


@pytest.mark.parametrize("name", QUALITIES)
def test_a_preset_is_found_again_in_its_settings(name):
    assert find_quality(apply_quality(Recipe(prompt="a boat"), name, FACTS), FACTS) == name


@pytest.mark.parametrize("name", QUALITIES)
def test_a_preset_does_not_depend_on_the_preset_before(name):
    other = Recipe(steps=4, dilated=False, options={"restart": 0.9, "restart_stages": (1, 0.5)})
    assert apply_quality(other, name, FACTS) == apply_quality(Recipe(), name, FACTS)


def test_a_preset_leaves_other_settings_alone():
    recipe = Recipe(prompt="a boat", seed=3, alpha1=2, options={"views": "large"})
    changed = apply_quality(recipe, "draft", FACTS)
    assert dict(changed.options) == {"views": "large", "restart": 0.5}
    assert changed == replace(recipe, steps=8, dilated=False, options=changed.options)


def test_steps_that_are_the_models_own_are_left_empty():
    assert apply_quality(Recipe(), "standard", FACTS).steps is None
    assert find_quality(Recipe(steps=20, stride=96, options={"restart": 0.6}), FACTS) == "standard"
    assert find_quality(Recipe(steps=30, stride=64), FACTS) == "fine"


def test_the_stride_of_a_preset_is_a_fraction_of_the_window():
    strides = [apply_quality(Recipe(stride=8), name, FACTS).stride for name in QUALITIES]
    assert strides == [None, 96, None]


def test_other_settings_are_no_preset():
    assert find_quality(Recipe(steps=9), FACTS) is None
    assert find_quality(Recipe(), make_facts()) is None


@pytest.mark.parametrize("method", ["sdedit", "relay"])
def test_methods_with_their_own_redraw_strength_keep_it(method):
    assert apply_quality(Recipe(method=method), "draft", FACTS).options == ()


def test_filling_keeps_the_settings_that_are_given():
    given = Recipe(steps=12, options={"restart_stages": (1, 0.8)})
    assert fill_quality(given, "draft", FACTS) == replace(given, dilated=False)
    assert not fill_quality(Recipe(dilated=False), "standard", FACTS).dilated
    assert fill_quality(Recipe(stride=32), "standard", FACTS).stride == 32
    assert fill_quality(Recipe(), "draft", FACTS) == apply_quality(Recipe(), "draft", FACTS)


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(BadRecipe, match="draft, standard, fine") as refused:
        fill_quality(Recipe(), "best", FACTS)
    assert refused.value.field == "quality"


def test_the_first_recipe_of_a_model_has_its_preset():
    assert default_recipe(FACTS) == Recipe()
    chosen = make_facts(defaults=replace(DEFAULTS, quality="draft"))
    assert find_quality(default_recipe(chosen), chosen) == "draft"


@pytest.mark.parametrize("entry", [e for e in model_entries() if e.defaults.qualities], ids=lambda e: e.name)
def test_each_preset_of_the_catalogue_costs_more_than_the_one_before(entry):
    facts = make_facts(defaults=entry.defaults)
    recipes = (apply_quality(Recipe(), name, facts) for name in entry.defaults.qualities)
    evaluations = [plan(recipe, facts).evaluations for recipe in recipes]
    assert evaluations == sorted(set(evaluations))
