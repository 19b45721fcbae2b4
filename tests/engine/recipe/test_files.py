"""Pictures that a recipe names by digest are found, or refused with a sentence."""

from pathlib import Path

import pytest

from engine import BadRecipe, Recipe, errors
from engine.recipe.controls import Control
from engine.recipe.files import with_files

START, EDGES = "sha256:" + "a" * 64, "sha256:" + "b" * 64
FILES = {START: Path("start.png"), EDGES: Path("edges.png")}
RECIPE = Recipe(image=START, controls=(Control(image=EDGES, scale=0.5),))


def test_each_picture_is_replaced_by_its_file():
    recipe = with_files(RECIPE, FILES.get)
    assert recipe == Recipe(image="start.png", controls=(Control(image="edges.png", scale=0.5),))


def test_a_recipe_without_pictures_needs_no_files():
    assert with_files(Recipe(prompt="a house"), None) == Recipe(prompt="a house")


@pytest.mark.parametrize(
    ("missing", "field", "sentence"),
    [(START, "image", errors.PICTURE_GONE), (EDGES, "controls", errors.CONTROL_PICTURE_GONE)],
)
def test_a_missing_picture_is_refused(missing, field, sentence):
    with pytest.raises(BadRecipe) as fault:
        with_files(RECIPE, lambda digest: None if digest == missing else FILES[digest])
    assert (fault.value.field, fault.value.sentence) == (field, sentence)


def test_an_incomplete_control_is_left_to_the_checks():
    recipe = Recipe(controls=("nonsense", Control()))
    assert with_files(recipe, FILES.get) == recipe
