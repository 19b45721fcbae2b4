"""LoRAs are applied while a stage runs, and leave nothing behind."""

import pytest
import torch
from safetensors.torch import save_file

from engine import BadRecipe, load_model
from engine.network.facts import hash_pipeline
from engine.network.lora import apply_loras, fuse_loras
from tests.support import tiny
from tests.support.loras import model_state, save_lora


def predict(model):
    """Return the model's prediction for a fixed latent and prompt."""
    with torch.inference_mode():
        text = model.encode_text("a house", "", 2)
        return model.predict(torch.ones(2, 4, 16, 16), 10.0, text, torch.zeros(2, 6))


def test_a_lora_changes_predictions_and_is_then_undone_bit_by_bit(model_and_loras):
    model, (file, _) = model_and_loras
    before, plain = model_state(model), predict(model)
    with apply_loras(model.pipeline, ((file, 1.0),)):
        assert not torch.allclose(predict(model), plain, atol=1e-3)
    assert model_state(model) == before
    assert torch.equal(predict(model), plain)


def test_its_weight_scales_its_effect_and_zero_has_none(model_and_loras):
    model, (file, _) = model_and_loras
    plain, effects = predict(model), []
    for strength in (0.0, 0.3, 1.0):
        with apply_loras(model.pipeline, ((file, strength),)):
            effects.append(float((predict(model) - plain).abs().max()))
    assert effects[0] < 1e-6
    assert effects[0] < effects[1] < effects[2]


def test_several_are_applied_together(model_and_loras):
    model, (one, other) = model_and_loras
    with apply_loras(model.pipeline, ((one, 1.0),)):
        alone = predict(model)
    with apply_loras(model.pipeline, ((one, 1.0), (other, 0.5))):
        assert not torch.allclose(predict(model), alone, atol=1e-3)
    with apply_loras(model.pipeline, ((one, 1.0), (other, 0.0))):
        assert torch.allclose(predict(model), alone, atol=1e-5)


def test_an_exception_leaves_the_model_unchanged(model_and_loras):
    model, (file, _) = model_and_loras
    before = model_state(model)
    with pytest.raises(RuntimeError, match="inside"), apply_loras(model.pipeline, ((file, 1.0),)):
        raise RuntimeError("inside")
    assert model_state(model) == before


def test_a_broken_lora_undoes_the_others(model_and_loras, tmp_path):
    model, (file, _) = model_and_loras
    before = model_state(model)
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:300])
    with (
        pytest.raises(BadRecipe, match="cut") as refused,
        apply_loras(model.pipeline, ((file, 1.0), (tmp_path / "cut.safetensors", 1.0))),
    ):
        pass
    assert refused.value.field == "loras"
    assert model_state(model) == before


def test_one_for_another_network_is_refused(model_and_loras, tmp_path):
    model = model_and_loras[0]
    foreign = save_lora(tiny.write(tmp_path / "other", widths=(24, 48)), tmp_path, name="foreign")
    before = model_state(model)
    with pytest.raises(BadRecipe, match="foreign"), apply_loras(model.pipeline, ((foreign, 1.0),)):
        pass
    assert model_state(model) == before


def test_a_file_without_any_layer_of_the_network_is_refused(model_and_loras, tmp_path):
    model = model_and_loras[0]
    save_file({"something.else": torch.zeros(2)}, tmp_path / "empty.safetensors")
    with (
        pytest.raises(BadRecipe, match="empty"),
        apply_loras(model.pipeline, ((tmp_path / "empty.safetensors", 1.0),)),
    ):
        pass


def test_merging_a_lora_into_the_weights_changes_the_models_hash(tmp_path):
    folder = tiny.write(tmp_path / "tiny")
    file = save_lora(folder, tmp_path)
    model = load_model(folder, "cpu", "float32")
    with apply_loras(model.pipeline, ((file, 1.0),)):
        applied = predict(model)
    kinds = model_state(model)[1]
    fuse_loras(model.pipeline, ((file, 1.0),))
    assert torch.allclose(predict(model), applied, atol=1e-5)
    assert model_state(model)[1] == kinds
    assert hash_pipeline(model.pipeline) != model.facts.hash
