"""Memory that runs out: the run retreats and the picture stays; where it cannot, it says what would fit."""

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
def test_a_retreat_at_a_random_call_leaves_the_picture_as_it_is(seed, model, monkeypatch, tmp_path):
    recipe = small_recipe(view_batch=8, scales=(1, 2, 3), scheduler=["ddim", "dpmpp_2m", "euler_a"][seed % 3])
    undisturbed = run_latents(recipe, model, tmp_path)[-1]
    network, count = model.unet.forward, [0]
    planned = plan(recipe, model.facts)
    full_at = set(
        random.Random(seed).sample(
            range(cost.calls(planned.stages[0]) + 1, total_cost(cost.calls, planned)), 8
        )
    )

    def sometimes_full(given, *more, **named):
        count[0] += 1
        if count[0] in full_at and len(given) > 2:
            raise FULL
        return network(given, *more, **named)

    monkeypatch.setattr(model.unet, "forward", sometimes_full)
    events = run_events(recipe, model, tmp_path)
    retreats = [e for e in events if isinstance(e, Retreated)]
    assert retreats
    assert [e.view_batch for e in retreats] == sorted({e.view_batch for e in retreats}, reverse=True)
    final = load_file(stage_done_events(events)[-1].latents)["latents"]
    assert max_difference(final, undisturbed) < 1e-4
    assert [e.evaluations for e in stage_done_events(events)] == [s.evaluations for s in planned.stages]


def test_views_at_once_are_halved_until_they_fit(model, monkeypatch, tmp_path):
    network, sizes = model.unet.forward, []

    def small_card(given, *more, **named):
        sizes.append(len(given))
        if len(given) > 2:
            raise FULL
        return network(given, *more, **named)

    monkeypatch.setattr(model.unet, "forward", small_card)
    events = run_events(small_recipe(view_batch=9), model, tmp_path)
    assert [e.view_batch for e in events if isinstance(e, Retreated)] == [1]
    tried = sizes[sizes.index(18) :] if 18 in sizes else sizes
    assert tried[:4] == sorted(tried[:4], reverse=True)


def test_what_was_run_is_recorded_after_a_retreat(model, monkeypatch, tmp_path):
    network = model.unet.forward

    def small_card(given, *more, **named):
        if len(given) > 4:
            raise FULL
        return network(given, *more, **named)

    monkeypatch.setattr(model.unet, "forward", small_card)
    events = run_events(small_recipe(view_batch=8), model, tmp_path)
    run = events[0].run
    assert store.read_stage(store.find_stage(run, 1)[1]).record["view_batch"] == 8
    assert store.read_stage(store.find_stage(run, 2)[1]).record["view_batch"] == 2


def test_where_not_even_one_view_fits_a_size_is_named_that_would(model, monkeypatch, tmp_path):
    network = model.unet.forward
    base = cost.calls(plan(small_recipe(), model.facts).stages[0])
    count = [0]

    def full(*given, **named):
        count[0] += 1
        if count[0] > base:
            raise FULL
        return network(*given, **named)

    monkeypatch.setattr(model.unet, "forward", full)
    events = list(generate(small_recipe(scales=(1, 8)), model, out=tmp_path))
    assert isinstance(events[-1], Failed)
    assert "even one view at a time" in events[-1].sentence
    width, _, height = events[-1].sentence.split(". ")[-1].split()[:3]
    planned = plan(small_recipe(width=int(width), height=int(height), scales=()), model.facts)
    whole = plan(small_recipe(scales=(1, 8)), model.facts)
    one = [
        cost.memory(replace(s, recipe=replace(s.recipe, view_batch=1)))
        for s in (planned.stages[-1], whole.stages[-1])
    ]
    assert one[0] <= 0.9 * one[1]
    assert [e.stage for e in stage_done_events(events)] == [1]


def test_a_full_memory_is_known_by_what_the_system_really_says():
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


def test_what_filled_the_memory_is_let_go_before_what_is_free_is_asked(model, monkeypatch, tmp_path):
    held = []

    def full(*given, **named):
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


def test_the_fitting_size_has_the_asked_shape_and_lies_above_the_kept_stage():
    whole, failed = sdxl(width=8192, height=4096, scales=(1, 2, 5.6))
    height, width = largest_fitting(whole, failed, None)
    assert width == pytest.approx(2 * height, rel=0.02)
    assert whole.stages[1].size[0] < height < 4096
    assert height % 8 == width % 8 == 0


def test_the_less_is_free_the_smaller_it_is_and_then_there_is_none():
    whole, failed = sdxl()
    held = cost.memory(failed)
    sizes = [largest_fitting(whole, failed, int(share * held)) for share in (0.8, 0.5)]
    assert sizes[0] > sizes[1]
    assert largest_fitting(whole, failed, held // 1000) is None


def test_as_published_nothing_lies_between_two_stages():
    whole = plan(small_recipe(width=4096, height=4096, scales=(), faithful=True, scheduler="ddim"), SDXL)
    assert largest_fitting(whole, whole.stages[-1], None) is None


def test_a_decoder_that_is_full_takes_smaller_tiles(monkeypatch):
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


def test_a_decoders_retreat_is_told_and_the_run_goes_on(model, monkeypatch, tmp_path):
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


def test_a_decoder_that_is_full_at_the_smallest_tile_is_a_fault(model, monkeypatch):
    def full(*given):
        raise FULL

    monkeypatch.setattr(model.vae.decoder, "forward", full)
    with pytest.raises(torch.OutOfMemoryError):
        codec.decode(model.vae, torch.zeros(1, 4, 32, 32), 16)


@pytest.mark.parametrize("length", [8, 16, 17, 20, 31, 32, 33, 64, 100, 127])
@pytest.mark.parametrize("side", [8, 16, 32])
def test_tiles_cover_an_axis_and_overlap_and_cost_little(length, side):
    starts, tile, overlap = tiling.tile_starts(length, side)
    assert starts[0] == 0
    assert starts[-1] + tile == length
    assert tile <= side
    assert all(b - a <= tile - overlap + 1 for a, b in pairwise(starts))
    assert len(starts) * tile <= 1.2 * length + side // 4


@pytest.mark.slow
def test_a_run_gives_its_memory_back(model, tmp_path):
    def live():
        gc.collect()
        return sum(t.numel() for t in gc.get_objects() if isinstance(t, torch.Tensor))

    run_events(small_recipe(scales=(1, 2, 3)), model, tmp_path)  # Kernels are remembered.
    before = live()
    run_events(small_recipe(scales=(1, 2, 3), seed=2), model, tmp_path)
    assert live() <= before
