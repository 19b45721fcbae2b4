"""LoRAs are worn while a stage is at work, and leave nothing behind."""

import pytest
import torch
from safetensors.torch import save_file

from engine import BadRecipe, load_model
from engine.network.facts import hash_pipeline
from engine.network.lora import apply_loras, fuse_loras
from tests.support import tiny
from tests.support.loras import lora, state


def answer(model):
    with torch.inference_mode():
        text = model.encode_text("a house", "", 2)
        return model.predict(torch.ones(2, 4, 16, 16), 10.0, text, torch.zeros(2, 6))


def test_it_is_felt_and_then_gone_bit_by_bit(dressed):
    model, (file, _) = dressed
    before, plain = state(model), answer(model)
    with apply_loras(model.pipeline, ((file, 1.0),)):
        assert not torch.allclose(answer(model), plain, atol=1e-3)
    assert state(model) == before
    assert torch.equal(answer(model), plain)


def test_its_strength_counts_and_none_at_all_is_none(dressed):
    model, (file, _) = dressed
    plain, felt = answer(model), []
    for strength in (0.0, 0.3, 1.0):
        with apply_loras(model.pipeline, ((file, strength),)):
            felt.append(float((answer(model) - plain).abs().max()))
    assert felt[0] < 1e-6
    assert felt[0] < felt[1] < felt[2]


def test_several_are_worn_together(dressed):
    model, (one, other) = dressed
    with apply_loras(model.pipeline, ((one, 1.0),)):
        alone = answer(model)
    with apply_loras(model.pipeline, ((one, 1.0), (other, 0.5))):
        assert not torch.allclose(answer(model), alone, atol=1e-3)
    with apply_loras(model.pipeline, ((one, 1.0), (other, 0.0))):
        assert torch.allclose(answer(model), alone, atol=1e-5)


def test_a_fault_inside_leaves_nothing_behind(dressed):
    model, (file, _) = dressed
    before = state(model)
    with pytest.raises(RuntimeError, match="inside"), apply_loras(model.pipeline, ((file, 1.0),)):
        raise RuntimeError("inside")
    assert state(model) == before


def test_one_that_is_broken_leaves_nothing_of_the_others_behind(dressed, tmp_path):
    model, (file, _) = dressed
    before = state(model)
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:300])
    with (
        pytest.raises(BadRecipe, match="cut") as refused,
        apply_loras(model.pipeline, ((file, 1.0), (tmp_path / "cut.safetensors", 1.0))),
    ):
        pass
    assert refused.value.field == "loras"
    assert state(model) == before


def test_one_for_another_network_is_told(dressed, tmp_path):
    model = dressed[0]
    foreign = lora(tiny.write(tmp_path / "other", widths=(24, 48)), tmp_path, name="foreign")
    before = state(model)
    with pytest.raises(BadRecipe, match="foreign"), apply_loras(model.pipeline, ((foreign, 1.0),)):
        pass
    assert state(model) == before


def test_a_file_without_any_layer_of_the_network_is_told(dressed, tmp_path):
    model = dressed[0]
    save_file({"something.else": torch.zeros(2)}, tmp_path / "empty.safetensors")
    with (
        pytest.raises(BadRecipe, match="empty"),
        apply_loras(model.pipeline, ((tmp_path / "empty.safetensors", 1.0),)),
    ):
        pass


def test_one_that_is_part_of_a_model_makes_another_model_of_it(tmp_path):
    folder = tiny.write(tmp_path / "tiny")
    file = lora(folder, tmp_path)
    model = load_model(folder, "cpu", "float32")
    with apply_loras(model.pipeline, ((file, 1.0),)):
        worn = answer(model)
    kinds = state(model)[1]
    fuse_loras(model.pipeline, ((file, 1.0),))
    assert torch.allclose(answer(model), worn, atol=1e-5)
    assert state(model)[1] == kinds
    assert hash_pipeline(model.pipeline) != model.facts.hash
