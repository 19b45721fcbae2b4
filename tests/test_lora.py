"""LoRAs are worn while a stage is at work, and leave nothing behind."""

import pytest
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

from engine import BadRecipe, load_model
from engine.anatomy import fingerprint
from engine.surgery.lora import fuse, wearing
from tests import original, tiny


def lora(folder, to, seed=0, name="style"):
    """A LoRA with random weights for a pipeline's network and first encoder; its file."""
    pipeline = DiffusionPipeline.from_pretrained(folder)
    layers = {}
    torch.manual_seed(seed)
    for part, targets in (("unet", ["to_q", "to_v"]), ("text_encoder", ["q_proj", "v_proj"])):
        network = getattr(pipeline, part)
        network.add_adapter(LoraConfig(r=4, init_lora_weights=False, target_modules=targets))
        layers[f"{part}_lora_layers"] = convert_state_dict_to_diffusers(get_peft_model_state_dict(network))
    type(pipeline).save_lora_weights(to, weight_name=f"{name}.safetensors", **layers)
    return to / f"{name}.safetensors"


@pytest.fixture(scope="module", params=[tiny.write, original.sd], ids=["sdxl", "sd"])
def dressed(request, tmp_path_factory):
    """A model, two LoRAs made for it."""
    root = tmp_path_factory.mktemp("lora")
    folder = request.param(root / "tiny")
    files = [lora(folder, root, seed, f"style{seed}") for seed in (1, 2)]
    return load_model(folder, "cpu", "float32"), files


def state(model):
    """Every weight of the pipeline, and of what kind each of its parts is."""
    return fingerprint(model.pipeline), [type(module) for module in model.unet.modules()]


def answer(model):
    with torch.inference_mode():
        text = model.encode_text("a house", "", 2)
        return model.predict(torch.ones(2, 4, 16, 16), 10.0, text, torch.zeros(2, 6))


def test_it_is_felt_and_then_gone_bit_by_bit(dressed):
    model, (file, _) = dressed
    before, plain = state(model), answer(model)
    with wearing(model.pipeline, ((file, 1.0),)):
        assert not torch.allclose(answer(model), plain, atol=1e-3)
    assert state(model) == before
    assert torch.equal(answer(model), plain)


def test_its_strength_counts_and_none_at_all_is_none(dressed):
    model, (file, _) = dressed
    plain, felt = answer(model), []
    for strength in (0.0, 0.3, 1.0):
        with wearing(model.pipeline, ((file, strength),)):
            felt.append(float((answer(model) - plain).abs().max()))
    assert felt[0] < 1e-6
    assert felt[0] < felt[1] < felt[2]


def test_several_are_worn_together(dressed):
    model, (one, other) = dressed
    with wearing(model.pipeline, ((one, 1.0),)):
        alone = answer(model)
    with wearing(model.pipeline, ((one, 1.0), (other, 0.5))):
        assert not torch.allclose(answer(model), alone, atol=1e-3)
    with wearing(model.pipeline, ((one, 1.0), (other, 0.0))):
        assert torch.allclose(answer(model), alone, atol=1e-5)


def test_a_fault_inside_leaves_nothing_behind(dressed):
    model, (file, _) = dressed
    before = state(model)
    with pytest.raises(RuntimeError, match="inside"), wearing(model.pipeline, ((file, 1.0),)):
        raise RuntimeError("inside")
    assert state(model) == before


def test_one_that_is_broken_leaves_nothing_of_the_others_behind(dressed, tmp_path):
    model, (file, _) = dressed
    before = state(model)
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:300])
    with (
        pytest.raises(BadRecipe, match="cut") as refused,
        wearing(model.pipeline, ((file, 1.0), (tmp_path / "cut.safetensors", 1.0))),
    ):
        pass
    assert refused.value.field == "loras"
    assert state(model) == before


def test_one_for_another_network_is_told(dressed, tmp_path):
    model = dressed[0]
    foreign = lora(tiny.write(tmp_path / "other", widths=(24, 48)), tmp_path, name="foreign")
    before = state(model)
    with pytest.raises(BadRecipe, match="foreign"), wearing(model.pipeline, ((foreign, 1.0),)):
        pass
    assert state(model) == before


def test_a_file_without_any_layer_of_the_network_is_told(dressed, tmp_path):
    model = dressed[0]
    save_file({"something.else": torch.zeros(2)}, tmp_path / "empty.safetensors")
    with (
        pytest.raises(BadRecipe, match="empty"),
        wearing(model.pipeline, ((tmp_path / "empty.safetensors", 1.0),)),
    ):
        pass


def test_one_that_is_part_of_a_model_makes_another_model_of_it(tmp_path):
    folder = tiny.write(tmp_path / "tiny")
    file = lora(folder, tmp_path)
    model = load_model(folder, "cpu", "float32")
    with wearing(model.pipeline, ((file, 1.0),)):
        worn = answer(model)
    kinds = state(model)[1]
    fuse(model.pipeline, ((file, 1.0),))
    assert torch.allclose(answer(model), worn, atol=1e-5)
    assert state(model)[1] == kinds
    assert fingerprint(model.pipeline) != model.facts.hash
