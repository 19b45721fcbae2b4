"""The model of a run, and the list of models."""

import pytest

from engine.catalogue.entries import model_entries
from engine.catalogue.upscalers import upscaler_entries
from engine.command_line.arguments import WrongUsage
from engine.command_line.models import describe_models, find_facts, find_model, load
from engine.errors import WeightsMissing


def test_a_model_is_found_by_its_name_in_the_catalogue_even_beside_a_folder_of_that_name(
    tmp_path, monkeypatch
):
    (tmp_path / "postcards").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_model("postcards").name == "postcards"


def test_a_model_is_found_by_its_folder_or_hub_id(tmp_path):
    assert find_model(str(tmp_path)) == (str(tmp_path), None)
    assert find_model("owner/name") == ("owner/name", None)


def test_an_unknown_model_is_refused_with_the_names_of_all():
    with pytest.raises(WrongUsage) as refused:
        find_model("postcard")
    assert "postcard" in refused.value.sentence
    assert all(entry.name in refused.value.sentence for entry in model_entries())


def test_the_facts_of_the_bundled_model_are_known_before_it_is_loaded():
    facts = find_facts(find_model("postcards"))
    assert (facts.name, facts.native_side) == ("postcards", 256)


def test_a_wrong_device_or_number_format_is_wrong_usage():
    with pytest.raises(WrongUsage, match="abacus"):
        load(find_model("postcards"), "abacus", "auto", None)
    with pytest.raises(WrongUsage, match="float17"):
        load(find_model("postcards"), "cpu", "float17", None)


def test_a_folder_without_a_model_is_missing_weights(tmp_path):
    with pytest.raises(WeightsMissing):
        load(find_model(str(tmp_path)), "cpu", "auto", None)


def test_the_list_has_a_line_with_title_and_licence_for_every_model_and_upscaler():
    lines = describe_models().splitlines()
    for entry in (*model_entries(), *upscaler_entries()):
        assert any(
            line.split()[:1] == [entry.name] and entry.title in line and entry.licence in line
            for line in lines
        ), entry.name


def test_the_list_says_what_is_here_and_how_to_get_the_rest():
    lines = {line.split()[0]: line for line in describe_models().splitlines() if line.startswith("  ")}
    assert lines["lanczos"].endswith("here")
    sdxl = next(entry for entry in model_entries() if entry.name == "sdxl")
    assert lines["sdxl"].endswith(
        "here" if sdxl.is_local else "7 GB: stabilityai/stable-diffusion-xl-base-1.0"
    )
