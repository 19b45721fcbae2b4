import os
import pickle
import threading

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
    Recipe,
    StageDone,
    Stopped,
    generate,
    plan,
)
from tests.toys import apart, latents, small, told


def kinds(events):
    return [type(event) for event in events]


def done(events):
    return [event for event in events if isinstance(event, StageDone)]


def test_a_run_tells_its_story_in_order(model, tmp_path):
    events = told(small(), model, tmp_path)
    assert kinds(events)[0] is Accepted
    assert kinds(events)[-1] is Finished
    assert [e.stage for e in done(events)] == [1, 2]
    assert {Progress, Preview} <= set(kinds(events))
    assert sum(kind in (Finished, Stopped, Failed) for kind in kinds(events)) == 1


def test_a_finished_stage_is_on_disk_when_it_is_told_and_before_the_next_starts(model, tmp_path):
    for event in generate(small(scales=(1, 2, 3), steps=4), model, out=tmp_path):
        if isinstance(event, StageDone):
            height, width = event.size
            assert Image.open(event.image).size == (width, height) == (event.size[1], event.size[0])
            assert load_file(event.latents)["latents"].shape == (1, 4, height // 8, width // 8)
            assert not os.path.exists(event.image.replace(f"stage-{event.stage}", f"stage-{event.stage + 1}"))


def test_latents_are_float32_and_have_the_tone_of_the_first(model, tmp_path):
    first, second = latents(small(), model, tmp_path)
    assert first.dtype == second.dtype == np.float32
    assert second.mean() == pytest.approx(first.mean(), abs=1e-5)
    assert second.std(ddof=1) == pytest.approx(first.std(ddof=1), rel=1e-5)


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


@pytest.mark.parametrize("changes", COUNTED)
def test_a_run_costs_what_the_plan_foretold(changes, model, tmp_path):
    recipe = small(**changes)
    planned = plan(recipe, model.facts)
    calls = []
    network = model.unet.forward
    model.unet.forward = lambda *a, **k: calls.append(len(a[0])) or network(*a, **k)
    try:
        events = told(recipe, model, tmp_path)
    finally:
        del model.unet.forward
    assert [e.evaluations for e in done(events)] == [s.evaluations for s in planned.stages]
    assert sum(calls) == planned.evaluations
    assert len(calls) == planned.calls
    last = [e for e in events if isinstance(e, Progress)][-1]
    assert last.evaluations == last.of == planned.evaluations


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "dpmpp_2m", "euler_a", "lcm"])
def test_the_view_batch_changes_calls_and_not_the_picture(scheduler, model, tmp_path):
    finals, calls = [], []
    for batch in (1, 4, 16):
        recipe = small(scheduler=scheduler, view_batch=batch, steps=8)
        calls.append(plan(recipe, model.facts).calls)
        finals.append(latents(recipe, model, tmp_path)[-1])
    assert calls[0] > calls[1] > calls[2]
    assert apart(finals[1], finals[0]) < 1e-4
    assert apart(finals[2], finals[0]) < 1e-4


def test_the_number_of_threads_does_not_change_the_picture(model, tmp_path):
    one_and_two = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        one_and_two.append(latents(small(), model, tmp_path)[-1])
    assert apart(*one_and_two) < 1e-4


def test_the_same_recipe_is_the_same_picture_to_the_bit(model, tmp_path):
    a, b = (latents(small(scheduler="euler_a"), model, tmp_path) for _ in range(2))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_seeds_and_prompts_matter(model, tmp_path):
    base = latents(small(), model, tmp_path)[-1]
    for changes in (
        {"seed": 2},
        {"prompt": "a blue boat"},
        {"negative": "grass"},
        {"jitter": False},
        {"alpha1": 1},
    ):
        assert apart(latents(small(**changes), model, tmp_path)[-1], base) > 1e-3, changes


@pytest.mark.parametrize("scheduler", ["ddim", "dpmpp_2m", "euler_a"])
def test_going_on_from_a_stage_gives_the_same_bits(scheduler, model, tmp_path):
    recipe = small(scales=(1, 2, 3), scheduler=scheduler)
    events = told(recipe, model, tmp_path)
    again = told(recipe, model, tmp_path, resume=(events[0].run, 1))
    assert again[0].first == 2
    assert [e.stage for e in done(again)] == [2, 3]
    for ours, theirs in zip(done(again), done(events)[1:], strict=True):
        assert np.array_equal(load_file(ours.latents)["latents"], load_file(theirs.latents)["latents"])
    assert again[0].run != events[0].run
    assert os.path.exists(os.path.join(again[0].run, "stage-1.png"))


def test_until_ends_after_a_stage_that_is_the_same_as_in_the_whole_run(model, tmp_path):
    events = told(small(), model, tmp_path, until=1)
    assert [e.stage for e in done(events)] == [1]
    assert events[-1] == Finished(1)
    whole = latents(small(), model, tmp_path)
    assert np.array_equal(load_file(done(events)[0].latents)["latents"], whole[0])


class StopAfter:
    """Is set after it was asked so many times."""

    def __init__(self, times):
        self.left = times

    def is_set(self):
        self.left -= 1
        return self.left < 0


def test_stop_is_obeyed_before_the_next_call_and_keeps_finished_stages(model, tmp_path):
    recipe = small(view_batch=1)
    first = plan(recipe, model.facts).stages[0].calls
    events = told(recipe, model, tmp_path, stop=StopAfter(first + 5))
    assert events[-1] == Stopped(2, 1)
    assert sum(isinstance(e, Progress) for e in events) == first + 5
    assert os.path.exists(done(events)[0].image)


def test_a_stop_that_is_already_set_costs_nothing(model, tmp_path):
    stop = threading.Event()
    stop.set()
    events = told(small(), model, tmp_path, stop=stop)
    assert kinds(events) == [Accepted, Stopped]


def test_closing_the_iterator_stops_within_a_call(model, tmp_path):
    calls = []
    network = model.unet.forward
    model.unet.forward = lambda *a, **k: calls.append(1) or network(*a, **k)
    try:
        events = generate(small(view_batch=1), model, out=tmp_path)
        for event in events:
            if isinstance(event, Progress) and event.stage == 2:
                break
        made = len(calls)
        events.close()
    finally:
        del model.unet.forward
    assert len(calls) == made
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_a_consumer_never_finds_itself_in_inference_mode(model, tmp_path):
    for _ in generate(small(steps=4), model, out=tmp_path):
        assert not torch.is_inference_mode_enabled()


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
    assert kinds(events) == [Failed]
    assert events[0].field == field
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("until", [0, 3, -1])
def test_a_stage_that_is_not_planned_cannot_be_the_last(until, model, tmp_path):
    (event,) = generate(small(), model, out=tmp_path, until=until)
    assert event.field == "until"


def test_going_on_from_what_is_not_there_or_does_not_fit(model, tmp_path):
    (missing,) = generate(small(), model, out=tmp_path, resume=(tmp_path, 1))
    assert missing.field == "resume"
    run = told(small(), model, tmp_path, until=1)[0].run
    (other,) = generate(small(width=256, height=128, scales=()), model, out=tmp_path, resume=(run, 1))
    assert "16 x 16" in other.sentence


def test_an_unexpected_fault_is_a_sentence_with_a_code_that_is_in_the_log(model, tmp_path, caplog):
    class Broken:
        def base(self, shape):
            raise ZeroDivisionError("boom")

    events = list(generate(small(), model, out=tmp_path, noise=Broken()))
    failed = events[-1]
    assert failed.code in failed.sentence
    assert failed.code in caplog.text
    assert "boom" not in failed.sentence


def test_overflow_in_the_network_is_told_and_the_stage_is_not_kept(model, tmp_path):
    class Overflown:
        def stage(self, scale, shape):
            return np.full(shape, np.inf)

    events = list(generate(small(), model, out=tmp_path, noise=Overflown()))
    assert "overflowed in stage 2" in events[-1].sentence
    assert [e.stage for e in done(events)] == [1]
    assert not os.path.exists(done(events)[0].image.replace("stage-1", "stage-2"))


def test_memory_that_runs_out_is_told(model, tmp_path):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("no more")

    model.unet.forward = full
    try:
        events = list(generate(small(), model, out=tmp_path))
    finally:
        del model.unet.forward
    assert "Memory ran out in stage 1" in events[-1].sentence


def test_what_has_no_effect_and_what_differs_from_the_published_is_said(model, tmp_path):
    recipe = small(fidelity=0.9, faithful=True, guidance_rescale=0.5, scheduler="ddim")
    accepted = told(recipe, model, tmp_path, until=1)[0]
    assert accepted.unused == ("fidelity",)
    assert "whole canvas" in accepted.notes[0]
    assert accepted.recipe.economy == 0


@pytest.mark.parametrize("size", [(128, 128), (256, 128), (128, 512), (200, 328), (264, 248)])
@pytest.mark.parametrize("scheduler", ["euler", "dpmpp_2m_karras", "unipc", "lcm"])
def test_odd_sizes_and_shapes_finish(size, scheduler, model, tmp_path):
    width, height = size
    events = told(small(width=width, height=height, scales=(), scheduler=scheduler, steps=4), model, tmp_path)
    assert done(events)[-1].size == (height, width)


def test_events_can_be_sent_to_another_process(model, tmp_path):
    for event in told(small(steps=4), model, tmp_path):
        assert pickle.loads(pickle.dumps(event)) == event


@pytest.mark.parametrize("scheduler", ["ddim", "dpmpp_2m"])
def test_what_economy_leaves_out_is_not_missed(scheduler, model, tmp_path):
    everything, thrifty = (small(economy=e, steps=30, scheduler=scheduler) for e in (0, 0.005))
    assert plan(thrifty, model.facts).economy_saves > 0.2
    a, b = (latents(recipe, model, tmp_path)[-1] for recipe in (everything, thrifty))
    assert 0 < np.linalg.norm(b - a) / np.linalg.norm(a) < 0.01
