"""The latent upscaler, with a tiny pipeline of random weights."""

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionLatentUpscalePipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel

from engine.errors import Fault, StopRequested, WeightsMissing
from engine.formulas.noise import keyed_normal
from engine.upscale.latent import LatentUpscaler, load_latent_upscaler
from tests.support import tiny

CPU = torch.device("cpu")
# Rounding to 8 bits changes a value by half a level; the other part of the tolerance is for float32.
HALF_A_LEVEL = 0.5 / 255 + 1e-5


def write_upscaler(folder, **options):
    """Save a tiny latent upscaler in diffusers' folder format; return its folder. Options are save_pretrained's."""
    torch.manual_seed(0)
    tokens = tiny.tokenizer()
    StableDiffusionLatentUpscalePipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 8, 8), down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4, latent_channels=4, norm_num_groups=4,
        ),
        text_encoder=CLIPTextModel(tiny.text_config(len(tokens))),
        tokenizer=tokens,
        unet=UNet2DConditionModel(
            in_channels=8, out_channels=5, layers_per_block=2, block_out_channels=(32, 32, 64, 64),
            down_block_types=["KDownBlock2D"] + ["KCrossAttnDownBlock2D"] * 3, mid_block_type=None,
            up_block_types=["KCrossAttnUpBlock2D"] * 3 + ["KUpBlock2D"], only_cross_attention=False,
            attention_head_dim=8, cross_attention_dim=tiny.WIDTH, norm_num_groups=None,
            conv_in_kernel=1, conv_out_kernel=1, act_fn="gelu", timestep_post_act="gelu",
            resnet_time_scale_shift="scale_shift", time_embedding_type="fourier",
            time_cond_proj_dim=128 + tiny.WIDTH,
        ),
        scheduler=EulerDiscreteScheduler(prediction_type="sample"),
    ).save_pretrained(folder, **options)  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_upscaler(tmp_path_factory.mktemp("upscalers") / "sd-x2")


@pytest.fixture(scope="module")
def upscaler(folder):
    return load_latent_upscaler(folder, CPU, torch.float32)


def picture(height, width, seed=0):
    """Return a picture of random colours with 8 bits a channel, as pixels (1, 3, height, width) from 0 to 1."""
    levels = np.random.RandomState(seed).randint(0, 256, (1, 3, height, width))
    return torch.tensor(levels, dtype=torch.float32) / 255


@pytest.mark.parametrize("size", [(64, 64), (96, 80), (65, 33), (10, 70), (1, 1)])
def test_any_size_is_doubled(upscaler, size):
    result = upscaler.upscale(picture(*size))
    assert result.shape == (1, 3, 2 * size[0], 2 * size[1])
    assert result.dtype == torch.float32
    assert 0 <= result.min() < result.max() <= 1


def test_the_same_seed_gives_the_same_picture(upscaler):
    torch.manual_seed(1)
    first = upscaler.upscale(picture(64, 64))
    torch.manual_seed(2)
    assert torch.equal(first, upscaler.upscale(picture(64, 64)))


def test_another_seed_gives_another_picture(upscaler):
    other = LatentUpscaler(upscaler.pipeline, seed=1)
    difference = upscaler.upscale(picture(64, 64)) - other.upscale(picture(64, 64))
    assert difference.abs().max() > 1 / 255


def test_the_result_depends_on_the_picture(upscaler):
    difference = upscaler.upscale(picture(64, 64)) - upscaler.upscale(picture(64, 64, seed=1))
    assert difference.abs().max() > 1 / 255


def call_pipeline(folder, pixels, encoded):
    """Return the picture (1, 3, h, w) of diffusers' pipeline for a picture, with the noise of seed 0.

    encoded: whether the pipeline is given the mode of the latent distribution instead of the picture.
    """
    pipeline = StableDiffusionLatentUpscalePipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    rows, cols = pixels.shape[-2] // 4, pixels.shape[-1] // 4
    image = 2 * pixels - 1
    if encoded:
        with torch.no_grad():
            image = pipeline.vae.encode(image).latent_dist.mode() * pipeline.vae.config.scaling_factor
    return pipeline(
        prompt="",
        image=image,
        num_inference_steps=20,
        guidance_scale=0,
        latents=torch.tensor(keyed_normal((1, 4, rows, cols), 0, "upscale", 1, 4, rows, cols)),
        generator=torch.Generator().manual_seed(0),
        output_type="pt",
    ).images


def test_the_result_equals_that_of_the_pipeline_for_the_mode_of_the_latent(folder, upscaler):
    pixels = picture(128, 64)
    expected = call_pipeline(folder, pixels, encoded=True)
    assert (upscaler.upscale(pixels) - expected).abs().max() <= HALF_A_LEVEL


def test_the_latent_is_not_sampled(folder, upscaler):
    pixels = picture(64, 64)
    sampled = call_pipeline(folder, pixels, encoded=False)
    assert (upscaler.upscale(pixels) - sampled).abs().max() > 2 / 255


def test_a_picture_is_continued_by_reflection(upscaler):
    pixels = picture(64, 48)
    reflected = torch.cat([pixels, pixels[..., -17:-1].flip(-1)], -1)
    assert torch.equal(upscaler.upscale(pixels), upscaler.upscale(reflected)[..., :96])


def test_the_vae_works_on_tiles_and_the_network_once_a_step_on_the_whole_canvas(upscaler, monkeypatch):
    tiles, canvases = [], []
    decoder, unet = upscaler.pipeline.vae.decoder.forward, upscaler.pipeline.unet.forward
    monkeypatch.setattr(
        upscaler.pipeline.vae.decoder, "forward", lambda z, *a: tiles.append(z.shape[-2:]) or decoder(z, *a)
    )
    monkeypatch.setattr(
        upscaler.pipeline.unet,
        "forward",
        lambda z, *a, **k: canvases.append(tuple(z.shape)) or unet(z, *a, **k),
    )
    upscaler.upscale(picture(64, 320))
    assert canvases == [(1, 8, 16, 80)] * 20
    assert max(max(tile) for tile in tiles) <= 64


def test_the_work_can_be_ended_after_each_step(upscaler):
    calls = []
    upscaler.upscale(picture(64, 64), lambda: calls.append(1))
    assert len(calls) == 20

    def stop():
        calls.append(1)
        if len(calls) == 23:
            raise StopRequested

    with pytest.raises(StopRequested):
        upscaler.upscale(picture(64, 64), stop)
    assert len(calls) == 23


def test_out_of_memory_is_a_fault(upscaler, monkeypatch):
    def fail(*arguments, **named):
        raise MemoryError

    monkeypatch.setattr(upscaler.pipeline.unet, "forward", fail)
    with pytest.raises(Fault, match="96 x 64 px"):
        upscaler.upscale(picture(64, 96))


def test_nothing_is_written_to_stderr(folder, capfd):
    load_latent_upscaler(folder, CPU, torch.float32).upscale(picture(64, 64))
    assert capfd.readouterr().err == ""


def test_half_precision_keeps_the_vae_in_float32(folder):
    half = load_latent_upscaler(folder, CPU, torch.bfloat16)
    assert half.pipeline.unet.dtype == half.pipeline.text_encoder.dtype == torch.bfloat16
    assert half.pipeline.vae.dtype == torch.float32
    assert half.upscale(picture(64, 64)).isfinite().all()


def test_a_folder_without_a_part_is_refused(folder, tmp_path):
    with pytest.raises(WeightsMissing, match="model_index"):
        load_latent_upscaler(tmp_path, CPU, torch.float32)
    (tmp_path / "model_index.json").write_text((folder / "model_index.json").read_text())
    with pytest.raises(WeightsMissing, match="unet"):
        load_latent_upscaler(tmp_path, CPU, torch.float32)


def test_another_pipeline_is_refused(tiny_folder):
    with pytest.raises(WeightsMissing, match="StableDiffusionLatentUpscalePipeline"):
        load_latent_upscaler(tiny_folder, CPU, torch.float32)


def test_pickled_weights_are_refused(tmp_path):
    folder = write_upscaler(tmp_path / "pickled", safe_serialization=False)
    assert (folder / "unet" / "diffusion_pytorch_model.bin").is_file()
    with pytest.raises(WeightsMissing, match="safetensors"):
        load_latent_upscaler(folder, CPU, torch.float32)


def test_broken_weights_are_refused(tmp_path):
    folder = write_upscaler(tmp_path / "broken")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"PK")
    with pytest.raises(WeightsMissing, match="damaged"):
        load_latent_upscaler(folder, CPU, torch.float32)
