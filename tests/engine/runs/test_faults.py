"""Stopped runs, invalid recipes, and exceptions inside a run."""

import os
import threading
from dataclasses import replace

import pytest
import torch

from engine import Accepted, Failed, Progress, Recipe, Stopped, generate, plan
from engine.planning import cost
from engine.runs import store
from tests.support.planning import small_recipe
from tests.support.run_results import StopAfter, event_types, run_events, stage_done_events


def test_a_stopped_run_makes_no_further_call_and_keeps_finished_stages(model, tmp_path):
    recipe = small_recipe(view_batch=1)
    first = cost.network_call_count(plan(recipe, model.facts).stages[0])
    events = run_events(recipe, model, tmp_path, stop=StopAfter(first + 5))
    assert events[-1] == Stopped(2, 1)
    assert sum(isinstance(e, Progress) for e in events) == first + 5
    assert os.path.exists(stage_done_events(events)[0].image)


def test_a_stop_that_is_already_set_costs_nothing(model, tmp_path):
    stop = threading.Event()
    stop.set()
    events = run_events(small_recipe(), model, tmp_path, stop=stop)
    assert event_types(events) == [Accepted, Stopped]


def test_closing_the_iterator_stops_the_run_after_the_current_call(model, network_calls, tmp_path):
    recipe = small_recipe(view_batch=1)
    events = generate(recipe, model, out=tmp_path)
    next(event for event in events if isinstance(event, Progress) and event.stage == 2)
    made = len(network_calls)
    events.close()
    assert len(network_calls) == made == cost.network_call_count(plan(recipe, model.facts).stages[0]) + 1
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_the_consumer_of_events_is_never_in_inference_mode(model, tmp_path):
    modes = {torch.is_inference_mode_enabled() for _ in generate(small_recipe(steps=4), model, out=tmp_path)}
    assert modes == {False}


@pytest.mark.parametrize(
    ("recipe", "field"),
    [
        (Recipe(scheduler="heun"), "scheduler"),
        (Recipe(width=130, height=128), "width"),
        (Recipe(prompt="x" * 2001), "prompt"),
        (Recipe(stride=17), "stride"),
        (Recipe(model="another"), "model"),
        (Recipe(alpha1=float("nan")), "alpha1"),
    ],
)
def test_a_bad_recipe_is_one_failed_event_and_leaves_nothing(recipe, field, model, tmp_path):
    events = list(generate(recipe, model, out=tmp_path / "runs"))
    assert event_types(events) == [Failed]
    assert events[0].field == field
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("until", [0, 3, -1])
def test_until_must_be_a_planned_stage(until, model, tmp_path):
    (event,) = generate(small_recipe(), model, out=tmp_path, until=until)
    assert event.field == "until"


@pytest.mark.parametrize("until", ["x", 1.0, True])
def test_until_must_be_a_whole_number(until, model, tmp_path):
    (event,) = generate(small_recipe(), model, out=tmp_path, until=until)
    assert event.field == "until"


@pytest.mark.parametrize(
    "resume",
    [
        {},
        [],
        0,
        "",
        ("x" * 9000, 1),
        ("run", "1" * 9000),
        ("run", 10**5000),
        5,
        ("run",),
        (None, 1),
        ("run", "1"),
        ("run", 1.0),
        ("\0", 1),
    ],
)
def test_resume_must_be_a_folder_and_a_number(resume, model, tmp_path):
    (event,) = generate(small_recipe(), model, out=tmp_path, resume=resume)
    assert event.field == "resume"
    assert len(event.sentence) <= 400


def test_resuming_after_the_last_stage_fails_without_a_trace(model, tmp_path):
    run = run_events(small_recipe(), model, tmp_path)[0].run
    (event,) = generate(small_recipe(), model, out=tmp_path, resume=(run, 2), until=1)
    assert "nothing is left" in event.sentence
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_written_is_reported(model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    (event,) = generate(small_recipe(), model, out=tmp_path / "file")
    assert "folder could not be written" in event.sentence


def test_resuming_from_a_missing_or_unsuitable_stage_is_refused(model, tmp_path):
    (missing,) = generate(small_recipe(), model, out=tmp_path, resume=(tmp_path, 1))
    assert missing.field == "resume"
    run = run_events(small_recipe(), model, tmp_path, until=1)[0].run
    (other,) = generate(small_recipe(width=256, height=128, scales=()), model, out=tmp_path, resume=(run, 1))
    assert "128 x 128 px" in other.sentence
    assert "256 x 128 px" in other.sentence


def test_an_unexpected_exception_is_a_sentence_with_a_code_that_is_in_the_log(model, tmp_path, caplog):
    class Broken:
        def base(self, shape):
            raise ZeroDivisionError("boom")

    events = list(generate(small_recipe(), model, out=tmp_path, noise=Broken()))
    failed = events[-1]
    assert failed.code in failed.sentence
    assert failed.code in caplog.text
    assert "boom" not in failed.sentence


def test_overflow_in_the_network_is_reported_and_the_stage_is_not_stored(model, tmp_path, monkeypatch):
    recipe, network, made = small_recipe(), model.unet.forward, []

    def overflowing(*args, **more):
        made.append(1)
        answer = network(*args, **more)
        if len(made) > cost.network_call_count(plan(recipe, model.facts).stages[0]):
            answer.sample.fill_(float("inf"))
        return answer

    monkeypatch.setattr(model.unet, "forward", overflowing)
    events = list(generate(recipe, model, out=tmp_path))
    assert "overflowed in stage 2" in events[-1].sentence
    assert [e.stage for e in stage_done_events(events)] == [1]
    assert list(store.finished_stages(events[0].run)) == [1]


@pytest.mark.parametrize(
    "fault",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: not enough memory"),
    ],
)
@pytest.mark.parametrize("where", ["unet", "text_encoder"])
def test_a_lack_of_memory_is_reported(fault, where, model, tmp_path, monkeypatch):
    def full(*args, **more):
        raise fault

    monkeypatch.setattr(model.unet if where == "unet" else model.encoders[0], "forward", full)
    events = list(generate(small_recipe(), model, out=tmp_path))
    assert "Memory ran out in stage 1 (128 x 128 px)" in events[-1].sentence


def test_ineffective_settings_and_deviations_from_the_paper_are_noted(model, tmp_path):
    recipe = small_recipe(fidelity=0.9, faithful=True, guidance_rescale=0.5, scheduler="ddim")
    accepted = run_events(recipe, model, tmp_path, until=1)[0]
    assert accepted.unused == ("fidelity",)
    assert "whole canvas" in accepted.notes[0]
    assert accepted.recipe.economy == 0


def test_a_replaced_default_scheduler_is_noted(model, tmp_path):
    config = dict(model.facts.scheduler) | {"_class_name": "HeunDiscreteScheduler"}
    other = replace(model, facts=replace(model.facts, scheduler=config))
    accepted = run_events(small_recipe(), other, tmp_path, until=1)[0]
    assert accepted.recipe.scheduler == "ddim"
    assert "ddim is used instead" in accepted.notes[0]
