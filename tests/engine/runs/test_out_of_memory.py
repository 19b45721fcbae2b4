"""A lack of memory: the view batch or the tiles are reduced, or a size that fits is suggested."""

import gc
import random
import weakref
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from safetensors.numpy import load_file

from engine import Failed, Retreated, generate, hardware, plan
from engine.planning import cost
from engine.planning.cost import largest_fitting
from engine.runs import store
from engine.vae import codec, tiling
from tests.support.planning import make_facts, small_recipe, total_cost
from tests.support.run_results import max_difference, run_events, run_latents, stage_done_events
from tests.support.slow_cases import slow_cases

FULL = torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("seed", [2, *slow_cases(0, 1, 3, 4, 5)])
def test_a_smaller_view_batch_from_a_random_call_on_makes_the_same_picture(
    seed, model, monkeypatch, tmp_path
):
    recipe = small_recipe(
        view_batch=4, scales=(1, 1.5, 2), scheduler=["ddim", "dpmpp_2m", "euler_a"][seed % 3]
    )
    undisturbed = run_latents(recipe, model, tmp_path)[-1]
    network, count = model.unet.forward, [0]
    planned = plan(recipe, model.facts)
    full_at = set(
        random.Random(seed).sample(
            range(
                cost.network_call_count(planned.stages[0]) + 1, total_cost(cost.network_call_count, planned)
            ),
            8,
        )
    )

    def sometimes_full(latents, *more, **named):
        count[0] += 1
        if count[0] in full_at and len(latents) > 2:
            raise FULL
        return network(latents, *more, **named)

    monkeypatch.setattr(model.unet, "forward", sometimes_full)
    events = run_events(recipe, model, tmp_path)
    retreats = [e for e in events if isinstance(e, Retreated)]
    assert retreats
    assert [e.view_batch for e in retreats] == sorted({e.view_batch for e in retreats}, reverse=True)
    final = load_file(stage_done_events(events)[-1].latents)["latents"]
    assert max_difference(final, undisturbed) < 1e-4
    assert [e.evaluations for e in stage_done_events(events)] == [s.evaluations for s in planned.stages]


def test_the_view_batch_is_reduced_until_it_fits(model, monkeypatch, tmp_path):
    network, sizes = model.unet.forward, []

    def small_card(latents, *more, **named):
        sizes.append(len(latents))
        if len(latents) > 2:
            raise FULL
        return network(latents, *more, **named)

    monkeypatch.setattr(model.unet, "forward", small_card)
    events = run_events(small_recipe(view_batch=9), model, tmp_path)
    assert [e.view_batch for e in events if isinstance(e, Retreated)] == [1]
    tried = sizes[sizes.index(18) :] if 18 in sizes else sizes
    assert tried[:4] == sorted(tried[:4], reverse=True)


def test_the_reduced_view_batch_is_recorded(model, monkeypatch, tmp_path):
    network = model.unet.forward

    def small_card(latents, *more, **named):
        if len(latents) > 4:
            raise FULL
        return network(latents, *more, **named)

    monkeypatch.setattr(model.unet, "forward", small_card)
    events = run_events(small_recipe(view_batch=8), model, tmp_path)
    run = events[0].run
    assert store.read_stage(store.find_stage(run, 1)[1]).record["view_batch"] == 8
    assert store.read_stage(store.find_stage(run, 2)[1]).record["view_batch"] == 2


def test_a_size_that_fits_is_suggested_where_not_even_one_view_does(model, monkeypatch, tmp_path):
    network = model.unet.forward
    base = cost.network_call_count(plan(small_recipe(), model.facts).stages[0])
    count = [0]

    def full(*args, **named):
        count[0] += 1
        if count[0] > base:
            raise FULL
        return network(*args, **named)

    monkeypatch.setattr(model.unet, "forward", full)
    events = list(generate(small_recipe(scales=(1, 8)), model, out=tmp_path))
    assert isinstance(events[-1], Failed)
    assert "even with one view at a time" in events[-1].sentence
    width, _, height = events[-1].sentence.split(". ")[-1].split()[:3]
    planned = plan(small_recipe(width=int(width), height=int(height), scales=()), model.facts)
    whole = plan(small_recipe(scales=(1, 8)), model.facts)
    one = [
        cost.stage_memory(replace(s, recipe=replace(s.recipe, view_batch=1)))
        for s in (planned.stages[-1], whole.stages[-1])
    ]
    assert one[0] <= 0.9 * one[1]
    assert [e.stage for e in stage_done_events(events)] == [1]


def test_errors_of_a_full_memory_are_recognized():
    with pytest.raises(RuntimeError) as fault:
        torch.empty(10**14)
    assert hardware.is_out_of_memory(fault.value)
    for text in (
        "CUDA error: out of memory",
        "CUBLAS_STATUS_ALLOC_FAILED when calling",
        "CUDNN_STATUS_ALLOC_FAILED",
    ):
        assert hardware.is_out_of_memory(RuntimeError(text))
    assert not hardware.is_out_of_memory(RuntimeError("shapes do not fit"))
    assert not hardware.is_out_of_memory(ValueError("out of memory"))


def test_tensors_of_a_failed_call_are_freed_before_free_memory_is_measured(model, monkeypatch, tmp_path):
    held = []

    def full(*args, **named):
        large = torch.zeros(1000)
        held.append(weakref.ref(large))
        raise torch.OutOfMemoryError(str(large.sum()))

    alive = []
    monkeypatch.setattr(model.unet, "forward", full)
    monkeypatch.setattr(
        hardware, "free_memory", lambda device: alive.append([ref() is not None for ref in held])
    )
    assert isinstance(list(generate(small_recipe(), model, out=tmp_path))[-1], Failed)
    assert alive == [[False] * len(held)]


SDXL = make_facts(hash="x")


def sdxl(**changes):
    whole = plan(small_recipe(**{"steps": 20, "scales": (1, 2, 4)} | changes), SDXL)
    return whole, whole.stages[-1]


def test_the_suggested_size_has_the_requested_shape_and_is_larger_than_the_finished_stage():
    whole, failed = sdxl(width=8192, height=4096, scales=(1, 2, 5.6))
    height, width = largest_fitting(whole, failed, None)
    assert width == pytest.approx(2 * height, rel=0.02)
    assert whole.stages[1].size[0] < height < 4096
    assert height % 8 == width % 8 == 0


def test_less_free_memory_means_a_smaller_suggestion_and_then_none():
    whole, failed = sdxl()
    held = cost.stage_memory(failed)
    sizes = [largest_fitting(whole, failed, int(share * held)) for share in (0.8, 0.5)]
    assert sizes[0] > sizes[1]
    assert largest_fitting(whole, failed, held // 1000) is None


def test_faithful_mode_suggests_no_size_between_two_stages():
    whole = plan(small_recipe(width=4096, height=4096, scales=(), faithful=True, scheduler="ddim"), SDXL)
    assert largest_fitting(whole, whole.stages[-1], None) is None


def test_decoding_uses_smaller_tiles_when_memory_is_full(monkeypatch):
    # Without norms, whose statistics would differ from tile to tile.
    torch.manual_seed(0)
    vae = AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4).eval()
    latent = torch.randn(1, 4, 40, 32)
    plain = np.asarray(codec.decode(vae, latent, 16), np.float32)
    decoder, sides = vae.decoder.forward, []

    def small_card(z, *more):
        sides.append(max(z.shape[-2:]))
        if sides[-1] > 10:
            raise FULL
        return decoder(z, *more)

    monkeypatch.setattr(vae.decoder, "forward", small_card)
    picture = codec.decode(vae, latent, 16)
    assert picture.size == (256, 320)
    assert sides[-1] <= 10
    assert np.abs(np.asarray(picture, np.float32) - plain).mean() < 1


def test_smaller_tiles_of_the_decoder_are_reported_and_the_run_continues(model, monkeypatch, tmp_path):
    decoder = model.vae.decoder.forward

    def small_card(z, *more):
        if max(z.shape[-2:]) > 10:
            raise FULL
        return decoder(z, *more)

    monkeypatch.setattr(model.vae.decoder, "forward", small_card)
    events = run_events(small_recipe(steps=4), model, tmp_path)
    retreats = [(e.stage, e.tile) for e in events if isinstance(e, Retreated)]
    assert retreats == [(1, 8), (2, 8)]
    assert [e.stage for e in stage_done_events(events)] == [1, 2]


def test_a_decoder_that_lacks_memory_for_the_smallest_tile_fails(model, monkeypatch):
    def full(*args):
        raise FULL

    monkeypatch.setattr(model.vae.decoder, "forward", full)
    with pytest.raises(torch.OutOfMemoryError):
        codec.decode(model.vae, torch.zeros(1, 4, 32, 32), 16)


@pytest.mark.parametrize("length", [8, 16, 17, 20, 31, 32, 33, 64, 100, 127])
@pytest.mark.parametrize("side", [8, 16, 32])
def test_tiles_cover_an_axis_with_overlap_at_little_cost(length, side):
    starts, tile, overlap = tiling.tile_starts(length, side)
    assert starts[0] == 0
    assert starts[-1] + tile == length
    assert tile <= side
    assert all(b - a <= tile - overlap + 1 for a, b in pairwise(starts))
    assert len(starts) * tile <= 1.2 * length + side // 4


@pytest.mark.slow
def test_a_run_frees_its_memory(model, tmp_path):
    def live():
        gc.collect()
        return sum(t.numel() for t in gc.get_objects() if isinstance(t, torch.Tensor))

    run_events(small_recipe(scales=(1, 2, 3)), model, tmp_path)  # The first run fills caches of kernels.
    before = live()
    run_events(small_recipe(scales=(1, 2, 3), seed=2), model, tmp_path)
    assert live() <= before
