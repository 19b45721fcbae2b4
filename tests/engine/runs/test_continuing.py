"""Finished stages are neither lost nor made twice when a recipe is continued, repeated or enlarged."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import Accepted, Finished, StageDone, Stopped, generate
from engine.recipe.recall import ENGINE_VERSION, recall
from engine.recipe.recipe import DEFAULTS_VERSION
from engine.runs import files, store
from engine.runs.cache import RunCache
from tests.support.planning import small_recipe
from tests.support.run_results import event_types, last_stage, latent_bytes, run_with_cache, stage_done_events
from tests.support.slow_cases import slow_cases
from tests.support.stored_stages import overwrite


def test_a_repeated_recipe_is_answered_from_the_cache(model, network_calls, tmp_path):
    first = run_with_cache(small_recipe(), model, tmp_path)
    made = len(network_calls)
    again = run_with_cache(small_recipe(), model, tmp_path)
    assert event_types(again) == [Accepted, Finished]
    assert len(network_calls) == made
    assert again[-1] == Finished(2)
    assert (again[0].first, again[0].evaluations) == (3, 0)
    assert [(e.stage, e.scale, e.size, e.evaluations) for e in again[0].kept] == [
        (e.stage, e.scale, e.size, e.evaluations) for e in stage_done_events(first)
    ]
    assert os.path.samefile(again[0].kept[1].image, stage_done_events(first)[1].image)


def test_a_stopped_run_is_continued_by_running_its_recipe_again(model, tmp_path):
    recipe, stop = small_recipe(scales=(1, 1.5, 2)), threading.Event()
    whole = run_with_cache(recipe, model, tmp_path / "whole")
    for event in generate(recipe, model, out=tmp_path / "parts", stop=stop):
        if isinstance(event, StageDone) and event.stage == 2:
            stop.set()
    assert event == Stopped(3, 1)
    again = run_with_cache(recipe, model, tmp_path / "parts")
    assert [e.stage for e in stage_done_events(again)] == [3]
    assert latent_bytes(last_stage(again)) == latent_bytes(last_stage(whole))


@pytest.mark.parametrize("scheduler", ["ddim", *slow_cases("dpmpp_2m", "euler_a")])
def test_later_stages_are_the_same_whether_made_at_once_or_afterwards(scheduler, model, tmp_path):
    whole = run_with_cache(small_recipe(scales=(1, 1.5, 2), scheduler=scheduler), model, tmp_path / "whole")
    run_with_cache(small_recipe(scales=(1, 1.5), scheduler=scheduler), model, tmp_path / "grown")
    grown = run_with_cache(small_recipe(scales=(1, 1.5, 2), scheduler=scheduler), model, tmp_path / "grown")
    assert [e.stage for e in stage_done_events(grown)] == [3]
    assert latent_bytes(last_stage(grown)) == latent_bytes(last_stage(whole))


def test_changed_settings_reuse_the_stages_that_do_not_depend_on_them(model, tmp_path):
    run_with_cache(small_recipe(scales=(1, 1.5, 2)), model, tmp_path)
    assert run_with_cache(small_recipe(scales=(1, 1.5, 2), alpha1=2), model, tmp_path)[0].first == 2
    assert run_with_cache(small_recipe(scales=(1, 1.5), alpha1=2), model, tmp_path)[0].first == 3
    assert run_with_cache(small_recipe(scales=(1, 1.5, 2), seed=9), model, tmp_path)[0].first == 1


def test_a_run_has_all_its_stages_in_its_own_folder(model, tmp_path):
    first = run_with_cache(small_recipe(scales=(1, 1.5)), model, tmp_path)[0].run
    again = run_with_cache(small_recipe(scales=(1, 1.5, 2)), model, tmp_path)[0].run
    assert sorted(store.finished_stages(again)) == [1, 2, 3]
    for path in sorted(Path(first).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert store.read_stage(store.find_stage(again, 1)[1]).latents.shape == (1, 4, 16, 16)


def test_a_broken_stage_is_made_again_and_cached(model, tmp_path):
    first = run_with_cache(small_recipe(), model, tmp_path)
    overwrite(Path(stage_done_events(first)[1].latents), b"half")
    assert [e.stage for e in stage_done_events(run_with_cache(small_recipe(), model, tmp_path))] == [2]
    assert event_types(run_with_cache(small_recipe(), model, tmp_path)) == [Accepted, Finished]


def test_a_broken_stage_in_the_runs_own_folder_is_replaced(model, tmp_path):
    first = run_with_cache(small_recipe(), model, tmp_path)
    overwrite(Path(stage_done_events(first)[1].latents), b"half")
    again = run_with_cache(small_recipe(), model, tmp_path, run=Path(first[0].run))
    assert latent_bytes(stage_done_events(again)[0])
    assert event_types(run_with_cache(small_recipe(), model, tmp_path)) == [Accepted, Finished]


def test_a_run_is_continued_after_its_last_sound_stage(model, tmp_path):
    recipe = small_recipe(scales=(1, 1.5, 2))
    whole = run_with_cache(recipe, model, tmp_path / "whole")
    begun = run_with_cache(recipe, model, tmp_path / "parts", until=2)
    latents = Path(stage_done_events(begun)[1].latents)
    overwrite(latents, latents.read_bytes()[:-4000] + bytes(4000))
    run = Path(begun[0].run)
    last = store.last_sound_stage(run)
    continued = run_with_cache(recipe, model, tmp_path / "parts", resume=(run, last))
    assert [event.stage for event in continued[0].kept] == [1]
    assert [event.stage for event in stage_done_events(continued)] == [2, 3]
    assert latent_bytes(last_stage(continued)) == latent_bytes(last_stage(whole))


def test_a_stage_that_is_removed_before_it_is_linked_is_made_again(model, tmp_path, monkeypatch):
    first = run_with_cache(small_recipe(), model, tmp_path)
    link_stage = store.link_stage

    def remove_before_linking(folder, *args):
        if Path(first[0].run) in folder.parents:
            RunCache(tmp_path).remove_run(Path(first[0].run))
        return link_stage(folder, *args)

    monkeypatch.setattr(store, "link_stage", remove_before_linking)
    again = run_with_cache(small_recipe(), model, tmp_path)
    assert [e.stage for e in stage_done_events(again)] == [1, 2]


def test_runs_with_a_noise_source_of_their_own_neither_use_nor_fill_the_cache(model, tmp_path):
    class OwnNoise:
        def base(self, shape):
            return np.random.RandomState(5).standard_normal(shape)

    run_with_cache(small_recipe(), model, tmp_path)
    with_own_noise = run_with_cache(small_recipe(), model, tmp_path, noise=OwnNoise())
    assert with_own_noise[0].first == 1
    assert run_with_cache(small_recipe(), model, tmp_path, noise=OwnNoise())[0].first == 1
    mine = run_with_cache(small_recipe(), model, tmp_path)
    assert latent_bytes(last_stage(mine)) != latent_bytes(last_stage(with_own_noise))


def test_continuing_repeats_the_recorded_view_batch(model, network_calls, tmp_path):
    run_with_cache(small_recipe(view_batch=3), model, tmp_path, until=1)
    before = len(network_calls)
    run_with_cache(small_recipe(), model, tmp_path)
    guided = 2
    assert max(network_calls[before:]) == 3 * guided


def test_a_cached_stage_of_another_device_or_view_batch_is_noted(model, tmp_path):
    run_with_cache(small_recipe(), model, tmp_path, until=1)
    other = replace(model, facts=replace(model.facts, device="some other card"))
    accepted = run_with_cache(small_recipe(), other, tmp_path)[0]
    assert accepted.first == 2
    assert "last digits" in accepted.notes[0]
    run_with_cache(small_recipe(seed=5), model, tmp_path, until=1)
    assert (
        "3 views at once" in run_with_cache(small_recipe(seed=5, view_batch=3), model, tmp_path)[0].notes[0]
    )
    assert run_with_cache(small_recipe(), model, tmp_path)[0].notes == ()


def test_a_stored_picture_records_the_recipe_and_the_run(model, tmp_path):
    events = run_with_cache(small_recipe(), model, tmp_path)
    recalled = recall(stage_done_events(events)[1].image)
    assert (recalled.recipe, recalled.strange) == (events[0].recipe, ())
    record = {
        name: recalled.record[name]
        for name in ("stage", "steps", "evaluations", "model_hash", "engine", "defaults")
    }
    assert record == {
        "stage": 2,
        "steps": 5,
        "evaluations": stage_done_events(events)[1].evaluations,
        "model_hash": model.facts.hash,
        "engine": ENGINE_VERSION,
        "defaults": DEFAULTS_VERSION,
    }
    assert recalled.record["seconds"] > 0


def test_the_recipe_of_a_picture_reproduces_it(model, tmp_path):
    first = run_with_cache(small_recipe(), model, tmp_path / "here")
    recipe = recall(stage_done_events(first)[1].image).recipe
    again = run_with_cache(recipe, model, tmp_path / "there")
    assert latent_bytes(last_stage(again)) == latent_bytes(last_stage(first))
    assert run_with_cache(recipe, model, tmp_path / "here")[0].first == 3


def test_a_full_disk_is_reported_in_a_sentence_and_finished_stages_stay(model, tmp_path, monkeypatch):
    written, to_disk = [], files.flush_to_disk
    for event in generate(small_recipe(), model, out=tmp_path):
        if isinstance(event, StageDone):

            def full(path):
                written.append(path)
                raise OSError(28, "No space left on device")

            monkeypatch.setattr(files, "flush_to_disk", full)
    assert "No space left on device" in event.sentence
    assert "Finished stages are kept" in event.sentence
    monkeypatch.setattr(files, "flush_to_disk", to_disk)
    assert written
    assert run_with_cache(small_recipe(), model, tmp_path)[0].first == 2


def test_a_stop_file_in_the_folder_stops_the_run(model, tmp_path):
    events = generate(small_recipe(), model, out=tmp_path)
    accepted = next(events)
    (Path(accepted.run) / store.STOP_FILE).touch()
    assert list(events) == [Stopped(1, 1)]


def test_a_folder_that_is_there_already_is_used(model, tmp_path):
    folder = store.create_run(tmp_path)
    events = run_with_cache(small_recipe(), model, tmp_path, run=folder)
    assert events[0].run == str(folder)
    assert sorted(store.finished_stages(folder)) == [1, 2]
