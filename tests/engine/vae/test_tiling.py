"""A picture by tiles is the picture as a whole: the same tone, no borders, and at most twice the pixels."""

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
def taught():
    """A VAE with group norms and attention that has seen a few pictures. One with random weights would not
    do: it spreads what happens at a border over the whole picture, whatever the borders are like.
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


def scene(seed, size=(320, 448)):
    return Image.fromarray(world.render(world.make_scene(seed), size))


def levels(picture):
    return np.asarray(picture, np.float32)


def apart(made, whole, side):
    """Mean differences of two pictures, 0 to 255: everywhere, and by the worst border of tiles."""
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
def test_a_decode_by_tiles_is_the_whole_one(taught, seed, side):
    latent = codec.encode(taught, scene(seed))
    whole = codec.decode(taught, latent)
    mean, border = apart(codec.decode(taught, latent, side), whole, side)
    assert mean < 1
    assert border < 3


@pytest.mark.slow
@pytest.mark.parametrize("side", [24, 32])
def test_an_encode_by_tiles_is_the_whole_one(taught, side):
    picture = scene(3)
    whole = codec.decode(taught, codec.encode(taught, picture))
    mean, border = apart(codec.decode(taught, codec.encode(taught, picture, side)), whole, side)
    assert mean < 1
    assert border < 3


@pytest.mark.slow
def test_tiles_that_know_of_nothing_else_would_not_do(taught, monkeypatch):
    latent = codec.encode(taught, scene(3))
    whole = codec.decode(taught, latent)
    monkeypatch.setattr(codec, "measure_statistics", lambda *asked: None)
    mean, border = apart(codec.decode(taught, latent, 16), whole, 16)
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


class Work(TorchFunctionMode):
    """Counts the multiplications of all convolutions while it is open."""

    count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func(*args, **kwargs or {})
        if func is conv2d:
            self.count += made[:, 0].numel() * args[1].numel()
        return made


@pytest.mark.slow
def test_tiles_are_at_most_twice_the_work(taught):
    picture = scene(3, (640, 640))
    with Work() as encoding:
        latent = codec.encode(taught, picture)
    with Work() as decoding:
        codec.decode(taught, latent)
    with Work() as by_tiles:
        codec.encode(taught, picture, 32)
    assert by_tiles.count <= 2 * encoding.count
    with Work() as by_tiles:
        codec.decode(taught, latent, 32)
    assert by_tiles.count <= 2 * decoding.count


def test_a_vae_without_group_norms_decodes_its_tiles_and_nothing_else(monkeypatch):
    vae = AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4).eval()
    decode, sizes = vae.decode, []
    monkeypatch.setattr(vae, "decode", lambda z: sizes.append(tuple(z.shape)) or decode(z))
    codec.decode(vae, random(30, 30), 16)
    assert sizes == [(1, 4, 16, 16)] * 4


@pytest.mark.parametrize("at", [1, 2])
def test_a_fault_leaves_the_vae_as_it_was(at, model, monkeypatch):
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


def test_another_thread_shares_the_vae_undisturbed(model):
    latent, said = random(24, 24), []
    whole = codec.decode(model.vae, latent).tobytes()
    known = global_statistics.measure_statistics(
        model.vae.decode, lambda rows, cols: latent[..., rows, cols], (24, 24), 8, 16
    )
    with torch.inference_mode(), known.use_for_tile(slice(0, 16), slice(0, 16)):
        other = threading.Thread(target=lambda: said.append(codec.decode(model.vae, latent).tobytes()))
        other.start()
        other.join()
    assert said == [whole]


def test_tiles_that_are_cut_from_a_picture_give_it_back_row_by_row():
    whole = torch.rand(3, 50, 37)
    rows = list(tiling.blend_tiles(lambda rows, cols: whole[:, rows, cols], (50, 37), 16))
    assert torch.allclose(torch.cat([part for _, part in rows], 1), whole, atol=1e-6)
    assert [top for top, _ in rows] == [0, 12, 24, 36]


@pytest.mark.parametrize("length", [5, 9, 10, 23, 33, 64, 100, 1024])
def test_patches_lie_side_by_side_from_end_to_end(length):
    starts, patch = global_statistics.crop_starts(length, 32)
    assert starts[0] == 0
    assert all(b - a >= patch for a, b in pairwise(starts))
    assert starts[-1] + patch == length or len(starts) == 1
    assert len(starts) * patch >= 0.8 * length or length < 20


def test_an_encode_that_is_full_takes_smaller_tiles(model, monkeypatch):
    encoder, told = model.vae.encoder.forward, []

    def small_card(x):
        if max(x.shape[-2:]) > 96:
            raise FULL
        return encoder(x)

    monkeypatch.setattr(model.vae.encoder, "forward", small_card)
    assert codec.encode(model.vae, scene(3, (192, 256)), 32, told.append).shape == (1, 4, 24, 32)
    assert told == [16, 8]
