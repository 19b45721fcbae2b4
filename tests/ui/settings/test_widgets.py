"""Widgets and recipes: nothing is lost on the way to the page and back."""

import json
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.errors import BadRecipe
from engine.planning.plan import plan
from engine.recipe.checks import check
from engine.recipe.options import OPTIONS
from engine.recipe.recipe import SETTINGS, Recipe
from tests.engine.recipe.test_recall import ANYTHING, MANY
from tests.support.planning import make_facts
from tests.support.recipes import RECIPES, as_browser_sends
from ui.messages.summaries import describe_differences
from ui.session.finished import NOT_COMPARED
from ui.settings.control_settings import SETTING_BY_WIDGET
from ui.settings.sizes import SHAPES, SizeSettings, apply_size_settings, size_for_shape, size_settings_for
from ui.settings.widgets import (
    SETTINGS_WITHOUT_WIDGET,
    SIZE_WIDGETS,
    WIDGET_SETTINGS,
    recipe_from_widgets,
    setting_widget,
    size_widget,
    values_without_widget,
    widget_values,
)

FACTS = make_facts(window=32, channels=8)
SIZED = st.builds(
    lambda recipe, growth: apply_size_settings(recipe, growth, FACTS),
    RECIPES,
    st.builds(
        SizeSettings, stages=st.integers(1, 4), by_one=st.booleans(), shape=st.sampled_from(list(SHAPES))
    ),
)


def through_the_page(recipe):
    """As a browser sends it: whole numbers as floats, lists for tuples."""
    values = {
        name: as_browser_sends(value) if name not in ("scales", "shape") else value
        for name, value in widget_values(recipe, FACTS).items()
    }
    return recipe_from_widgets(json.loads(json.dumps(values)), values_without_widget(recipe), FACTS)


def planned(recipe):
    """What a recipe comes to, or why it cannot be."""
    try:
        return plan(recipe, FACTS).recipe
    except BadRecipe as fault:
        return fault.sentence


@MANY
@example(Recipe(faithful=True))
@example(Recipe(method="direct", faithful=True))  # Without effect beside this method.
@given(RECIPES | SIZED)
def test_every_recipe_survives_the_page(recipe):
    recipe = check(recipe)
    again = through_the_page(recipe)
    assert planned(again) == planned(recipe)
    assert widget_values(again, FACTS) == widget_values(recipe, FACTS)


@MANY
@given(RECIPES, RECIPES)
def test_two_recipes_differ_in_words_where_they_differ(one, other):
    named = set(SETTINGS) - set(NOT_COMPARED) | {"options"}
    apart = any(getattr(one, name) != getattr(other, name) for name in named)
    assert bool(describe_differences(one, other)) is apart


@MANY
@given(
    st.dictionaries(
        st.sampled_from([*WIDGET_SETTINGS, *SIZE_WIDGETS, *SETTING_BY_WIDGET, *OPTIONS]), ANYTHING
    ),
    st.dictionaries(st.text(), ANYTHING),
)
def test_anything_that_a_browser_sends_gives_a_recipe_or_a_message(values, rest):
    with suppress(BadRecipe):
        check(recipe_from_widgets(values, rest, FACTS))


def test_every_setting_has_a_control_or_is_carried_along():
    assert sorted(
        [*WIDGET_SETTINGS, *SETTINGS_WITHOUT_WIDGET, "options", "width", "height", "scales"]
    ) == sorted(SETTINGS)


@pytest.mark.parametrize("name", WIDGET_SETTINGS)
def test_a_control_says_what_the_setting_says(name):
    made = setting_widget(name)
    assert (made.label, made.info) == (SETTINGS[name].label, SETTINGS[name].help)
    assert made.interactive is True


@pytest.mark.parametrize("name", SIZE_WIDGETS)
def test_a_control_of_sizes_can_be_moved(name):
    assert size_widget(name).interactive is True


@pytest.mark.parametrize("name", [n for n in WIDGET_SETTINGS if SETTINGS[n].low is not None])
def test_a_control_goes_as_far_as_the_setting(name):
    made, setting = setting_widget(name), SETTINGS[name]
    assert (made.minimum, made.maximum, made.step if name != "seed" else 1) == (
        setting.low,
        setting.high,
        setting.step,
    )


@pytest.mark.parametrize(
    ("shape", "size"),
    [("1:1", (1024, 1024)), ("3:2", (1280, 832)), ("9:16", (768, 1344)), ("2:1", (1472, 704))],
)
def test_a_shape_has_about_the_native_area_at_every_scale(shape, size):
    assert size_for_shape(shape, 4, FACTS) == size


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("by_one", [False, True])
def test_a_shape_is_found_again_in_its_size(shape, by_one):
    growth = SizeSettings(stages=3, by_one=by_one, shape=shape)
    assert size_settings_for(apply_size_settings(Recipe(), growth, FACTS), FACTS) == growth


def test_scales_that_no_slider_makes_are_a_list():
    recipe = Recipe(scales=(1, 1.5, 3))
    assert size_settings_for(recipe, FACTS).scales == "1, 1.5, 3"


def test_an_own_size_has_the_scales_that_fit_it():
    recipe = apply_size_settings(Recipe(), SizeSettings(stages=2, width=1024, height=768), FACTS)
    assert [stage.size for stage in plan(recipe, FACTS).stages][-1] == (768, 1024)


@pytest.mark.parametrize("text", ["one, two", "1, nan", "1, inf", "1, 1e308", "2, 1", "0, 1", "-1"])
@pytest.mark.parametrize("shape", ["1:1", "3:2"])
def test_a_list_that_is_none_is_refused_by_name(text, shape):
    with pytest.raises(BadRecipe) as fault:
        apply_size_settings(Recipe(), SizeSettings(scales=text, shape=shape), FACTS)
    assert fault.value.field == "scales"
