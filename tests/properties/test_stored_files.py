"""Files that an earlier version wrote can still be read: pictures, links, browser states and runs.

`stored/` was written before the folders were rearranged, by the model in tests/reference/tiny-sdxl and by
Postcards. Nothing in it may be rewritten: names inside these files and inside a key's JSON are frozen.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from engine import Accepted, Finished, Recipe, StageDone, generate, load_model, plan
from engine.paths import ROOT
from engine.recipe.recall import recall, recall_json
from engine.recipe.recipe import to_dict
from engine.runs.keys import stage_keys
from ui.settings.link import recipe_from_query

STORED = Path(__file__).with_name("stored")
TINY = ROOT / "tests" / "reference" / "tiny-sdxl"
RUN = STORED / "kept" / "bb11bc75065cdd7c15f21e4b47e59925"
KEYS = {
    "demofusion": "724f81e4d70c52e2c35cf6e21903f4b6",
    "multidiffusion": "aaf6eb69f225cf3be39a9b725c66d6c6",
    "sdedit": "3dbf42f240cd32fd5b8901c5f693fd09",
    "direct": "80f28775a8f847e93da97eef3fbb4c23",
    "image": "4177a5fc309f9fb0a006f099a743099e",
    "faithful": "88a18d3bb6a936f88079c980353b5446",
}
LINKS = json.loads((STORED / "links.json").read_text())
BROWSERS = json.loads((STORED / "browser.json").read_text())


@pytest.fixture(scope="module")
def tiny():
    """The tiny model with which most of the stored files were made."""
    return load_model(TINY, "cpu", "float32")


def as_json(recipe: Recipe) -> dict:
    """Return a recipe as it is read from JSON."""
    return json.loads(json.dumps(to_dict(recipe)))


@pytest.mark.parametrize("name", [*KEYS, "control"])
def test_a_stored_picture_gives_its_recipe_back(name):
    recalled = recall(STORED / f"{name}.png")
    assert recalled.strange == ()
    assert as_json(recalled.recipe) == recalled.record["recipe"]


@pytest.mark.parametrize("name", KEYS)
def test_the_key_of_a_stored_stage_is_unchanged(name, tiny):
    recalled = recall(STORED / f"{name}.png")
    assert recalled.record["key"] == KEYS[name]
    recipe = recalled.recipe
    if recipe.image:
        recipe = replace(recipe, image=str(STORED / "photo.png"))
    assert stage_keys(plan(recipe, tiny.facts).stages)[-1] == KEYS[name]


@pytest.mark.parametrize("name", LINKS)
def test_a_stored_link_gives_its_recipe_back(name):
    linked = recipe_from_query(dict(parse_qsl(LINKS[name]["query"], keep_blank_values=True)))
    assert linked.strange == ()
    # The default of `enlarge` was called "latent".
    assert as_json(linked.recipe) == LINKS[name]["recipe"] | {"enlarge": ""}


@pytest.mark.parametrize("name", BROWSERS)
def test_a_stored_browser_state_gives_its_recipe_back(name):
    recalled = recall_json(json.dumps(BROWSERS[name]["recipe"]))
    assert recalled.strange == ()
    assert as_json(recalled.recipe) == BROWSERS[name]["recipe"]


def test_a_stored_run_is_continued_without_repeating_its_stages(tiny, tmp_path):
    shutil.copytree(RUN, tmp_path / RUN.name)
    recipe = recall(next(RUN.glob("stage-2-*/picture.png"))).recipe
    events = list(generate(recipe, tiny, out=tmp_path))
    accepted = next(event for event in events if isinstance(event, Accepted))
    assert [stage.stage for stage in accepted.kept] == [1, 2]
    assert [event.stage for event in events if isinstance(event, StageDone)] == [3]
    assert events[-1] == Finished(3)


def test_a_stored_run_is_enlarged_by_the_name_of_its_folder(tiny, tmp_path):
    shutil.copytree(RUN, tmp_path / RUN.name)
    recipe = recall(next(RUN.glob("stage-2-*/picture.png"))).recipe
    events = list(generate(recipe, tiny, out=tmp_path / "other", resume=(str(tmp_path / RUN.name), 2)))
    assert [event.stage for event in events if isinstance(event, StageDone)] == [3]
    assert events[-1] == Finished(3)
