"""The rows of the table of methods can be drawn by Postcards at all its sizes."""

from pathlib import Path

import pytest

from engine import Recipe, load_model, plan
from lab.measure.table.presets import PRESETS, SIZES, find_preset, recipe_fields


@pytest.fixture(scope="module")
def facts():
    return load_model(Path("assets/postcards")).facts


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_has_the_size_of_its_row(name, size, facts):
    planned = plan(Recipe(prompt="a red house", **recipe_fields(PRESETS[name], SIZES[size])), facts)
    assert planned.stages[-1].size == (SIZES[size].height, SIZES[size].width)


def test_a_name_may_end_with_settings():
    preset = find_preset("no-dilated+stride=48+scheduler=ddim+options.placed=true+options.views=large")
    assert preset.settings == {
        "dilated": False, "stride": 48, "scheduler": "ddim", "options": {"placed": True, "views": "large"}
    }  # fmt: skip
    assert (
        preset.title == "ours without dilated sampling, stride 48, scheduler ddim, placed true, views large"
    )
    assert PRESETS["no-dilated"].settings == {"dilated": False}


@pytest.mark.parametrize("name", ["nothing", "ours+nothing=1", "ours+stride", "ours+"])
def test_a_name_without_a_preset_or_setting_is_refused(name):
    with pytest.raises(ValueError, match=r"no preset|no setting"):
        find_preset(name)
