"""Runs with a control: what they store of it, how they are continued, and what their keys depend on."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from engine import Failed, StageDone, errors, generate, plan
from engine.planning import cost
from engine.recipe.images import digest
from engine.recipe.recall import recall
from engine.runs.cache import RunCache
from engine.runs.keys import stage_keys
from tests.support.controlnets import save_controlnet
from tests.support.run_results import last_stage, latent_bytes, run_with_cache, stage_done_events


def test_a_supplied_map_is_used_unchanged(controlled_recipe, model, tmp_path, control_image):
    """A run with a picture equals one with the map of its edges."""
    edges = cv2.Canny(np.asarray(Image.open(control_image).resize((128, 128))), 100, 200)
    Image.fromarray(edges).save(tmp_path / "map.png")
    Image.open(control_image).resize((128, 128)).save(tmp_path / "small.png")
    settings_of_map = {"image": str(tmp_path / "map.png"), "given": True}
    settings_of_picture = {"image": str(tmp_path / "small.png")}
    one, other = (
        latent_bytes(last_stage(run_with_cache(recipe, model, tmp_path / "runs")))
        for recipe in (
            replace(controlled_recipe(**settings), scales=(1,))
            for settings in (settings_of_map, settings_of_picture)
        )
    )
    assert one == other


def test_a_record_holds_the_control_and_the_run_stores_its_image(
    controlled_recipe, model, tmp_path, control_image
):
    finished = stage_done_events(run_with_cache(controlled_recipe(scale=0.5), model, tmp_path / "runs"))[-1]
    recalled = recall(finished.image)
    assert recalled.record["recipe"]["controls"][0]["image"] == digest(control_image)
    assert RunCache(tmp_path / "runs").find_image(digest(control_image))


def test_a_run_is_continued_with_the_control_image_that_it_stored(
    controlled_recipe, controlnet_path, model, tmp_path, control_image
):
    """The recipe in the record names the image by its digest."""
    whole = latent_bytes(last_stage(run_with_cache(controlled_recipe(), model, tmp_path / "whole")))
    list(generate(controlled_recipe(), model, out=tmp_path / "runs", until=1))
    named = replace(controlled_recipe(), controls=({"image": digest(control_image), "net": controlnet_path},))
    events = run_with_cache(named, model, tmp_path / "runs")
    assert events[0].first == 2
    assert latent_bytes(last_stage(events)) == whole


def test_a_missing_control_image_is_reported(controlled_recipe, model, tmp_path):
    (end,) = run_with_cache(controlled_recipe(image="sha256:" + "0" * 64), model, tmp_path / "runs")
    assert isinstance(end, Failed)
    assert end.sentence == errors.CONTROL_PICTURE_GONE


def key_of(recipe, model):
    return stage_keys(plan(recipe, model.facts).stages)


def test_the_key_of_a_stage_depends_on_the_control_settings_that_it_uses(
    controlled_recipe, model, tiny_folder, tmp_path
):
    plain, base = key_of(replace(controlled_recipe(), controls=()), model), key_of(controlled_recipe(), model)
    assert plain[0] != base[0]
    assert key_of(controlled_recipe(scale=0.5), model)[0] != base[0]
    assert key_of(controlled_recipe(low=50), model)[0] != base[0]
    # Edges have no blur, and the strength in a later stage does not affect the first.
    assert key_of(controlled_recipe(blur=9), model) == base
    later = key_of(controlled_recipe(stages=(1, 0.5)), model)
    assert later[0] == base[0]
    assert later[1] != base[1]
    assert key_of(controlled_recipe(scale=0), model) == plain
    other = save_controlnet(tiny_folder, tmp_path / "other", seed=5)
    assert key_of(controlled_recipe(net=str(other)), model)[0] != base[0]


def test_a_control_of_strength_zero_has_no_effect(controlled_recipe, model, tmp_path):
    one = latent_bytes(last_stage(run_with_cache(controlled_recipe(scale=0), model, tmp_path / "one")))
    assert one == latent_bytes(
        last_stage(run_with_cache(replace(controlled_recipe(), controls=()), model, tmp_path / "other"))
    )


def test_a_view_batch_does_not_change_a_controlled_picture(controlled_recipe, model, tmp_path):
    one, other = (
        np.frombuffer(
            latent_bytes(
                last_stage(
                    run_with_cache(
                        replace(controlled_recipe(), view_batch=batch), model, tmp_path / str(batch)
                    )
                )
            ),
            "f4",
        )
        for batch in (1, 4)
    )
    deviation = one[-1024:].std()
    assert np.abs(one[-1024:] - other[-1024:]).max() / deviation < 1e-4


def test_controls_cost_time_and_memory(controlled_recipe, model):
    plain, controlled = (
        plan(r, model.facts) for r in (replace(controlled_recipe(), controls=()), controlled_recipe())
    )
    for without, with_ in zip(plain.stages, controlled.stages, strict=True):
        assert cost.tile_areas(with_) == cost.tile_areas(without)
        assert cost.relative_cost(with_) == pytest.approx(1.6 * cost.relative_cost(without))
        assert cost.stage_memory(with_) > cost.stage_memory(without)
    half = plan(controlled_recipe(start=0.5), model.facts).stages[0]
    assert cost.relative_cost(half) == pytest.approx(1.3 * cost.tile_areas(half))


def test_a_stopped_run_is_continued_with_its_control(controlled_recipe, model, tmp_path):
    """Stopped after its first stage and continued, a run makes the same picture as one without a stop."""
    events = generate(controlled_recipe(), model, out=tmp_path / "runs")
    for event in events:
        if isinstance(event, StageDone):
            break
    events.close()
    again = run_with_cache(controlled_recipe(), model, tmp_path / "runs")
    assert again[0].first == 2
    assert latent_bytes(last_stage(again)) == latent_bytes(
        last_stage(run_with_cache(controlled_recipe(), model, tmp_path / "whole"))
    )
