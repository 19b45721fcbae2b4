"""Patches of a network are undone bit by bit, also after an exception, and with LoRAs."""

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from engine import Failed, Recipe, load_model
from engine.network.patching.apply import apply_patches
from engine.planning.patches import (
    DilatedConvolutions,
    PooledLevel,
    ScaledAttention,
    StridedLevel,
    WindowedAttention,
)
from tests.support import single_file, tiny
from tests.support.planning import small_recipe
from tests.support.run_results import run_events, run_latents, run_with_cache, single_event

XL = {
    "dilated": (DilatedConvolutions((("mid_block", 2.0), ("up_blocks.0", 3.0))),),
    "fractional": (DilatedConvolutions((("mid_block", 2.5), ("down_blocks.1", 2.5))),),
    "dispersed": (DilatedConvolutions((("mid_block", 4.0), ("down_blocks.1", 3.0)), dispersed=True),),
    "strided": (StridedLevel("down_blocks.1", "up_blocks.0", 1),),
    "pooled": (PooledLevel("down_blocks.1", "up_blocks.1", 1),),
    "windowed": (WindowedAttention(("down_blocks.1.attentions.0", "up_blocks.1.attentions.2"), 1, (3,)),),
    "scaled": (ScaledAttention(4.0),),
}
TOGETHER = ("dilated", "strided", "pooled", "windowed", "scaled")
XL["all"] = sum((XL[name] for name in TOGETHER), ())
SD = XL | {
    "strided": (StridedLevel("down_blocks.0", "up_blocks.2", 0),),
    "pooled": (PooledLevel("down_blocks.1", "up_blocks.2", 1),),
    "windowed": (WindowedAttention(("down_blocks.0.attentions.0", "up_blocks.3.attentions.2"), 0, (3,)),),
}
SD["all"] = sum((SD[name] for name in TOGETHER), ())
CASES = [*product(["xl"], XL.items()), *product(["sd"], SD.items())]
NAMES = [f"{shape}-{name}" for shape, (name, _) in CASES]
SHAPES = {
    "xl": lambda: tiny.unet((16, 24, 32), layers=2).eval(),
    "sd": lambda: single_file.unet(False, (16, 24, 32, 32), layers=2).eval(),
}


def network(shape, *, with_lora=False):
    """Make a new network; all of one shape have the same weights."""
    torch.manual_seed(0)
    unet = SHAPES[shape]()
    if with_lora:
        targets = ["conv1", "conv2", "conv", "to_q", "to_v"]
        unet.add_adapter(LoraConfig(r=2, init_lora_weights=False, target_modules=targets))
    return unet


@cache
def plain_prediction(shape, with_lora=False):
    """Return the prediction of a network that was never patched."""
    return predict(network(shape, with_lora=with_lora))


@torch.no_grad()
def predict(unet):
    """Return the prediction for one canvas with odd sides."""
    source, added_cond = torch.Generator().manual_seed(0), None
    if unet.config.addition_embed_type:
        added_cond = {"text_embeds": torch.zeros(1, tiny.WIDTH), "time_ids": torch.zeros(1, 6)}
    latents = torch.randn(1, 4, 27, 38, generator=source)
    text = torch.randn(1, 7, unet.config.cross_attention_dim, generator=source)
    return unet(latents, torch.tensor(500), text, added_cond_kwargs=added_cond).sample


def state(unet):
    """Return everything that patches may touch: attributes, weights as objects, hooks."""
    attributes = ("kernel_size", "stride", "padding", "dilation")
    return unet.num_upsamplers, {
        name: (
            type(module),
            [getattr(module, attribute, None) for attribute in attributes],
            {key: (id(weight), getattr(weight, "_version", 0)) for key, weight in module._parameters.items()},
            len(module._forward_hooks) + len(module._forward_pre_hooks),
            len(module._forward_hooks_with_kwargs) + len(module._forward_pre_hooks_with_kwargs),
            module.__dict__.get("forward"),
        )
        for name, module in unet.named_modules()
    }


@pytest.mark.parametrize("with_lora", [False, True], ids=["bare", "lora"])
@pytest.mark.parametrize(("shape", "case"), CASES, ids=NAMES)
def test_a_patched_network_is_restored(shape, case, with_lora):
    unet, (_, patches) = network(shape, with_lora=with_lora), case
    plain, before = plain_prediction(shape, with_lora), state(unet)
    with apply_patches([unet], patches):
        assert not torch.allclose(predict(unet), plain, atol=1e-4)
    assert state(unet) == before
    assert torch.equal(predict(unet), plain)


@pytest.mark.parametrize(("shape", "case"), CASES, ids=NAMES)
def test_a_fault_during_a_call_leaves_no_patch_behind(shape, case):
    unet, (_, patches) = network(shape), case
    plain, before = plain_prediction(shape), state(unet)

    def fail(module, args):
        raise MemoryError("inside")

    trap = unet.up_blocks[1].resnets[0].register_forward_pre_hook(fail)
    with pytest.raises(MemoryError, match="inside"), apply_patches([unet], patches):
        predict(unet)
    trap.remove()
    assert state(unet) == before
    assert torch.equal(predict(unet), plain)


@pytest.mark.parametrize(("shape", "case"), CASES, ids=NAMES)
def test_after_a_fault_patches_work_as_before(shape, case):
    """Sizes that were noted in the failed call are not used in the next one."""
    unet, (_, patches) = network(shape), case
    with apply_patches([unet], patches):
        wanted = predict(unet)
    trap = unet.mid_block.register_forward_pre_hook(lambda module, args: args[0].no_such_thing)
    with pytest.raises(AttributeError), apply_patches([unet], patches):
        predict(unet)
    trap.remove()
    with apply_patches([unet], patches):
        assert torch.equal(predict(unet), wanted)


def test_a_patch_that_fails_to_apply_leaves_none_of_the_others_behind():
    unet = network("xl")
    before = state(unet)
    broken = DilatedConvolutions((("mid_block", "wide"),))
    with pytest.raises(TypeError), apply_patches([unet], (*XL["all"], broken)):
        pass
    assert state(unet) == before


@pytest.mark.parametrize("turns", [("dilated", "strided"), ("dispersed", "scaled"), ("pooled", "fractional")])
def test_patches_that_take_turns_do_not_affect_each_other(turns):
    unet = network("xl")
    plain, before, made, alone = predict(unet), state(unet), [], []
    for name in turns:
        with apply_patches([unet], XL[name]):
            made.append(predict(unet))
        fresh = network("xl")
        with apply_patches([fresh], XL[name]):
            alone.append(predict(fresh))
    assert all(torch.equal(a, b) for a, b in zip(made, alone, strict=True))
    assert not torch.allclose(*made, atol=1e-4)
    assert state(unet) == before
    assert torch.equal(predict(unet), plain)


def test_patches_of_parts_that_a_network_lacks_are_skipped():
    """A ControlNet has no up blocks."""
    unet = network("xl")
    plain, up = predict(unet), ("up_blocks.7", 2.0)
    nowhere = (
        DilatedConvolutions((up,)),
        StridedLevel("down_blocks.7", "up_blocks.7", 7),
        PooledLevel("down_blocks.7", "up_blocks.7", 7),
        WindowedAttention(("down_blocks.7.attentions.0",), 7),
    )
    with apply_patches([unet], nowhere):
        assert torch.allclose(predict(unet), plain, atol=1e-6)


REFUSED = [
    ("scalecrafter", 4, "down_blocks.2"),
    ("hidiffusion", 2, "down_blocks.1.downsamplers.0.conv"),
    ("hidiffusion", 4, "down_blocks.1.downsamplers.0.conv"),
]


@pytest.mark.parametrize(("method", "ratio", "part"), REFUSED)
def test_a_network_of_two_levels_is_refused_before_any_work(
    method, ratio, part, model, network_calls, tmp_path
):
    event = single_event(
        run_with_cache(small_recipe(method=method, scales=(1, ratio)), model, tmp_path / "runs")
    )
    assert isinstance(event, Failed)
    assert event.field == "method"
    assert f"part {part}," in event.sentence
    assert not network_calls
    assert not list((tmp_path / "runs").rglob("*/"))


@pytest.mark.parametrize("method", ["scalecrafter", "hidiffusion"])
def test_a_network_of_sds_shape_is_refused_alike(method, tmp_path):
    model = load_model(single_file.sd(tmp_path / "sd"), "cpu", "float32")
    event = single_event(run_with_cache(small_recipe(method=method, scales=(1, 2)), model, tmp_path / "runs"))
    assert event.field == "method"
    assert "part down_blocks." in event.sentence or "part up_blocks." in event.sentence


def test_two_levels_are_enough_where_all_patched_parts_exist(model, network_calls, tmp_path):
    run_events(small_recipe(method="scalecrafter", scales=(1, 2), steps=4), model, tmp_path)
    assert network_calls


def convolution_lora(folder, to):
    """Write a LoRA of convolutions, and return its file."""
    pipeline = DiffusionPipeline.from_pretrained(folder)
    torch.manual_seed(0)
    targets = ["conv1", "conv2", "to_q"]
    pipeline.unet.add_adapter(LoraConfig(r=2, init_lora_weights=False, target_modules=targets))
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(pipeline.unet))
    type(pipeline).save_lora_weights(to, unet_lora_layers=layers, weight_name="style.safetensors")
    return to / "style.safetensors"


@pytest.mark.parametrize("options", [(), (("dispersed", True),)], ids=["dilated", "dispersed"])
def test_a_run_with_a_lora_of_convolutions_is_patched_and_restores_the_network(options, tmp_path):
    folder = tiny.write(tmp_path / "tiny", widths=(16, 24, 32))
    model, file = load_model(folder, "cpu", "float32"), convolution_lora(folder, tmp_path)
    recipe = Recipe(prompt="a house", method="scalecrafter", scales=(1, 2), steps=4, options=options)
    before = state(model.unet)
    (plain,) = run_latents(recipe, model, tmp_path)
    (with_lora,) = run_latents(replace(recipe, loras=((str(file), 1.0),)), model, tmp_path)
    assert not np.allclose(plain, with_lora, atol=1e-3)
    assert state(model.unet) == before
    assert np.array_equal(run_latents(recipe, model, tmp_path)[0], plain)
