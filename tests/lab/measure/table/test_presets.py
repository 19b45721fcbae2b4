"""The rows of the table of methods can be drawn by Postcards at all its sizes."""

from pathlib import Path

import pytest

from engine import Recipe, load_model, plan
from lab.measure.table.presets import PRESETS, SIZES, recipe_fields


@pytest.fixture(scope="module")
def facts():
    return load_model(Path("assets/postcards")).facts


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_has_the_size_of_its_row(name, size, facts):
    planned = plan(Recipe(prompt="a red house", **recipe_fields(PRESETS[name], SIZES[size])), facts)
    assert planned.stages[-1].size == (SIZES[size].height, SIZES[size].width)
