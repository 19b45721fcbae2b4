import json
import math
import pickle

import pytest

from engine import BadRecipe, Recipe
from engine.recipe.checks import check
from engine.recipe.effects import changed_but_ineffective_settings
from engine.recipe.recipe import SETTINGS, from_dict, to_dict


def test_a_recipe_survives_json():
    recipe = Recipe(prompt="Ein Haus, rot", scales=[1, 1.5, 3], seed=7, options={"a": [1, {"b": 2}]})
    again, strange = from_dict(json.loads(json.dumps(to_dict(recipe))))
    assert again == recipe
    assert again.hash == recipe.hash
    assert strange == ()


def test_unknown_and_invalid_values_are_named():
    recipe, strange = from_dict({"version": 1, "prompt": "a", "sharpness": 3, "wings": 2})
    assert recipe.prompt == "a"
    assert strange == ("sharpness", "wings")


def test_a_newer_version_is_named():
    assert from_dict({"version": 99})[1] == ("version",)


@pytest.mark.parametrize("values", [[], None, "x", 3])
def test_values_that_are_no_recipe_are_refused(values):
    with pytest.raises(BadRecipe, match="not a recipe"):
        from_dict(values)


def test_making_a_recipe_never_raises():
    Recipe(seed="x", scales=None, width=-3, alpha1=math.nan, options=7, controls={"a": 1})
    Recipe(options={1: 1, "1": "a"})


def test_the_hash_depends_on_all_settings_but_the_view_batch():
    assert Recipe(view_batch=1).hash == Recipe(view_batch=8).hash
    changed = {"seed": 1, "prompt": "x", "alpha1": 2.0, "scales": (1, 2), "jitter": False, "negative": ""}
    assert len({Recipe(**{name: value}).hash for name, value in changed.items()} | {Recipe().hash}) == 7


def test_a_checked_whole_number_equals_the_same_float():
    assert (
        check(Recipe(steps=50.0, alpha1=3, scales=(1, 2))).hash
        == check(Recipe(steps=50, scales=(1.0, 2.0))).hash
    )


def test_every_setting_has_a_description():
    for name, setting in SETTINGS.items():
        assert setting.label, name
        assert setting.help.endswith("."), name


def test_every_default_is_in_range():
    assert check(Recipe()) == Recipe()


@pytest.mark.parametrize(
    ("recipe", "named"),
    [
        ({"alpha1": 2, "sigma2": 0.1, "stride": 3}, ()),
        ({"fidelity": 0.7}, ("fidelity",)),
        ({"image": "x.png", "fidelity": 0.7, "alpha1": 2}, ()),
        ({"image": "x.png", "fidelity": 1.0, "alpha1": 2}, ("alpha1",)),
        ({"image": "x.png", "fidelity": 0.7, "skip_residual": False}, ("fidelity",)),
        ({"skip_residual": False, "alpha1": 1}, ("alpha1",)),
        ({"dilated": False, "alpha2": 2, "kernel": "code", "jitter": False}, ("alpha2", "kernel")),
        ({"faithful": True, "economy": 0.05, "alpha1": 2}, ("economy",)),
        ({"guidance": 1, "negative": "grass"}, ("negative",)),
    ],
)
def test_a_changed_but_ineffective_setting_is_named(recipe, named):
    assert changed_but_ineffective_settings(Recipe(**recipe)) == named


def test_an_exception_can_be_pickled():
    fault = pickle.loads(pickle.dumps(BadRecipe("steps", "Too many.")))
    assert (fault.field, fault.sentence) == ("steps", "Too many.")


BAD = [
    ("prompt", "x" * 2001), ("prompt", 3), ("negative", "x" * 2001),
    ("scheduler", "heun"), ("method", "magic"), ("kernel", "wide"), ("lattice", "w"), ("enlarge", "gan"),
    ("scales", (2, 1)), ("scales", (1, 1)), ("scales", (0, 1)), ("scales", (-1, 1)),
    ("scales", (1, math.nan)), ("scales", (1, 10**400)), ("scales", ((1, 2), 3)), ("scales", (1, math.inf)),
    ("seed", 10**400), ("alpha1", 10**400), ("prompt", None), ("scheduler", ["ddim"]),
    ("scales", "12"), ("scales", (1, "2")),
    ("alpha1", -1), ("alpha2", -0.1), ("alpha3", 5.1), ("alpha1", math.nan),
    ("alpha2", math.inf), ("alpha1", "3"),
    ("sigma1", 2.5), ("sigma2", -1), ("sigma1", math.nan), ("economy", 0.2), ("economy", math.nan),
    ("stride", 0), ("stride", -1), ("stride", 2.5), ("steps", 0), ("steps", 3), ("steps", 101),
    ("steps", math.nan),
    ("guidance", 0.5), ("guidance", 99), ("guidance", math.inf), ("guidance_rescale", 2),
    ("seed", -1), ("seed", 2**32), ("seed", 1.5), ("seed", "7"), ("seed", True), ("seed", math.nan),
    ("width", 0), ("width", -8), ("height", 8193), ("width", 10**30), ("view_batch", 0),
    ("jitter", 1), ("faithful", "yes"), ("image", "a\0b"), ("controls", ("canny",)), ("loras", ("x",)),
    ("options", {"tau": 3}), ("prompt", "\ud800"), ("scales", tuple(range(1, 11))), ("image", ""),
    ("image", False), ("controls", {1, 2}), ("controls", set()), ("options", [1]), ("options", ((),)),
    ("scheduler", "x" * 10**5), ("options", 7),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_bad_value_is_refused_by_name_and_in_a_sentence(field, value):
    with pytest.raises(BadRecipe) as fault:
        check(Recipe(**{field: value}))
    assert fault.value.field == field
    assert fault.value.sentence.endswith(".")
    assert len(fault.value.sentence) < 300


def test_sigma2_must_not_exceed_sigma1():
    with pytest.raises(BadRecipe, match="sigma1 must be at least as large") as fault:
        check(Recipe(sigma1=0.1, sigma2=0.5))
    assert fault.value.field == "sigma1"
