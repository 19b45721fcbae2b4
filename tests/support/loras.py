"""LoRAs with random weights, and the state of a model that they must leave unchanged."""

import pytest
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from engine import load_model
from engine.network.facts import hash_pipeline
from tests.support import single_file, tiny


def save_lora(folder, to, seed=0, name="style"):
    """Save a LoRA with random weights for a pipeline's UNet and first text encoder; return its file."""
    pipeline = DiffusionPipeline.from_pretrained(folder)
    layers = {}
    torch.manual_seed(seed)
    for part, targets in (("unet", ["to_q", "to_v"]), ("text_encoder", ["q_proj", "v_proj"])):
        network = getattr(pipeline, part)
        network.add_adapter(LoraConfig(r=4, init_lora_weights=False, target_modules=targets))
        layers[f"{part}_lora_layers"] = convert_state_dict_to_diffusers(get_peft_model_state_dict(network))
    type(pipeline).save_lora_weights(to, weight_name=f"{name}.safetensors", **layers)
    return to / f"{name}.safetensors"


@pytest.fixture(scope="module", params=[tiny.write, single_file.sd], ids=["sdxl", "sd"])
def model_and_loras(request, tmp_path_factory):
    """A model and the files of two LoRAs for it; once with SDXL's shape, once with SD's."""
    root = tmp_path_factory.mktemp("lora")
    folder = request.param(root / "tiny")
    files = [save_lora(folder, root, seed, f"style{seed}") for seed in (1, 2)]
    return load_model(folder, "cpu", "float32"), files


def model_state(model):
    """Return a hash of the pipeline's weights, and the class of each module of its UNet."""
    return hash_pipeline(model.pipeline), [type(module) for module in model.unet.modules()]
