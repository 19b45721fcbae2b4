"""The example recipes and scripts."""

import pytest
from PIL import Image

from engine import plan
from engine.catalogue.upscalers import has_upscaler
from engine.command_line.models import find_facts, find_model
from engine.command_line.recipes import read_recipe
from engine.paths import ROOT
from tests.support.processes import run_module

RECIPES = sorted((ROOT / "examples").glob("*.json"))


def test_there_are_three_recipes():
    assert len(RECIPES) == 3


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_can_be_carried_out_with_the_bundled_model_alone(path):
    recipe = read_recipe(path).recipe
    assert recipe.model == "postcards"
    planned = plan(recipe, find_facts(find_model("postcards")))
    assert planned.stages[-1].scale >= 2
    assert all(has_upscaler(stage.upscaler) for stage in planned.stages if stage.upscaler)


@pytest.mark.slow  # It loads the bundled model in a new process.
def test_the_script_enlarges_a_photo(photo, tmp_path):
    words = [str(photo), "--scales", "1", "--out", str(tmp_path / "runs")]
    printed = run_module("examples.enlarge", *words)
    assert Image.open(printed.strip().split(": ")[1]).size == (256, 256)
