"""Runs with LoRAs: their stages, keys and records, and a model that is unchanged afterwards."""

import json

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from engine import BadRecipe, Failed, Progress, Recipe, StageDone, Stopped, errors, generate, plan
from engine.catalogue.entries import lora_names
from engine.errors import short_repr
from engine.recipe.checks import check, check_value
from engine.runs.keys import stage_keys
from tests.support.loras import model_state
from tests.support.planning import small_recipe
from tests.support.run_results import run_events, run_latents, stage_done_events


def recipe(*loras, **more):
    return small_recipe(scales=(1, 1.5), steps=4, loras=loras, **more)


def test_a_run_applies_a_lora_and_the_next_one_does_not(model_and_loras, tmp_path):
    model, (file, _) = model_and_loras
    before = model_state(model)
    plain = run_latents(recipe(), model, tmp_path)
    with_lora = run_latents(recipe((str(file), 1.0)), model, tmp_path)
    again = run_latents(recipe(), model, tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(plain, again, strict=True))
    assert not any(np.allclose(a, b, atol=1e-3) for a, b in zip(plain, with_lora, strict=True))
    assert model_state(model) == before


def test_two_runs_that_take_turns_do_not_affect_each_other(model_and_loras, tmp_path):
    model, (file, _) = model_and_loras
    alone = [run_latents(recipe(*loras), model, tmp_path) for loras in ((), ((str(file), 1.0),))]
    runs = [generate(recipe(*loras), model, out=tmp_path / name) for name, loras in
            (("plain", ()), ("with_lora", ((str(file), 1.0),)))]  # fmt: skip
    made = [[], []]
    while any(len(stages) < 2 for stages in made):
        for run, stages in zip(runs, made, strict=True):
            stages.append(next(event for event in run if isinstance(event, StageDone)))
    for stages, expected in zip(made, alone, strict=True):
        for stage, latent in zip(stages, expected, strict=True):
            assert np.array_equal(load_file(stage.latents)["latents"], latent)


@pytest.mark.parametrize("calls", [1, 5, 9])
def test_a_stopped_run_leaves_the_model_unchanged(calls, model_and_loras, tmp_path):
    model, (file, _) = model_and_loras
    before, seen = model_state(model), []

    class After:
        def is_set(self):
            seen.append(1)
            return len(seen) > calls

    events = list(generate(recipe((str(file), 1.0)), model, out=tmp_path, stop=After()))
    assert isinstance(events[-1], Stopped)
    assert model_state(model) == before


def test_a_closed_run_leaves_the_model_unchanged(model_and_loras, tmp_path):
    model, (file, _) = model_and_loras
    before = model_state(model)
    run = generate(recipe((str(file), 1.0)), model, out=tmp_path)
    next(event for event in run if isinstance(event, Progress))
    run.close()
    assert model_state(model) == before


def test_an_exception_of_the_network_leaves_the_model_unchanged(model_and_loras, tmp_path, monkeypatch):
    model, (file, _) = model_and_loras
    before = model_state(model)

    def broken(*args, **more):
        raise ValueError("broken")

    monkeypatch.setattr(model.unet, "forward", broken)
    assert isinstance(list(generate(recipe((str(file), 1.0)), model, out=tmp_path))[-1], Failed)
    assert model_state(model) == before


def test_the_key_of_a_stage_depends_on_the_weights_of_a_lora_and_not_on_its_name(model_and_loras, tmp_path):
    model, (file, other) = model_and_loras
    copy = tmp_path / "another_name.safetensors"
    copy.write_bytes(file.read_bytes())
    of = [
        stage_keys(plan(recipe((str(path), strength)), model.facts).stages)
        for path, strength in ((file, 1), (copy, 1), (other, 1), (file, 0.5))
    ]
    assert of[0] == of[1]
    assert len({key for one in of[1:] for key in one}) == 6


def test_a_picture_records_the_name_of_a_lora_without_its_folder(model_and_loras, tmp_path):
    model, (file, _) = model_and_loras
    events = run_events(recipe((str(file), 0.5)), model, tmp_path)
    text = Image.open(stage_done_events(events)[0].image).text["demofusion"]
    assert json.loads(text)["recipe"]["loras"] == [[file.name, 0.5]]
    assert str(file.parent) not in text


@pytest.mark.parametrize(
    "loras",
    [(("no/such.safetensors", 1.0),), (("nowhere", 1.0),), (("/etc/passwd", 1.0),)],
)
def test_a_missing_lora_is_reported(loras, model_and_loras, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (event,) = generate(recipe(*loras), model_and_loras[0], out=tmp_path)
    assert (type(event), event.field) == (Failed, "loras")
    assert event.sentence == errors.LORA_NOT_HERE.format(source=short_repr(loras[0][0]))


@pytest.mark.parametrize(
    "loras",
    ["x", (1,), (("x",),), (("x", "y"),), (("", 1.0),), (("x", 9.0),), (("x", float("nan")),),
     (("x", 1.0),) * 9],
)  # fmt: skip
def test_an_invalid_list_of_loras_is_refused(loras):
    with pytest.raises(BadRecipe) as refused:
        check(Recipe(loras=loras))
    assert refused.value.field == "loras"


def test_an_untrusted_recipe_can_only_name_listed_loras(model_and_loras):
    name = lora_names()[0]
    assert check_value("loras", ((name, 0.5),)) == ((name, 0.5),)
    with pytest.raises(BadRecipe, match="not available here"):
        check_value("loras", ((str(model_and_loras[1][0]), 1.0),))
