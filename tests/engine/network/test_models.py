import json
import shutil

import pytest
import torch

from engine import Fault, WeightsMissing, load_model
from engine.network import models
from engine.network.facts import decoding_bytes_per_px, evaluation_bytes_per_cell
from tests.support import tiny
from tests.support.live_memory import measure_peak


def test_facts_of_a_folder(model):
    facts = model.facts
    assert (facts.name, facts.family, facts.window, facts.cell, facts.channels) == ("tiny", "sdxl", 16, 8, 4)
    assert facts.native_side == 128
    assert facts.train_steps == 1000
    assert facts.bucket_near((88, 184)) == (88, 184)
    assert facts.bucket_near((1000, 1000)) == (128, 128)


def test_weights_are_frozen_and_counted(model):
    parts = (model.unet, model.vae, *model.encoders)
    assert not any(p.requires_grad for part in parts for p in part.parameters())
    assert not any(part.training for part in parts)
    assert model.facts.footprint.weights == sum(p.nbytes for part in parts for p in part.parameters())


@pytest.mark.parametrize("source", ["no/such/folder", "nobody/such-a-model"])
def test_a_missing_model_is_refused(source, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsMissing, match=source):
        load_model(source)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(WeightsMissing, match="not a model"):
        load_model(tmp_path)
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    with pytest.raises(WeightsMissing, match="FluxPipeline"):
        load_model(tmp_path)


def test_a_folder_without_a_tokenizer_is_refused(tiny_folder, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "mute")
    shutil.rmtree(tmp_path / "mute" / "tokenizer")
    with pytest.raises(WeightsMissing, match="mute"):
        load_model(tmp_path / "mute")


@pytest.mark.parametrize(
    "index",
    ["{", "[1]", '{"_class_name": "StableDiffusionXLNoSuchPipeline"}', '{"unet": 3}'],
)
def test_an_invalid_index_is_refused(index, tmp_path):
    (tmp_path / "model_index.json").write_text(index)
    with pytest.raises(WeightsMissing, match=tmp_path.name):
        load_model(tmp_path)


def test_a_pipeline_without_an_encoder_is_refused(tiny_folder, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "half")
    index = tmp_path / "half" / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"text_encoder": [None, None]}))
    with pytest.raises(WeightsMissing, match="half"):
        load_model(tmp_path / "half")


@pytest.mark.parametrize("device", ["warp", "cuda:77", [], "privateuseone"])
def test_a_missing_device_is_refused(device, tiny_folder):
    with pytest.raises(Fault, match="cannot be used here"):
        load_model(tiny_folder, device=device)


@pytest.mark.parametrize("dtype", ["nope", "", "int8", None])
def test_an_unknown_number_format_is_refused(dtype, tiny_folder):
    with pytest.raises(Fault, match="float32, float16, bfloat16"):
        load_model(tiny_folder, dtype=dtype)


@pytest.mark.parametrize("size", [0, -1, 1.5, None, 10**9, [16, 16]])
def test_an_invalid_native_size_is_refused(size, tiny_folder, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "odd")
    config = tmp_path / "odd" / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"sample_size": size}))
    with pytest.raises(WeightsMissing, match="odd"):
        load_model(tmp_path / "odd")


def test_loading_prints_nothing(tiny_folder, capfd):
    load_model(tiny_folder, "cpu")
    assert "%" not in capfd.readouterr().err


def test_a_folder_without_its_unet_is_refused(tiny_folder, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "broken")
    shutil.rmtree(tmp_path / "broken" / "unet")
    with pytest.raises(WeightsMissing, match="broken"):
        load_model(tmp_path / "broken")


def test_a_pickle_is_never_read(tiny_folder, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "pickled")
    folder = tmp_path / "pickled" / "unet"
    weights = folder / "diffusion_pytorch_model.safetensors"
    torch.save({"conv_in.weight": torch.zeros(1)}, folder / "diffusion_pytorch_model.bin")
    weights.unlink()
    with pytest.raises(WeightsMissing, match="pickled"):
        load_model(tmp_path / "pickled")


def test_a_truncated_file_is_refused(tiny_folder, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "cut")
    weights = tmp_path / "cut" / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(WeightsMissing, match="cut"):
        load_model(tmp_path / "cut")


def test_a_model_can_have_its_own_preview_colours(tiny_folder, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "own")
    index = tmp_path / "own" / "model_index.json"
    colours = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [0.5, 0.5, 0.5]]
    index_values = json.loads(index.read_text())
    index.write_text(json.dumps(index_values | {"_latent_rgb": colours}))
    assert load_model(tmp_path / "own").preview_matrix.tolist() == colours
    index.write_text(json.dumps(index_values | {"_latent_rgb": colours[:3]}))
    with pytest.raises(WeightsMissing, match="preview colours"):
        load_model(tmp_path / "own")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_automatic_number_format_of_a_cpu_is_its_fastest(dtype, tiny_folder, monkeypatch):
    monkeypatch.delenv("STUDIO_DTYPE")
    monkeypatch.setattr(models, "fastest_cpu_dtype", lambda: dtype)
    assert load_model(tiny_folder, "cpu").unet.dtype == dtype


def test_the_environment_sets_the_automatic_number_format(tiny_folder, monkeypatch):
    monkeypatch.setattr(models, "fastest_cpu_dtype", lambda: torch.float32)
    monkeypatch.setenv("STUDIO_DTYPE", "bfloat16")
    assert load_model(tiny_folder, "cpu").unet.dtype == torch.bfloat16
    assert load_model(tiny_folder, "cpu", "float32").unet.dtype == torch.float32
    monkeypatch.setenv("STUDIO_DTYPE", "int8")
    with pytest.raises(Fault, match="int8"):
        load_model(tiny_folder, "cpu")


def test_half_precision_keeps_the_decoder_in_float32(tiny_folder):
    half = load_model(tiny_folder, "cpu", "bfloat16")
    assert half.unet.dtype == torch.bfloat16
    assert half.vae.dtype == torch.float32


def test_a_long_prompt_is_encoded_to_its_end(model):
    long = "red " * 40
    short, longer, other = (
        model.encode_text(text, "", 2) for text in ("red", long + "house", long + "boats")
    )
    assert short.embeds.shape[1] == tiny.TOKENS
    assert longer.embeds.shape[1] > 2 * tiny.TOKENS
    assert longer.embeds.shape[0] == 2
    assert not torch.allclose(longer.embeds[1], other.embeds[1])


def test_an_empty_prompt_is_encoded(model):
    text = model.encode_text("", None, 1)
    assert text.embeds.shape == (1, tiny.TOKENS, 32)
    assert text.embeds.abs().sum() > 0


def test_the_predicted_memory_of_a_view_is_what_a_call_uses():
    # A small network of SDXL's shape: three levels of two layers, each twice as wide as the one before.
    unet = tiny.unet((32, 64, 128), layers=2)
    cells, width = 8 * 16 * 16, unet.config.block_out_channels
    added_conditions = {"text_embeds": torch.zeros(8, 16), "time_ids": torch.zeros(8, 6)}
    used = measure_peak(
        lambda: unet(
            torch.zeros(8, 4, 16, 16), 1.0, torch.zeros(8, 32, 32), added_cond_kwargs=added_conditions
        ),
        unet,
    )
    assert evaluation_bytes_per_cell("sdxl", width, 4) * cells == pytest.approx(used, rel=0.15)


def test_the_predicted_memory_of_decoding_is_what_it_uses(model):
    used = measure_peak(lambda: model.vae.decode(torch.zeros(1, 4, 16, 16)), model.vae)
    assert decoding_bytes_per_px(model.vae.config.block_out_channels, 4) * 128 * 128 == pytest.approx(
        used, rel=0.15
    )
