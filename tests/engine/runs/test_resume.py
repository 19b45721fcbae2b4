"""Enlarging a chosen stage of a run, with other settings if desired."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine import Accepted, Finished
from engine.runs import store
from tests.support.planning import small_recipe
from tests.support.run_results import (
    event_types,
    latent_bytes,
    run_with_cache,
    single_event,
    stage_done_events,
)
from tests.support.stored_stages import overwrite


def test_a_chosen_stage_is_enlarged_with_other_settings(model, tmp_path):
    first = run_with_cache(small_recipe(scales=(1, 1.5)), model, tmp_path)
    other = small_recipe(
        scales=(1, 1.5, 2), prompt="a blue boat", scheduler="euler_a", guidance=3, seed=8, alpha1=1
    )
    enlarged = run_with_cache(other, model, tmp_path, resume=(first[0].run, 2))
    assert [e.stage for e in stage_done_events(enlarged)] == [3]
    assert [e.stage for e in enlarged[0].kept] == [1, 2]
    assert latent_bytes(enlarged[0].kept[1]) == latent_bytes(stage_done_events(first)[1])


@pytest.mark.slow
def test_an_enlarged_stage_is_cached_for_the_same_enlargement_alone(model, tmp_path):
    first = run_with_cache(small_recipe(), model, tmp_path)
    other = small_recipe(scales=(1, 2, 3, 4), seed=8)
    start = (first[0].run, 2)
    run_with_cache(other, model, tmp_path, resume=start, until=3)
    enlarged = run_with_cache(other, model, tmp_path, resume=start)
    assert [e.stage for e in enlarged[0].kept] == [1, 2, 3]
    assert [e.stage for e in stage_done_events(enlarged)] == [4]
    assert event_types(run_with_cache(other, model, tmp_path, resume=start)) == [Accepted, Finished]
    assert run_with_cache(other, model, tmp_path, until=1)[0].first == 1


def test_a_stage_of_a_size_between_planned_ones_can_be_enlarged(model, tmp_path):
    first = run_with_cache(small_recipe(scales=(1, 1.25)), model, tmp_path)
    enlarged = run_with_cache(small_recipe(scales=(1, 1.5, 2)), model, tmp_path, resume=(first[0].run, 2))
    assert [(e.stage, e.size) for e in enlarged[0].kept] == [(1, (160, 160))]
    assert [(e.stage, e.size) for e in stage_done_events(enlarged)] == [(2, (192, 192)), (3, (256, 256))]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 512, "height": 256, "scales": ()}, "another shape"),
        ({"scales": (1, 1.25)}, "ends at 160 x 160 px"),
        ({"scales": (1, 1.5)}, "nothing is left"),
    ],
)
def test_an_impossible_enlargement_is_refused(changes, words, model, tmp_path):
    first = run_with_cache(small_recipe(scales=(1, 1.5)), model, tmp_path)
    fault = single_event(run_with_cache(small_recipe(**changes), model, tmp_path, resume=(first[0].run, 2)))
    assert words in fault.sentence
    assert len(store.finished_stages(first[0].run)) == 2


def test_a_model_with_another_latent_space_cannot_enlarge_a_stage(model, tmp_path):
    first = run_with_cache(small_recipe(scales=(1, 1.5)), model, tmp_path)
    other = replace(model, facts=replace(model.facts, latent_space="of another kind"))
    fault = single_event(
        run_with_cache(small_recipe(scales=(1, 1.5, 2)), other, tmp_path, resume=(first[0].run, 2))
    )
    assert "a different autoencoder" in fault.sentence


def test_another_model_with_the_same_latent_space_can_enlarge_a_stage_but_not_use_its_cache(model, tmp_path):
    first = run_with_cache(small_recipe(scales=(1, 1.5)), model, tmp_path)
    other = replace(model, facts=replace(model.facts, hash="other weights"))
    assert run_with_cache(small_recipe(scales=(1, 1.5)), other, tmp_path, until=1)[0].first == 1
    assert (
        run_with_cache(small_recipe(scales=(1, 1.5, 2)), other, tmp_path, resume=(first[0].run, 2))[0].first
        == 3
    )


def test_enlarging_a_stage_does_not_need_the_stages_below(model, tmp_path):
    first = run_with_cache(small_recipe(scales=(1, 1.5)), model, tmp_path)
    overwrite(Path(stage_done_events(first)[0].latents), b"half")
    enlarged = run_with_cache(
        small_recipe(scales=(1, 1.5, 2), seed=8), model, tmp_path, resume=(first[0].run, 2)
    )
    assert [e.stage for e in enlarged[0].kept] == [2]
    assert [e.stage for e in stage_done_events(enlarged)] == [3]
