"""Models of the SDXL and SD families, as a folder or a single file, against diffusers' pipelines."""

import shutil

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from safetensors.torch import load_file, save_file

from engine import WeightsMissing, load_model, plan
from engine.formulas.noise import keyed_normal
from engine.formulas.timesteps import resolve_scheduler
from tests.support import single_file, tiny
from tests.support.planning import small_recipe
from tests.support.run_results import run_latents
from tests.support.slow_cases import slow_cases

V = {"prediction_type": "v_prediction"}
ZERO = V | {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
FAMILIES = {
    "sdxl": lambda folder: tiny.write(folder, second=24),
    "sdxl v": lambda folder: tiny.write(folder, second=24, scheduler=DDIMScheduler(**tiny.SCHEDULER | ZERO)),
    "sd1": single_file.sd,
    "sd2": lambda folder: single_file.sd(folder, linear=True),
    "sd2 v": lambda folder: single_file.sd(folder, linear=True, **V),
    "sd2 zero": lambda folder: single_file.sd(folder, linear=True, **ZERO),
}
# A little more than the difference of float32 results between kinds of machines.
CLOSE = 1e-5


@pytest.fixture(scope="module", params=["sdxl", "sd1", "sd2 v", *slow_cases("sdxl v", "sd2", "sd2 zero")])
def family(request, tmp_path_factory):
    """A model's folder, a single file of the same weights whose configs are in the folder, and the pipeline."""
    root = tmp_path_factory.mktemp("family")
    folder = FAMILIES[request.param](root / "tiny")
    pipeline = DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return folder, single_file.single_file(pipeline, root / "tiny.safetensors"), pipeline


@pytest.mark.parametrize(("form", "name"), [(0, "ddim"), (0, "euler"), (0, "dpmpp_2m"), (1, "ddim")], ids=str)
def test_the_first_stage_equals_diffusers_pipeline(form, name, family, tmp_path):
    pipeline, model = family[2], load_model(family[form], "cpu", "float32")
    recipe = small_recipe(scales=(1,), steps=8, scheduler=name, negative="blue")
    kind, settings = resolve_scheduler(name, model.facts.scheduler)
    pipeline.scheduler = getattr(diffusers, kind.class_name).from_config(settings)
    expected = pipeline(
        recipe.prompt, negative_prompt="blue", num_inference_steps=8,
        guidance_scale=plan(recipe, model.facts).recipe.guidance,
        latents=torch.from_numpy(keyed_normal((1, 4, 16, 16), recipe.seed, "base", 1, 4, 16, 16)),
        output_type="latent",
    ).images.numpy()  # fmt: skip
    (ours,) = run_latents(recipe, model, tmp_path)
    assert np.abs(ours - expected).max() / np.abs(expected).max() < CLOSE


def test_a_single_file_has_the_hash_of_the_folder_it_was_made_of(family):
    folder, file = (load_model(form, "cpu", "float32").facts for form in family[:2])
    assert folder.hash == file.hash
    assert file.name == "tiny"


@pytest.mark.parametrize("scales", [(1, 2), *slow_cases((1, 2, 4))])
def test_pictures_larger_than_the_native_size_are_made(scales, family, tmp_path):
    model = load_model(family[1], "cpu", "float32")
    made = run_latents(small_recipe(scales=scales, steps=4), model, tmp_path)
    assert [latent.shape[-2:] for latent in made] == [(16 * scale, 16 * scale) for scale in scales]
    assert all(np.isfinite(latent).all() and latent.std() > 0 for latent in made)


def test_a_family_without_size_ids_gets_none(tmp_path):
    model = load_model(single_file.sd(tmp_path / "sd"), "cpu", "float32")
    assert model.facts.family == "sd"
    assert model.encode_text("a house", None, 2).pooled is None


def test_a_long_prompt_is_encoded_to_its_end_by_a_single_encoder(tmp_path):
    model = load_model(single_file.sd(tmp_path / "sd"), "cpu", "float32")
    house, boats = (model.encode_text("red " * 40 + last, "", 2).embeds for last in ("house", "boats"))
    assert house.shape[:2] == (2, 5 * tiny.TOKENS)
    assert not torch.allclose(house[1], boats[1])


@pytest.mark.parametrize(
    ("marks", "noise_settings"),
    [
        ((), ("epsilon", False)),
        (("v_pred",), ("v_prediction", False)),
        (("v_pred", "ztsnr"), ("v_prediction", True)),
    ],
)
def test_empty_tensors_of_a_file_state_its_noise_schedule(marks, noise_settings, tmp_path):
    pipeline = DiffusionPipeline.from_pretrained(tiny.write(tmp_path / "tiny", second=24))
    model = load_model(single_file.single_file(pipeline, tmp_path / "tiny.safetensors", *marks), "cpu")
    levels = model.facts.scheduler
    assert (levels["prediction_type"], levels.get("rescale_betas_zero_snr", False)) == noise_settings


@pytest.fixture
def file_without_configs(tmp_path, monkeypatch):
    """A single file without configs, and no internet to download them."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    pipeline = DiffusionPipeline.from_pretrained(single_file.sd(tmp_path / "made"))
    (tmp_path / "alone").mkdir()
    return single_file.single_file(pipeline, tmp_path / "alone" / "juggernaut.safetensors")


def test_the_error_of_a_file_without_configs_says_what_is_missing_and_where(file_without_configs):
    with pytest.raises(WeightsMissing, match=r"into a folder juggernaut beside it.*stable-diffusion-v1-5"):
        load_model(file_without_configs)


def test_configs_are_found_in_a_folder_with_the_files_name(file_without_configs, tmp_path):
    shutil.copytree(tmp_path / "made", file_without_configs.with_suffix(""))
    assert load_model(file_without_configs, "cpu").facts.name == "juggernaut"


def test_configs_of_another_family_are_refused(file_without_configs):
    tiny.write(file_without_configs.with_suffix(""))
    with pytest.raises(WeightsMissing, match="into a folder juggernaut"):
        load_model(file_without_configs)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    save_file({"lora_unet.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsMissing, match="unknown layout"):
        load_model(tmp_path / "other.safetensors")


def test_a_file_that_lacks_a_part_is_refused(family, tmp_path):
    weights = load_file(family[1])
    broken = {k: v for k, v in weights.items() if not k.startswith("first_stage_model.decoder.mid")}
    shutil.copytree(family[0], tmp_path / "broken")
    save_file(broken, tmp_path / "broken.safetensors")
    with pytest.raises(WeightsMissing, match="cannot be loaded"):
        load_model(tmp_path / "broken.safetensors")


def test_a_truncated_file_is_refused(family, tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(family[1].read_bytes()[:5000])
    with pytest.raises(WeightsMissing, match="cut"):
        load_model(tmp_path / "cut.safetensors")


def test_an_inpainting_model_is_refused(tmp_path):
    folder = single_file.sd(tmp_path / "fill")
    network = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet")
    config = dict(network.config) | {"in_channels": 9}
    diffusers.UNet2DConditionModel.from_config(config).save_pretrained(folder / "unet")
    with pytest.raises(WeightsMissing, match="inpainting"):
        load_model(folder)


def test_half_precision_weights_are_read_if_a_folder_has_no_others(tmp_path):
    folder = single_file.sd(tmp_path / "tiny")
    whole = load_model(folder, "cpu", "float32").facts.hash
    pipeline = DiffusionPipeline.from_pretrained(folder)
    pipeline.save_pretrained(tmp_path / "fp16", variant="fp16")
    assert [path.name for path in (tmp_path / "fp16" / "unet").glob("*.safetensors")] == [
        "diffusion_pytorch_model.fp16.safetensors"
    ]
    assert load_model(tmp_path / "fp16", "cpu", "float32").facts.hash == whole


def test_the_sentence_on_broken_weights_does_not_name_the_folder_on_the_server(tiny_folder, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(tiny_folder, broken)
    for file in (broken / "unet").glob("*.safetensors"):
        file.write_bytes(b"no weights")
    with pytest.raises(WeightsMissing) as fault:
        load_model(str(broken))
    assert "broken cannot be loaded" in fault.value.sentence
    assert str(tmp_path) not in fault.value.sentence
