"""The catalogue of models, and what is known of a model before it is loaded."""

import shutil
from dataclasses import replace

import pytest
from diffusers import DiffusionPipeline

from engine import Fault, load_model
from engine.catalogue.entries import facts_from_configs, find_lora, lora_names, lora_source, model_entries
from engine.catalogue.weights import detect_layout, find_local, is_hub_id
from engine.formulas.timesteps import timesteps
from engine.serving.model_pool import ModelPool
from engine.serving.models import select_models
from tests.support import single_file, tiny

LISTED = {entry.name: entry for entry in model_entries()}


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No internet, and an empty cache of the Hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def cache_model(tmp_path, repository, folder):
    """Copy a folder into the cache of the Hub, as if it had been downloaded."""
    home = tmp_path / "cache" / f"models--{repository.replace('/', '--')}"
    shutil.copytree(folder, home / "snapshots" / ("0" * 40))
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("0" * 40)


def test_the_bundled_model_is_listed_first_and_on_this_machine():
    assert next(iter(LISTED)) == "postcards"
    assert LISTED["postcards"].is_local
    assert not LISTED["postcards"].needs_gpu


def test_every_other_entry_has_a_description_and_a_size():
    others = [entry for name, entry in LISTED.items() if name != "postcards"]
    assert {entry.family for entry in others} == {"sdxl", "sd"}
    assert {"sdxl", "sdxl-turbo", "sdxl-lightning", "sd21", "sd15"} <= set(LISTED)
    assert all(entry.licence and entry.gigabytes and entry.needs_gpu for entry in others)
    assert all(is_hub_id(entry.source) for entry in others)


def test_a_model_that_was_never_downloaded_is_not_on_this_machine():
    assert [name for name, entry in LISTED.items() if entry.is_local] == ["postcards"]
    assert find_lora("lcm-sdxl") is None


def test_a_downloaded_model_is_on_this_machine_and_its_facts_are_predicted(tmp_path):
    cache_model(tmp_path, LISTED["sd15"].source, single_file.sd(tmp_path / "sd"))
    assert LISTED["sd15"].is_local
    facts = facts_from_configs(LISTED["sd15"])
    assert (facts.family, facts.window, facts.cell, facts.channels) == ("sd", 16, 8, 4)
    assert load_model(LISTED["sd15"].source, "cpu").facts.window == 16


def test_configs_without_weights_are_no_model(tmp_path):
    folder = single_file.sd(tmp_path / "sd")
    for weights in folder.rglob("*.safetensors"):
        weights.unlink()
    cache_model(tmp_path, LISTED["sd15"].source, folder)
    assert not LISTED["sd15"].is_local
    assert facts_from_configs(LISTED["sd15"]).window == 16


def test_facts_of_a_single_file_are_predicted_from_the_configs_beside_it(tmp_path):
    pipeline = DiffusionPipeline.from_pretrained(tiny.write(tmp_path / "own", second=24))
    file = single_file.single_file(pipeline, tmp_path / "own.safetensors")
    assert facts_from_configs(replace(LISTED["sdxl"], source=str(file))).window == 16


def test_an_entry_uses_the_timesteps_of_its_scheduler(tmp_path):
    entry = replace(LISTED["sdxl-lightning"], source=str(tiny.write(tmp_path / "tiny")), loras=())
    facts = ModelPool([entry], "cpu").model().facts
    assert facts.name == "sdxl-lightning"
    laid = timesteps(facts.defaults.scheduler, facts.scheduler, 4)
    assert (
        laid.tolist() == timesteps(entry.defaults.scheduler, facts_from_configs(entry).scheduler, 4).tolist()
    )
    assert laid.tolist() == [999, 749, 499, 249]


def test_a_lora_is_a_catalogue_name_or_a_file(tmp_path):
    file = tmp_path / "style.safetensors"
    file.write_bytes(b"")
    assert find_lora(str(file)) == file
    assert find_lora(str(tmp_path)) is None
    assert lora_source("lcm-sdxl").endswith(".safetensors")
    assert "lcm-sdxl" in lora_names()


@pytest.mark.parametrize("source", ["../etc", "a/b/c", "/etc/passwd", "", "a b/c", "nobody/nothing"])
def test_a_source_that_is_no_model_is_not_found(source):
    assert find_local(source) is None


def test_the_layout_of_a_file_is_detected_from_its_keys(tmp_path):
    for name, write, pipeline in (
        ("xl", lambda to: tiny.write(to, second=24), "StableDiffusionXLPipeline"),
        ("sd1", single_file.sd, "StableDiffusionPipeline"),
        ("sd2", lambda to: single_file.sd(to, linear=True), "StableDiffusionPipeline"),
    ):
        made = DiffusionPipeline.from_pretrained(write(tmp_path / name))
        layout = detect_layout(single_file.single_file(made, tmp_path / f"{name}.safetensors"))
        assert layout.pipeline == pipeline
        assert ("xl" in layout.reference, "2-1" in layout.reference) == (name == "xl", name == "sd2")


def test_models_on_this_machine_are_listed_with_the_most_suitable_first(tmp_path):
    assert [entry.name for entry in select_models([], gpu=True)] == ["postcards"]
    cache_model(tmp_path, LISTED["sd15"].source, single_file.sd(tmp_path / "sd"))
    assert [entry.name for entry in select_models([], gpu=False)] == ["postcards", "sd15"]
    assert [entry.name for entry in select_models([], gpu=True)] == ["sd15", "postcards"]


def test_the_operator_can_list_other_models_in_any_order():
    assert [entry.name for entry in select_models(["sdxl", "postcards"], gpu=False)] == ["sdxl", "postcards"]
    with pytest.raises(Fault, match="contains no model juggernaut"):
        select_models(["sdxl", "juggernaut"], gpu=False)
