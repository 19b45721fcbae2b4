"""Tests of links that contain a recipe, and of hostile or invalid links."""

from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Recipe
from engine.recipe.checks import check
from engine.recipe.recipe import DEFAULTS, SETTINGS
from tests.support.recipes import options
from ui.settings.link import (
    MAX_QUERY_LENGTH,
    recipe_from_query,
    recipe_to_query,
    recipe_url,
    settings_left_out,
)


def open_query(query):
    """Parse a query as a web server does and read the recipe in it."""
    return recipe_from_query(dict(parse_qsl(query, keep_blank_values=True, max_num_fields=1000)))


def setting_values(name):
    """Draw any valid value of a setting that a link may contain."""
    setting = SETTINGS[name]
    if name == "scales":
        return st.lists(st.integers(1, 20), max_size=8, unique=True).map(lambda s: tuple(sorted(s)))
    if setting.kind == "text":
        return st.text(max_size=2000)
    if setting.kind == "choice":
        return st.sampled_from(setting.choices)
    if setting.kind == "flag":
        return st.booleans()
    if setting.kind == "integer":
        return st.integers(int(setting.low), int(setting.high))
    return st.floats(setting.low, setting.high)


# Names of the settings that a link may contain; options are drawn separately.
LINKED_SETTINGS = [
    name
    for name, setting in SETTINGS.items()
    if setting.kind in ("text", "choice", "flag", "integer", "number", "scales")
]
RECIPES = st.fixed_dictionaries(
    {}, optional={name: setting_values(name) for name in LINKED_SETTINGS} | {"options": options()}
).map(lambda v: Recipe(**{**v, "sigma1": max(v.get("sigma1", 0.8), v.get("sigma2", 0.008))}))
HOSTILE_TEXTS = [
    "${alert(1)}",
    "{{x}}",
    "<img src=x onerror=alert(1)>",
    "`",
    "${5",
    "\\",
    "a&seed=7#?+ %41%",
    "\x00\n\u202e红🏠",
]


@settings(max_examples=150, deadline=None)
@given(RECIPES)
def test_a_link_restores_the_settings_written_into_it(recipe):
    linked = open_query(recipe_to_query(recipe))
    written = {name: getattr(recipe, name) for name in SETTINGS if name not in settings_left_out(recipe)}
    assert linked.recipe == Recipe(**written)
    assert linked.strange == ()


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.one_of(st.sampled_from(list(SETTINGS)), st.text(max_size=60)), st.text(max_size=80))
)
def test_every_link_is_read_without_an_error_as_a_valid_recipe(query):
    linked = recipe_from_query(query)
    assert check(linked.recipe)
    assert len(linked.strange) <= 8
    assert all(len(name) <= 41 and name.isprintable() for name in linked.strange)


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_text_is_escaped_in_a_link_and_restored_unchanged(text):
    query = recipe_to_query(Recipe(prompt=text))
    assert not set(query) & set("<>\"'`{}\\# \n")
    assert open_query(query) == (Recipe(prompt=text), ())


def test_a_link_contains_only_settings_that_differ_from_the_defaults():
    assert recipe_to_query(Recipe()) == ""
    recipe = Recipe(prompt="a red house", seed=7, scales=(1, 2, 4), alpha1=1.5, dilated=False, negative="")
    assert (
        recipe_to_query(recipe) == "prompt=a+red+house&negative=&seed=7&scales=1%2C2%2C4&alpha1=1.5&dilated=0"
    )


def test_images_are_left_out_of_a_link_and_named():
    recipe = Recipe(image="/tmp/holiday.png", controls=("edges",), seed=3)
    assert recipe_to_query(recipe) == "seed=3"
    assert settings_left_out(recipe) == ("image", "controls")


def test_a_setting_that_would_make_a_link_too_long_is_left_out_and_named():
    recipe = Recipe(prompt="红" * 2000, negative="mist", seed=3)
    assert recipe_to_query(recipe) == "negative=mist&seed=3"
    assert settings_left_out(recipe) == ("prompt",)
    assert (
        len(recipe_to_query(Recipe(prompt="~ " * 1000, negative="é" * 900, model="x" * 2000)))
        <= MAX_QUERY_LENGTH
    )


def test_invalid_values_are_left_out_of_a_link():
    assert recipe_to_query(Recipe(alpha1=12, prompt="\ud800")) == ""
    assert settings_left_out(Recipe(alpha1=12)) == ("alpha1",)


@pytest.mark.parametrize(
    "query",
    [
        {"alpha1": "12"},
        {"alpha1": "nan"},
        {"alpha1": "1_0"},
        {"alpha1": "١"},
        {"alpha1": "1" * 5000},
        {"seed": "1.5"},
        {"seed": ""},
        {"dilated": "yes"},
        {"dilated": ""},
        {"scales": "1,,2"},
        {"scales": "4,2,1"},
        {"scales": "1,2,3,4,5,6,7,8,9"},
        {"scheduler": "heun"},
        {"prompt": "x" * 2001},
        {"prompt": ["a", "b"]},
        {"image": "/etc/passwd"},
        {"controls": "x"},
        {"options": "x"},
        {"run": "00ff"},
        {"version": "1"},
        {"hash": "x"},
    ],
)
def test_invalid_parts_of_a_link_are_skipped_and_named(query):
    assert recipe_from_query(query) == (DEFAULTS, tuple(query))


def test_a_link_names_defaults_that_are_known():
    assert recipe_from_query({"seed": "3", "defaults": "1"}) == (replace(DEFAULTS, seed=3), ())


@pytest.mark.parametrize("number", ["0", "2", "", "one"])
def test_unknown_defaults_are_named(number):
    assert recipe_from_query({"seed": "3", "defaults": number}) == (replace(DEFAULTS, seed=3), ("defaults",))


def test_valid_parts_of_a_link_are_used_although_others_are_invalid():
    assert recipe_from_query({"alpha1": "12", "alpha2": "2", "colour": "red"}) == (
        replace(DEFAULTS, alpha2=2.0),
        ("alpha1", "colour"),
    )


def test_parameters_that_the_host_adds_are_ignored():
    assert recipe_from_query({"__theme": "dark", "__sign": "x", "logs": "container", "sign": "y"}) == (
        DEFAULTS,
        (),
    )


def test_smoothing_values_in_the_wrong_order_are_both_named():
    assert recipe_from_query({"sigma1": "0.1", "sigma2": "0.5", "seed": "3"}) == (
        replace(DEFAULTS, seed=3),
        ("sigma1", "sigma2"),
    )


@pytest.mark.parametrize(
    ("url", "space", "expected"),
    [
        ("https://x.hf.space/", "ann/demo", "https://huggingface.co/spaces/ann/demo?seed=7&defaults=1"),
        ("http://127.0.0.1:7860/?__theme=dark#top", None, "http://127.0.0.1:7860/?seed=7&defaults=1"),
        ("http://127.0.0.1:7860/gradio_api/queue/join?", None, "http://127.0.0.1:7860/?seed=7&defaults=1"),
        ("https://h/studio/gradio_api/queue/join", None, "https://h/studio?seed=7&defaults=1"),
        ("https://ann:secret@h/studio", "", "https://h/studio?seed=7&defaults=1"),
        ("http://h/", "../../evil?x", "http://h/?seed=7&defaults=1"),
        ("javascript:alert(1)", None, "?seed=7&defaults=1"),
        ("http://[broken", None, "?seed=7&defaults=1"),
    ],
)
def test_a_link_points_to_the_address_of_the_page_or_of_its_space(url, space, expected):
    assert recipe_url(Recipe(seed=7), url, space) == expected


def test_a_link_to_the_defaults_has_no_query():
    assert recipe_url(Recipe(), "http://h/?seed=9", None) == "http://h/"
