"""The hash of a model: of everything that its images depend on."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from engine import load_model


def load_hash(folder):
    return load_model(folder, "cpu", "float32").facts.hash


def test_the_same_weights_have_the_same_hash_in_any_folder(tiny_folder, tmp_path):
    there = shutil.copytree(tiny_folder, tmp_path / "there")
    assert load_hash(tiny_folder) == load_hash(there) == load_hash(there)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("vae/config.json", {"scaling_factor": 0.2}),
        ("unet/config.json", {"norm_eps": 1e-4}),
        ("model_index.json", {"force_zeros_for_empty_prompt": False}),
    ],
)
def test_a_changed_config_is_another_model(part, change, tiny_folder, tmp_path):
    there = shutil.copytree(tiny_folder, tmp_path / "there")
    config = there / part
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    assert load_hash(there) != load_hash(tiny_folder)


def test_a_single_changed_weight_is_another_model(tiny_folder, tmp_path):
    there = shutil.copytree(tiny_folder, tmp_path / "there")
    (file,) = (there / "vae").glob("*.safetensors")
    weights = load_file(file)
    name = next(iter(weights))
    weights[name].flat[0] += np.float32(1e-3)
    save_file(weights, file, metadata={"format": "pt"})
    assert load_hash(there) != load_hash(tiny_folder)
