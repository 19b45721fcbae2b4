"""Recipes that are made from arguments, from files of settings and from pictures."""

import json
from pathlib import Path

import pytest

from engine import BadRecipe, Recipe, recall
from engine.command_line.arguments import parse_arguments
from engine.command_line.recipes import build_recipe, read_recipe
from engine.paths import ROOT

STORED = ROOT / "tests" / "properties" / "stored"


def recipe_of(*words) -> Recipe:
    """Return the recipe of a command line with a prompt."""
    return build_recipe(parse_arguments(["a house", *map(str, words)])).recipe


@pytest.fixture
def settings_file(tmp_path):
    """A file of settings: seed 3, scales 1 and 2, and two options."""
    file = tmp_path / "settings.json"
    values = {"prompt": "a boat", "seed": 3, "scales": [1, 2], "options": {"restart": 0.5, "views": "whole"}}
    file.write_text(json.dumps(values))
    return file


def test_values_have_the_type_of_their_setting():
    recipe = recipe_of(
        "--scales", "1,2, 4", "--steps", "9", "--guidance", "4", "--no-jitter", "--restart", ".5"
    )
    assert recipe == Recipe(
        prompt="a house", scales=(1, 2, 4), steps=9, guidance=4.0, jitter=False, options={"restart": 0.5}
    )


def test_arguments_replace_the_settings_of_a_file(settings_file):
    recipe = build_recipe(parse_arguments(["--recipe", str(settings_file), "--seed", "8"])).recipe
    assert (recipe.prompt, recipe.seed, recipe.scales) == ("a boat", 8, (1, 2))
    assert recipe_of("--recipe", settings_file).prompt == "a house"


def test_an_option_of_a_method_leaves_the_others_of_a_file(settings_file):
    recipe = recipe_of("--recipe", settings_file, "--restart", "0.7")
    assert dict(recipe.options) == {"restart": 0.7, "views": "whole"}


def test_one_value_for_each_stage_is_a_list_with_commas():
    assert dict(recipe_of("--restart-stages", "1, .8,.6").options) == {"restart_stages": (1.0, 0.8, 0.6)}


def test_an_empty_value_takes_an_optional_number_or_the_scales_back(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text('{"width": 512, "height": 512, "scales": [1, 2]}')
    recipe = recipe_of("--recipe", file, "--width", "", "--height", "", "--scales", "")
    assert (recipe.width, recipe.height, recipe.scales) == (None, None, ())


def test_an_empty_negative_prompt_is_a_prompt():
    assert recipe_of().negative is None
    assert recipe_of("--negative", "").negative == ""


def test_controls_are_given_as_kind_and_file_or_as_json():
    control = '{"kind": "soft", "image": "b.png", "scale": 0.8}'
    first, second = recipe_of("--control", "canny=a=1.png", "--control", control).controls
    assert (first.kind, first.image) == ("canny", "a=1.png")
    assert (second.kind, second.image, second.scale) == ("soft", "b.png", 0.8)


def test_a_lora_has_strength_1_if_none_is_given():
    recipe = recipe_of("--lora", "style.safetensors=0.8", "--lora", "lcm-sdxl")
    assert recipe.loras == (("style.safetensors", 0.8), ("lcm-sdxl", 1.0))


@pytest.mark.parametrize(
    ("words", "field", "sentence"),
    [
        (["--steps", "ten"], "steps", "steps is 'ten'; it must be a finite number."),
        (["--guidance", "nan"], "guidance", "it must be a finite number."),
        (["--scales", "1,x"], "scales", "'x'"),
        (["--scales", "2,1"], "scales", "2, 1"),
        (["--method", "demofuson"], "method", "hidiffusion"),
        (["--restart", "3"], "restart", "restart is 3; "),
        (["--control", "canny"], "controls", "KIND=FILE"),
        (["--control", "{"], "controls", "KIND=FILE"),
        (["--control", "cany=a.png"], "controls", "cany"),
        (["--control", '{"kindd": "canny"}'], "controls", "Did you mean kind?"),
        (["--lora", "a.safetensors=strong"], "loras", "strong"),
    ],
)
def test_wrong_values_are_refused_as_everywhere(words, field, sentence):
    with pytest.raises(BadRecipe) as refused:
        recipe_of(*words)
    assert refused.value.field == field
    assert sentence in refused.value.sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"promt": "a house"}', "There is no setting 'promt'. Did you mean prompt?"),
        ('{"prompt": "a house", "steps": "ten"}', "steps is 'ten'"),
        ('{"prompt": "a house"', "JSON"),
        ("[" * 9000, "JSON"),
        ("[1, 2]", "recipe"),
    ],
)
def test_a_wrong_file_of_settings_is_refused(tmp_path, text, sentence):
    file = tmp_path / "settings.json"
    file.write_text(text)
    with pytest.raises(BadRecipe) as refused:
        read_recipe(file)
    assert sentence in refused.value.sentence


@pytest.mark.parametrize("name", ["nothing.json", "nothing.png", ""])
def test_a_file_that_is_not_there_is_refused(tmp_path, name):
    with pytest.raises(BadRecipe):
        read_recipe(tmp_path / name)


def test_a_file_of_settings_may_name_a_picture_by_its_path(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text('{"image": "photo.jpg"}')
    assert read_recipe(file).recipe.image == "photo.jpg"


def test_the_record_of_a_picture_is_a_file_of_settings(tmp_path):
    file = tmp_path / "record.json"
    file.write_text('{"engine": "0.3.0", "recipe": {"version": 1, "seed": 4}}')
    assert read_recipe(file).recipe == Recipe(seed=4)


def test_the_settings_of_a_picture_are_read():
    picture = STORED / "sdedit.png"
    assert read_recipe(picture).recipe == recall(picture).recipe != Recipe()


def test_a_picture_without_settings_is_refused(photo):
    with pytest.raises(BadRecipe):
        read_recipe(Path(photo))
