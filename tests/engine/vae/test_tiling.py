"""Decoding and encoding in tiles equals doing it at once: same tone, no borders, at most twice the pixels."""

import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from PIL import Image
from torch.nn.functional import conv2d
from torch.overrides import TorchFunctionMode

from engine.vae import codec, global_statistics, tiling
from lab.world import scenes as world
from tests.engine.vae.test_codec import random

FULL = torch.OutOfMemoryError("CUDA out of memory")


@pytest.fixture(scope="module")
def trained_vae():
    """A VAE with group norms and attention, trained on a few pictures.

    One with random weights would not do: it spreads errors at borders over the whole picture.
    """
    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=(8, 16, 16, 16), down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4, latent_channels=4, norm_num_groups=4, scaling_factor=0.5,
    )  # fmt: skip
    step = torch.optim.Adam(vae.parameters(), lr=4e-3)
    for seed in range(60):
        scenes = [world.make_scene(2 * seed), world.make_scene(2 * seed + 1)]
        true = torch.tensor(np.stack([world.render(scene, (64, 64)) for scene in scenes]))
        true = true.permute(0, 3, 1, 2) / 127.5 - 1
        error = (vae.decode(vae.encode(true).latent_dist.mode()).sample - true).abs().mean()
        step.zero_grad()
        error.backward()
        step.step()
    return vae.requires_grad_(False).eval()


def random_scene(seed, size=(320, 448)):
    return Image.fromarray(world.render(world.make_scene(seed), size))


def levels(picture):
    return np.asarray(picture, np.float32)


def compare(made, whole, side):
    """Return the mean difference of two pictures, 0 to 255: everywhere, and at the worst border of tiles."""
    off = np.abs(levels(made) - levels(whole)).mean(2)
    lines = []
    for across in (off, off.T):
        starts, long, _ = tiling.tile_starts(len(across) // 8, side)
        for border in [*starts[1:], *(start + long for start in starts[:-1])]:
            lines.append(across[8 * border - 2 : 8 * border + 2].mean())
    return off.mean(), max(lines)


@pytest.mark.slow
@pytest.mark.parametrize("side", [24, 32])
@pytest.mark.parametrize("seed", [3, 4])
def test_decoding_in_tiles_equals_decoding_at_once(trained_vae, seed, side):
    latent = codec.encode(trained_vae, random_scene(seed))
    whole = codec.decode(trained_vae, latent)
    mean, border = compare(codec.decode(trained_vae, latent, side), whole, side)
    assert mean < 1
    assert border < 3


@pytest.mark.slow
@pytest.mark.parametrize("side", [24, 32])
def test_encoding_in_tiles_equals_encoding_at_once(trained_vae, side):
    picture = random_scene(3)
    whole = codec.decode(trained_vae, codec.encode(trained_vae, picture))
    mean, border = compare(codec.decode(trained_vae, codec.encode(trained_vae, picture, side)), whole, side)
    assert mean < 1
    assert border < 3


@pytest.mark.slow
def test_tiles_without_shared_statistics_would_differ(trained_vae, monkeypatch):
    latent = codec.encode(trained_vae, random_scene(3))
    whole = codec.decode(trained_vae, latent)
    monkeypatch.setattr(codec, "measure_statistics", lambda *asked: None)
    mean, border = compare(codec.decode(trained_vae, latent, 16), whole, 16)
    assert mean > 3
    assert border > 3


@pytest.mark.parametrize("side", [8, 16, 32])
@pytest.mark.parametrize("size", [(33, 33), (40, 48), (10, 64), (64, 65), (17, 100)])
def test_at_most_twice_the_pixels_are_decoded(size, side, model, monkeypatch):
    decode, pixels = model.vae.decode, []

    def counted(latent):
        made = decode(latent)
        pixels.append(made.sample[:, 0].numel())
        return made

    monkeypatch.setattr(model.vae, "decode", counted)
    codec.decode(model.vae, random(*size), side)
    assert sum(pixels) <= 2 * 64 * size[0] * size[1]


class ConvolutionCost(TorchFunctionMode):
    """Counts the multiplications of all convolutions while it is entered."""

    count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func(*args, **kwargs or {})
        if func is conv2d:
            self.count += made[:, 0].numel() * args[1].numel()
        return made


@pytest.mark.slow
def test_tiles_cost_at_most_twice_as_much(trained_vae):
    picture = random_scene(3, (640, 640))
    with ConvolutionCost() as encoding:
        latent = codec.encode(trained_vae, picture)
    with ConvolutionCost() as decoding:
        codec.decode(trained_vae, latent)
    with ConvolutionCost() as by_tiles:
        codec.encode(trained_vae, picture, 32)
    assert by_tiles.count <= 2 * encoding.count
    with ConvolutionCost() as by_tiles:
        codec.decode(trained_vae, latent, 32)
    assert by_tiles.count <= 2 * decoding.count


def test_a_vae_without_group_norms_decodes_each_tile_once(monkeypatch):
    vae = AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4).eval()
    decode, sizes = vae.decode, []
    monkeypatch.setattr(vae, "decode", lambda z: sizes.append(tuple(z.shape)) or decode(z))
    codec.decode(vae, random(30, 30), 16)
    assert sizes == [(1, 4, 16, 16)] * 4


@pytest.mark.parametrize("at", [1, 2])
def test_an_exception_leaves_the_vae_unchanged(at, model, monkeypatch):
    whole = codec.decode(model.vae, random(24, 24)).tobytes()
    decode, calls = model.vae.decode, []

    def broken(latent):
        calls.append(None)
        if len(calls) == at:
            raise ValueError("broken")
        return decode(latent)

    with monkeypatch.context() as patch:
        patch.setattr(model.vae, "decode", broken)
        with pytest.raises(ValueError, match="broken"):
            codec.decode(model.vae, random(24, 24), 16)
    assert codec.decode(model.vae, random(24, 24)).tobytes() == whole


def test_another_thread_can_use_the_vae_at_the_same_time(model):
    latent, decoded = random(24, 24), []
    whole = codec.decode(model.vae, latent).tobytes()
    known = global_statistics.measure_statistics(
        model.vae.decode, lambda rows, cols: latent[..., rows, cols], (24, 24), 8, 16
    )
    with torch.inference_mode(), known.use_for_tile(slice(0, 16), slice(0, 16)):
        other = threading.Thread(target=lambda: decoded.append(codec.decode(model.vae, latent).tobytes()))
        other.start()
        other.join()
    assert decoded == [whole]


def test_tiles_cropped_from_a_picture_blend_into_it_again():
    whole = torch.rand(3, 50, 37)
    rows = list(tiling.blend_tiles(lambda rows, cols: whole[:, rows, cols], (50, 37), 16))
    assert torch.allclose(torch.cat([part for _, part in rows], 1), whole, atol=1e-6)
    assert [top for top, _ in rows] == [0, 12, 24, 36]


@pytest.mark.parametrize("length", [5, 9, 10, 23, 33, 64, 100, 1024])
def test_patches_cover_an_axis_without_gaps_or_overlap(length):
    starts, patch = global_statistics.crop_starts(length, 32)
    assert starts[0] == 0
    assert all(b - a >= patch for a, b in pairwise(starts))
    assert starts[-1] + patch == length or len(starts) == 1
    assert len(starts) * patch >= 0.8 * length or length < 20


def test_encoding_uses_smaller_tiles_when_memory_is_full(model, monkeypatch):
    encoder, sides = model.vae.encoder.forward, []

    def small_card(x):
        if max(x.shape[-2:]) > 96:
            raise FULL
        return encoder(x)

    monkeypatch.setattr(model.vae.encoder, "forward", small_card)
    assert codec.encode(model.vae, random_scene(3, (192, 256)), 32, sides.append).shape == (1, 4, 24, 32)
    assert sides == [16, 8]
