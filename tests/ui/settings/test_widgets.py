"""Tests of the conversion between recipes and widgets: nothing is lost in either direction."""

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
from ui.session.finished import UNCOMPARED_SETTINGS
from ui.settings.control_settings import SETTING_BY_WIDGET
from ui.settings.sizes import SHAPES, SizeSettings, apply_size_settings, size_for_shape, size_settings_for
from ui.settings.widgets import (
    SETTINGS_WITHOUT_WIDGET,
    SIZE_WIDGET_NAMES,
    WIDGET_SETTINGS,
    method_widgets,
    recipe_from_widgets,
    setting_widget,
    size_widget,
    values_without_widget,
    widget_values,
)

FACTS = make_facts(window=32, channels=8)
RECIPES_WITH_SIZES = st.builds(
    lambda recipe, size_settings: apply_size_settings(recipe, size_settings, FACTS),
    RECIPES,
    st.builds(
        SizeSettings, stages=st.integers(1, 4), by_one=st.booleans(), shape=st.sampled_from(list(SHAPES))
    ),
)


def recipe_sent_back(recipe):
    """Fill the widgets with a recipe and return the recipe that a browser sends back.

    It sends whole numbers as floats and tuples as lists.
    """
    values = {
        name: as_browser_sends(value) if name not in ("scales", "shape") else value
        for name, value in widget_values(recipe, FACTS).items()
    }
    return recipe_from_widgets(json.loads(json.dumps(values)), values_without_widget(recipe), FACTS)


def resolved_or_refusal(recipe):
    """Return the resolved recipe of its plan, or the sentence that refuses it."""
    try:
        return plan(recipe, FACTS).recipe
    except BadRecipe as fault:
        return fault.sentence


@MANY
@example(Recipe(faithful=True))
@example(Recipe(method="direct", faithful=True))  # It has no effect with this method.
@given(RECIPES | RECIPES_WITH_SIZES)
def test_a_recipe_is_the_same_after_the_page_shows_it_and_sends_it_back(recipe):
    recipe = check(recipe)
    again = recipe_sent_back(recipe)
    assert resolved_or_refusal(again) == resolved_or_refusal(recipe)
    assert widget_values(again, FACTS) == widget_values(recipe, FACTS)


@MANY
@given(RECIPES, RECIPES)
def test_differences_are_described_exactly_when_two_recipes_differ(before, after):
    compared = set(SETTINGS) - set(UNCOMPARED_SETTINGS) | {"options"}
    differ = any(getattr(before, name) != getattr(after, name) for name in compared)
    assert bool(describe_differences(before, after)) is differ


@MANY
@given(
    st.dictionaries(
        st.sampled_from([*WIDGET_SETTINGS, *SIZE_WIDGET_NAMES, *SETTING_BY_WIDGET, *OPTIONS]), ANYTHING
    ),
    st.dictionaries(st.text(), ANYTHING),
)
def test_any_values_from_a_browser_give_a_valid_recipe_or_a_refusal(values, rest):
    with suppress(BadRecipe):
        check(recipe_from_widgets(values, rest, FACTS))


def test_every_setting_has_a_widget_or_is_kept_separately():
    assert sorted(
        [*WIDGET_SETTINGS, *SETTINGS_WITHOUT_WIDGET, "options", "width", "height", "scales"]
    ) == sorted(SETTINGS)


@pytest.mark.parametrize("name", WIDGET_SETTINGS)
def test_a_widget_has_label_and_help_of_its_setting(name):
    widget = setting_widget(name)
    assert (widget.label, widget.info) == (SETTINGS[name].label, SETTINGS[name].help)
    assert widget.interactive is True


@pytest.mark.parametrize("name", SIZE_WIDGET_NAMES)
def test_a_size_widget_is_interactive(name):
    assert size_widget(name).interactive is True


@pytest.mark.parametrize("name", [n for n in WIDGET_SETTINGS if SETTINGS[n].low is not None])
def test_a_widget_has_the_range_and_step_of_its_setting(name):
    widget, setting = setting_widget(name), SETTINGS[name]
    assert (widget.minimum, widget.maximum, widget.step if name != "seed" else 1) == (
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
def test_a_shape_is_recognised_from_the_size_it_gives(shape, by_one):
    size_settings = SizeSettings(stages=3, by_one=by_one, shape=shape)
    assert size_settings_for(apply_size_settings(Recipe(), size_settings, FACTS), FACTS) == size_settings


def test_scales_that_the_slider_cannot_make_are_shown_as_a_list():
    recipe = Recipe(scales=(1, 1.5, 3))
    assert size_settings_for(recipe, FACTS).scales == "1, 1.5, 3"


def test_the_last_stage_of_an_own_size_has_that_size():
    recipe = apply_size_settings(Recipe(), SizeSettings(stages=2, width=1024, height=768), FACTS)
    assert [stage.size for stage in plan(recipe, FACTS).stages][-1] == (768, 1024)


@pytest.mark.parametrize(("method", "own"), [("demofusion", 1), ("sdedit", 0.6), ("direct", 1)])
def test_the_redraw_strength_shows_the_methods_own(method, own):
    recipe = Recipe(prompt="a boat", method=method)
    assert widget_values(recipe, FACTS)["restart"] == own
    assert recipe_sent_back(recipe).options == ()


def test_another_method_brings_its_own_redraw_strength_unless_one_was_set():
    before = {"method": "demofusion", "restart": 1}
    assert method_widgets(before, {"method": "relay", "restart": 1}) == {"restart": 0.6}
    assert method_widgets(before, {"method": "relay", "restart": 0.8}) == {}
    assert method_widgets(before, {"method": "demofusion", "restart": 1}) == {}


@pytest.mark.parametrize("text", ["one, two", "1, nan", "1, inf", "1, 1e308", "2, 1", "0, 1", "-1"])
@pytest.mark.parametrize("shape", ["1:1", "3:2"])
def test_an_invalid_list_of_scales_is_refused_with_the_field_scales(text, shape):
    with pytest.raises(BadRecipe) as fault:
        apply_size_settings(Recipe(), SizeSettings(scales=text, shape=shape), FACTS)
    assert fault.value.field == "scales"
