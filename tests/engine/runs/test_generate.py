"""Runs without errors: their events, costs, and repeatability."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from engine import (
    Accepted,
    Failed,
    Finished,
    Preview,
    Progress,
    StageDone,
    Stopped,
    generate,
    load_model,
    plan,
)
from engine.planning import cost
from engine.runs import store
from tests.support.planning import small_recipe, total_cost
from tests.support.run_results import event_types, max_difference, run_events, run_latents, stage_done_events
from tests.support.slow_cases import slow_cases


def test_events_of_a_run_come_in_order(model, tmp_path):
    events = run_events(small_recipe(), model, tmp_path)
    assert event_types(events)[0] is Accepted
    assert event_types(events)[-1] is Finished
    assert [e.stage for e in stage_done_events(events)] == [1, 2]
    assert {Progress, Preview} <= set(event_types(events))
    assert sum(kind in (Finished, Stopped, Failed) for kind in event_types(events)) == 1


def test_a_stage_is_on_disk_when_its_event_comes_and_before_the_next_stage_starts(model, tmp_path):
    stages = []
    for event in generate(small_recipe(scales=(1, 1.5, 2), steps=4), model, out=tmp_path):
        if isinstance(event, StageDone):
            stages.append(event.stage)
            height, width = event.size
            assert Image.open(event.image).size == (width, height)
            assert load_file(event.latents)["latents"].shape == (1, 4, height // 8, width // 8)
            assert sorted(store.finished_stages(Path(event.image).parents[1])) == stages
    assert stages == [1, 2, 3]


def test_latents_are_float32_with_the_tone_of_the_first_stage(model, tmp_path):
    first, second = run_latents(small_recipe(), model, tmp_path)
    assert first.dtype == second.dtype == np.float32
    assert second.mean() == pytest.approx(first.mean(), abs=1e-5)
    assert second.std(ddof=1) == pytest.approx(first.std(ddof=1), rel=1e-5)


def pixels(path):
    return np.asarray(Image.open(path), np.float32)


COUNTED = [
    {},
    {"economy": 0},
    {"economy": 0.1, "steps": 20},
    {"guidance": 1},
    {"width": 256, "height": 128, "scales": ()},
    {"width": 512, "height": 128},
    {"scales": (1, 1.5)},
    {"scales": (1, 1.2)},
    {"scales": (1, 2, 3), "progressive": False},
    {"dilated": False},
    {"skip_residual": False},
    {"scales": (1, 2), "faithful": True, "scheduler": "ddim"},
    {"scheduler": "lcm"},
]


@pytest.mark.slow
@pytest.mark.parametrize("changes", COUNTED)
def test_a_run_costs_what_was_planned(changes, model, network_calls, tmp_path):
    recipe = small_recipe(**changes)
    planned = plan(recipe, model.facts)
    events = run_events(recipe, model, tmp_path)
    assert [e.evaluations for e in stage_done_events(events)] == [s.evaluations for s in planned.stages]
    assert sum(network_calls) == planned.evaluations
    assert len(network_calls) == total_cost(cost.network_call_count, planned)
    last = [e for e in events if isinstance(e, Progress)][-1]
    assert last.evaluations == last.of == planned.evaluations


@pytest.mark.parametrize("batch", [1, 4])
def test_there_is_one_progress_for_each_call_of_the_network(batch, model, network_calls, tmp_path):
    recipe, seen = small_recipe(view_batch=batch), []
    for event in generate(recipe, model, out=tmp_path):
        if isinstance(event, Progress):
            seen.append(len(network_calls))
    assert seen == list(range(1, total_cost(cost.network_call_count, plan(recipe, model.facts)) + 1))


@pytest.mark.parametrize("number", [1, 8, 13])
def test_a_closed_run_makes_no_further_call_of_the_network(number, model, network_calls, tmp_path):
    events = generate(small_recipe(view_batch=1), model, out=tmp_path)
    progress = (event for event in events if isinstance(event, Progress))
    for _ in range(number):
        next(progress)
    events.close()
    assert len(network_calls) == number


@pytest.mark.parametrize("scheduler", ["euler_a", *slow_cases("ddim", "euler", "dpmpp_2m", "lcm")])
def test_the_view_batch_changes_calls_and_not_the_picture(scheduler, model, tmp_path):
    finals, calls = [], []
    for batch in (1, 4, 16):
        recipe = small_recipe(scheduler=scheduler, view_batch=batch, steps=8)
        calls.append(total_cost(cost.network_call_count, plan(recipe, model.facts)))
        finals.append(run_latents(recipe, model, tmp_path)[-1])
    assert calls[0] > calls[1] > calls[2]
    assert max_difference(finals[1], finals[0]) < 1e-4
    assert max_difference(finals[2], finals[0]) < 1e-4


@pytest.mark.slow
def test_in_half_precision_the_view_batch_changes_nothing_visible(tiny_folder, tmp_path):
    half = load_model(tiny_folder, "cpu", "bfloat16")
    a, b = (stage_done_events(run_events(small_recipe(view_batch=n), half, tmp_path))[-1] for n in (1, 16))
    noise = np.square(pixels(a.image) - pixels(b.image)).mean()
    assert noise == 0 or 10 * np.log10(255**2 / noise) > 45


@pytest.mark.parametrize("scales", [(1,), *slow_cases((1, 2))])
def test_the_number_of_threads_does_not_change_the_picture(scales, model, tmp_path):
    recipe = small_recipe(scales=scales)
    one = run_latents(recipe, model, tmp_path)[-1]
    torch.set_num_threads(2)
    try:
        two = run_latents(recipe, model, tmp_path)[-1]
    finally:
        torch.set_num_threads(1)
    assert max_difference(one, two) < 1e-4


def test_the_same_recipe_is_the_same_picture_to_the_bit(model, tmp_path):
    a, b = (run_latents(small_recipe(scheduler="euler_a"), model, tmp_path) for _ in range(2))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.slow
def test_seeds_and_prompts_matter(model, tmp_path):
    base = run_latents(small_recipe(), model, tmp_path)[-1]
    for changes in (
        {"seed": 2},
        {"prompt": "a blue boat"},
        {"negative": "grass"},
        {"jitter": False},
        {"alpha1": 1},
    ):
        assert max_difference(run_latents(small_recipe(**changes), model, tmp_path)[-1], base) > 1e-3, changes


@pytest.mark.parametrize("scheduler", ["dpmpp_2m", *slow_cases("ddim", "euler_a")])
def test_resuming_from_a_stage_gives_the_same_bits(scheduler, model, tmp_path):
    recipe = small_recipe(scales=(1, 1.5, 2), scheduler=scheduler)
    events = run_events(recipe, model, tmp_path)
    again = run_events(recipe, model, tmp_path, resume=(events[0].run, 1))
    assert again[0].first == 2
    assert [e.stage for e in stage_done_events(again)] == [2, 3]
    for resumed, original in zip(stage_done_events(again), stage_done_events(events)[1:], strict=True):
        assert np.array_equal(load_file(resumed.latents)["latents"], load_file(original.latents)["latents"])
    assert again[0].run != events[0].run
    assert sorted(store.finished_stages(again[0].run)) == [1, 2, 3]


def test_until_ends_after_a_stage_that_equals_that_of_a_complete_run(model, tmp_path):
    events = run_events(small_recipe(), model, tmp_path, until=1)
    assert [e.stage for e in stage_done_events(events)] == [1]
    assert events[-1] == Finished(1)
    whole = run_latents(small_recipe(), model, tmp_path)
    assert np.array_equal(load_file(stage_done_events(events)[0].latents)["latents"], whole[0])


@pytest.mark.parametrize("size", [(200, 328), *slow_cases((128, 128), (256, 128), (128, 512), (264, 248))])
@pytest.mark.parametrize("scheduler", ["euler", "dpmpp_2m_karras", "unipc", "lcm"])
def test_odd_sizes_and_shapes_finish(size, scheduler, model, tmp_path):
    width, height = size
    events = run_events(
        small_recipe(width=width, height=height, scales=(), scheduler=scheduler, steps=4), model, tmp_path
    )
    assert stage_done_events(events)[-1].size == (height, width)


@pytest.mark.parametrize("scheduler", slow_cases("ddim", "dpmpp_2m"))
def test_economy_hardly_changes_the_picture(scheduler, model, tmp_path):
    everything, thrifty = (small_recipe(economy=e, steps=30, scheduler=scheduler) for e in (0, 0.005))
    assert cost.fraction_saved_by_economy(plan(thrifty, model.facts)) > 0.2
    a, b = (run_latents(recipe, model, tmp_path)[-1] for recipe in (everything, thrifty))
    assert 0 < np.linalg.norm(b - a) / np.linalg.norm(a) < 0.01


def test_events_can_be_sent_to_another_process(model, tmp_path):
    for event in run_events(small_recipe(steps=4), model, tmp_path):
        assert pickle.loads(pickle.dumps(event)) == event
