"""The number format of the network: what it changes in a picture, and what a run that changes it says."""

import numpy as np
import pytest

from engine import Recipe, load_model
from engine.catalogue.entries import model_entries
from engine.recipe import images
from tests.support.planning import small_recipe
from tests.support.run_results import last_stage, run_events, run_with_cache


@pytest.mark.slow
def test_a_picture_in_bfloat16_is_near_to_the_one_in_float32(tmp_path):
    recipe = Recipe(prompt="a red lighthouse on grass at sunset", seed=5, scales=(1, 2), steps=12)
    source = model_entries()[0].source
    pictures = []
    for dtype in ("float32", "bfloat16"):
        events = run_events(recipe, load_model(source, "cpu", dtype), tmp_path)
        pictures.append(np.asarray(images.read(last_stage(events).image), np.float64))
    noise = np.square((pictures[0] - pictures[1]) / 255).mean()
    assert noise > 0
    assert -10 * np.log10(noise) > 38


def test_stages_of_another_number_format_are_not_taken_from_the_cache(model, tiny_folder, tmp_path):
    half = load_model(tiny_folder, "cpu", "bfloat16")
    run_with_cache(small_recipe(), model, tmp_path)
    assert run_with_cache(small_recipe(), half, tmp_path)[0].kept == ()


def test_continuing_in_another_number_format_says_so(model, tiny_folder, tmp_path):
    half = load_model(tiny_folder, "cpu", "bfloat16")
    begun = run_with_cache(small_recipe(), model, tmp_path, until=1)
    started = run_with_cache(small_recipe(), half, tmp_path, resume=(begun[0].run, 1))[0]
    (note,) = [note for note in started.notes if "number format" in note]
    assert "(float32" in note
    assert "(bfloat16" in note
