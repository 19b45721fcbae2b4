"""The bundled Postcards model: complete, small, in the catalogue, and the default of a new page."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import load_model, plan
from engine.catalogue.entries import facts_from_configs, model_entries
from engine.paths import ASSETS, ROOT
from engine.planning.controlnets import check_compatible, controlnet_for, offered_kinds
from engine.recipe.controls import Control
from engine.recipe.recall import recall
from engine.runs import layout, store
from engine.runs.keys import stage_keys
from engine.serving.model_pool import ModelPool
from lab.measure.edge_agreement import draw_pairs, engine_drawing
from lab.publish.example import EXAMPLES, example_folder
from lab.world.scenes import held_out_scenes
from tests.support.page_queries import (
    expect,
    expect_done,
    finished_cards,
    open_section,
    press_generate,
    set_number,
)
from tests.support.running_app import serve_app
from ui.text import words

POSTCARDS = model_entries()[0]
# The largest file, in bytes, that the Hub accepts without Git LFS.
MAX_PLAIN_FILE = 9 * 2**20
# The largest size of all tracked files, in bytes.
MAX_TREE = 64 * 10**6
# How long a stage may take on a busy machine.
STAGE_TIMEOUT_MS = 240_000


@pytest.fixture(scope="module")
def loaded():
    """The Postcards model."""
    return load_model(POSTCARDS.source, "cpu", "float32")


def test_it_is_bundled_and_listed_first():
    assert POSTCARDS.name == "postcards"
    assert Path(POSTCARDS.source) == ASSETS / "postcards"


def test_no_file_is_too_large_for_the_hub():
    large = [path for path in ASSETS.rglob("*") if path.is_file() and path.stat().st_size > MAX_PLAIN_FILE]
    assert large == []


def test_the_tracked_tree_stays_small():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if listed.returncode:
        pytest.skip("not a checkout")
    files = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    assert sum(path.stat().st_size for path in files if path.is_file()) < MAX_TREE


def test_its_facts_are_predicted_before_it_is_loaded(loaded):
    predicted = facts_from_configs(POSTCARDS)
    for name in ("window", "cell", "channels", "family", "buckets", "native_side", "train_steps"):
        assert getattr(predicted, name) == getattr(loaded.facts, name), name


def test_its_controlnet_is_bundled_and_compatible(loaded):
    controlnet = controlnet_for(Control(), loaded.facts)
    assert controlnet.folder == ASSETS / "postcards" / "controlnet"
    check_compatible(controlnet, dict(loaded.unet.config))
    assert [kind for kind, offers in offered_kinds(loaded.facts).items() if offers] == ["canny"]


@pytest.mark.slow
def test_edges_agree_better_with_its_controlnet_than_without():
    """On three scenes that it was not trained on."""
    draw = engine_drawing(Path(POSTCARDS.source), (1,), steps=12)
    found = [pair.agreements for pair in draw_pairs(draw, held_out_scenes(3), 256)]
    controlled, plain = (sum(scores.score for scores in each) / 3 for each in zip(*found, strict=True))
    assert controlled > plain + 0.05


def test_it_has_the_default_settings_of_its_catalogue_entry(loaded):
    assert loaded.facts.defaults == POSTCARDS.defaults


def test_the_model_pool_names_it_like_its_catalogue_entry():
    pool = ModelPool([POSTCARDS], "cpu", "float32")
    assert not pool.is_loaded()
    assert pool.model().facts.name == pool.facts().name == "postcards"
    assert pool.is_loaded()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_was_made_by_these_weights_and_by_its_command(loaded, name):
    found = store.finished_stages(ASSETS.parent / example_folder(name))
    records = [store.read_stage(folder).record for _, folder in found.values()]
    assert {record["model_hash"] for record in records} == {loaded.facts.hash}
    recipe, made = EXAMPLES[name].recipe, recall(found[len(found)][1] / store.PICTURE_FILE).recipe
    assert (made.prompt, made.seed, made.method) == (recipe.prompt, recipe.seed, recipe.method)
    assert list(found) == list(range(1, layout.from_dict(records[-1]["layout"]).stage_count + 1))


def test_every_example_has_a_title():
    assert set(EXAMPLES) == set(words.EXAMPLE_TITLES)


def test_the_keys_of_the_example_are_unchanged(loaded):
    """Other keys would make every finished stage of every user be made again."""
    folders = [folder for _, folder in store.finished_stages(ASSETS / "example").values()]
    stages = plan(recall(folders[-1] / store.PICTURE_FILE).recipe, loaded.facts).stages
    assert list(stage_keys(stages)) == [
        "05191e0fbd8b46d9317d77b2aec16a91",
        "2b5c115e04d92f4dc01b508be3a3d6ab",
        "462a3bd0df17dab772d91b5e9402a9b8",
    ]


@pytest.mark.browser
def test_a_phone_shows_its_example_on_the_first_screen_without_scrolling_sideways(tmp_path, open_page):
    with serve_app(tmp_path / "runs", POSTCARDS, example=ASSETS / "example") as app:
        page = open_page(app.url, viewport={"width": 390, "height": 844}, has_touch=True)
        expect(finished_cards(page)).to_have_count(3)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator("#viewer").bounding_box()["y"] < 560
        assert page.locator("#generate").bounding_box()["width"] > 150


@pytest.mark.browser
def test_a_phone_shows_picture_and_stages_on_its_first_screen_and_words_in_one_row(tmp_path, open_page):
    with serve_app(tmp_path / "runs", POSTCARDS, example=ASSETS / "example") as app:
        page = open_page(app.url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
        expect(finished_cards(page)).to_have_count(3)
        lists = page.locator("#words select")
        assert len({box["y"] for box in (each.bounding_box() for each in lists.all())}) == 1
        picture = finished_cards(page).first.bounding_box()
        assert picture["y"] + picture["height"] <= 844


@pytest.mark.browser
@pytest.mark.slow
def test_it_makes_a_picture_on_a_new_page(tmp_path, open_page):
    with serve_app(tmp_path / "runs", POSTCARDS, example=ASSETS / "example") as app:
        page = open_page(app.url)
        expect(finished_cards(page)).to_have_count(3)
        set_number(page, "scale_stages", 2)
        open_section(page, words.FINE_CONTROL)
        set_number(page, "steps", 10)
        page.get_by_label(words.PROMPT_LABEL).fill("a blue boat on water at dawn")
        press_generate(page)
        page.locator(".st-earlier-run").wait_for()
        finished_cards(page).nth(1).wait_for(timeout=STAGE_TIMEOUT_MS)
        expect_done(page, 2)
        (run,) = app.runs()
        assert (
            store.read_stage(store.find_stage(run, 2)[1]).record["recipe"]["prompt"]
            == "a blue boat on water at dawn"
        )


@pytest.mark.slow
def test_a_run_that_starts_while_the_model_is_loading_waits_for_it(tmp_path):
    """In a new process, where nothing has been imported yet."""
    code = """
import sys, threading
from pathlib import Path
from engine import Recipe
from engine.catalogue.entries import model_entries
from engine.serving.entry import Request
from engine.runs.cache import RunCache
from engine.serving.model_pool import ModelPool
from engine.serving.queue import RunQueue
pool, out = ModelPool(model_entries()[:1], "cpu", "float32"), Path(sys.argv[1])
threading.Thread(target=pool.model).start()
queue = RunQueue(RunCache(out), pool.workers)
print(list(queue.follow(queue.submit(Request(Recipe(prompt="a red house", scales=(1,), steps=4), ""))))[-1])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.split()[-1:] == ["Finished(stage=1)"], done.stdout + done.stderr


def test_its_first_picture_needs_no_internet(tmp_path):
    """Every look-up of a host name fails, and the picture is made all the same."""
    code = """
import socket
def fail(*args, **kwargs): raise OSError("no network")
socket.getaddrinfo = fail
from engine import Recipe, StageDone, generate, load_model
from engine.catalogue.entries import model_entries
import sys
recipe, model = Recipe(prompt="a red house", scales=(1,), steps=4), load_model(model_entries()[0].source)
made = list(generate(recipe, model, out=sys.argv[1]))
print(sum(isinstance(event, StageDone) for event in made))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, env=os.environ | {"HF_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout.split()[-1:] == ["1"], done.stderr
