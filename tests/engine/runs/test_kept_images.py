"""Runs that start from an image: it is stored, named by its digest, and found again."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Accepted, BadRecipe, Finished, StageDone, Stopped, errors, generate, plan
from engine.recipe import images
from engine.recipe.checks import check_value
from engine.recipe.recall import recall, recall_json
from engine.recipe.recipe import Recipe, to_dict
from tests.support.planning import make_facts, small_recipe
from tests.support.run_results import (
    event_types,
    last_stage,
    latent_bytes,
    run_with_cache,
    single_event,
    stage_done_events,
)

SDXL = make_facts()


def list_runs(root):
    """List the run folders in a root, which need not exist."""
    return [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []


def test_a_run_stores_its_start_image_and_is_continued_without_the_original(model, photo, tmp_path):
    root = tmp_path / "runs"
    recipe = small_recipe(image=photo, scales=(1, 1.5, 2), steps=4)
    whole = run_with_cache(recipe, model, tmp_path / "whole")
    begun = run_with_cache(recipe, model, root, until=2)
    Path(photo).unlink()
    stored_recipe = begun[0].recipe
    assert stored_recipe.image.startswith("sha256:")
    again = run_with_cache(stored_recipe, model, root)
    assert [event.stage for event in again[0].kept] == [1, 2]
    assert latent_bytes(last_stage(again)) == latent_bytes(last_stage(whole))
    assert event_types(run_with_cache(recall(stage_done_events(begun)[1].image).recipe, model, root)) == [
        Accepted,
        Finished,
    ]
    enlarged = run_with_cache(
        replace(stored_recipe, prompt="a blue boat"), model, root, resume=(begun[0].run, 2)
    )
    assert [event.stage for event in stage_done_events(enlarged)] == [3]


def test_a_stopped_run_with_a_start_image_is_continued(model, photo, tmp_path):
    whole = run_with_cache(small_recipe(image=photo, steps=4), model, tmp_path / "whole")
    stop = threading.Event()
    for event in generate(small_recipe(image=photo, steps=4), model, out=tmp_path / "parts", stop=stop):
        if isinstance(event, StageDone):
            stop.set()
    assert event == Stopped(2, 1)
    again = run_with_cache(small_recipe(image=photo, steps=4), model, tmp_path / "parts")
    assert [e.stage for e in stage_done_events(again)] == [2]
    assert latent_bytes(last_stage(again)) == latent_bytes(last_stage(whole))


def test_a_missing_start_image_is_refused_and_nothing_is_stored(model, photo, tmp_path):
    first = run_with_cache(small_recipe(image=photo, steps=4), model, tmp_path / "here")
    recipe = recall(stage_done_events(first)[1].image).recipe
    fault = single_event(run_with_cache(recipe, model, tmp_path / "there"))
    assert (fault.field, fault.sentence) == ("image", errors.PICTURE_GONE)
    (tmp_path / "photo.png").write_bytes(b"half")
    assert (
        "could not be read"
        in single_event(
            run_with_cache(small_recipe(image=photo, steps=4), model, tmp_path / "there")
        ).sentence
    )
    assert list_runs(tmp_path / "there") == []


def test_stored_files_name_a_start_image_by_its_digest_and_never_by_its_path(model, photo, tmp_path):
    events = run_with_cache(small_recipe(image=photo, steps=4), model, tmp_path / "runs")
    digest = images.digest(photo)
    written = recall(stage_done_events(events)[0].image)
    assert written.recipe.image == written.record["recipe"]["image"] == digest
    assert written.recipe == events[0].recipe
    assert to_dict(small_recipe(image=photo, steps=4))["image"] == digest
    assert (
        small_recipe(image=photo, steps=4).hash
        == small_recipe(image=digest, steps=4).hash
        != small_recipe(steps=4).hash
    )
    for path in (tmp_path / "runs").rglob("*"):
        assert path.is_dir() or b"photo.png" not in path.read_bytes()


@pytest.mark.parametrize(
    "image", ["photo.png", "/etc/passwd", "https://example.org/a.png", "sha256:0", 7, ""]
)
def test_an_untrusted_recipe_cannot_name_a_file(image, photo, monkeypatch):
    monkeypatch.chdir(Path(photo).parent)
    recalled = recall_json(json.dumps({"prompt": "a house", "image": image}))
    assert (recalled.recipe, recalled.strange) == (Recipe(prompt="a house"), ("image",))
    with pytest.raises(BadRecipe) as fault:
        check_value("image", image)
    assert fault.value.field == "image"


def test_a_start_image_can_be_a_path_object(photo):
    assert plan(Recipe(image=Path(photo)), SDXL).recipe == plan(Recipe(image=photo), SDXL).recipe
