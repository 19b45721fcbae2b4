"""The loop on a device that is not the CPU, without such a device.

On torch's device "meta" tensors have no values. Whatever reads a value, for which a GPU would make the loop wait, is an
error there. OneDevice also refuses operands on two devices, some of which "meta" would let pass.
"""

from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from diffusers import ControlNetModel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engine import Recipe, load_model, plan
from engine.control.conditioning import Conditioning, LoadedControl
from engine.formulas.noise import Noise
from engine.formulas.timesteps import SCHEDULERS
from engine.loop import sample_stages
from engine.methods import METHODS
from engine.network.lora import apply_loras
from engine.network.text import Text
from engine.recipe.controls import Control
from engine.sampling.denoiser import Denoiser
from engine.sampling.signals import StageMade
from engine.sampling.start import LoopInputs
from tests.support import tiny
from tests.support.loras import save_lora
from tests.support.pictures import save_shapes

# Operations that may read one device and write another.
COPIES = ("aten._to_copy", "aten.copy_", "aten.to")
# All views of a step are evaluated in one call: a call takes as long on "meta" as it has layers.
VIEW_BATCH = 64


class OneDevice(TorchDispatchMode):
    """Refuses operations on tensors of two devices, as a GPU does. Numbers on the CPU are allowed."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        devices = {each.device.type for each in tensors if each.dim() or each.device.type != "cpu"}
        if len(devices) > 1 and not str(function).startswith(COPIES):
            raise RuntimeError(f"{function} has operands on {' and '.join(sorted(devices))}")
        return function(*args, **(kwargs or {}))


def on_meta(model):
    """Return a model with its network in float16 on the device "meta"."""
    unet = deepcopy(model.unet).to("meta", torch.float16)
    return replace(model, pipeline=SimpleNamespace(unet=unet), device=torch.device("meta"))


def empty_text(unet, prompts):
    """Return embeddings of an SDXL-shaped network's sizes."""
    config = unet.config
    pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
    sizes = (prompts, 8, config.cross_attention_dim), (prompts, pooled)
    return Text(*(torch.zeros(size, device="meta", dtype=torch.float16) for size in sizes))


def run_on_meta(model, conditioning=None, **recipe):
    """Run the loop for all stages of a recipe on "meta"; return the latent of the last one."""
    planned = plan(Recipe(**{"scales": (1, 2), "steps": 4} | recipe), model.facts)
    on_device = on_meta(model)
    passes = max(stage.guidance_passes for stage in planned.stages)
    denoiser = Denoiser(on_device, empty_text(model.unet, passes), passes, VIEW_BATCH, None, conditioning)
    with OneDevice():
        signals = list(sample_stages(planned.stages, None, LoopInputs(denoiser, Noise(1))))
    *_, made = (signal for signal in signals if isinstance(signal, StageMade))
    assert made.stage.number == len(planned.stages)
    return made.latent


def assert_on_meta(latent):
    """Check that a canvas is float32 and on the device "meta"."""
    assert (latent.device.type, latent.dtype) == ("meta", torch.float32)


def test_values_and_operands_of_two_devices_are_refused():
    canvas = torch.zeros(2, 2, device="meta")
    with pytest.raises(RuntimeError, match="meta"):
        canvas.mean().item()
    with OneDevice(), pytest.raises(RuntimeError, match="cpu and meta"):
        canvas + torch.zeros(2, 2)
    with OneDevice():
        assert (canvas * torch.tensor(2.0)).device.type == "meta"


@pytest.mark.parametrize("method", [name for name, row in METHODS.items() if not row.upscales])
def test_no_method_reads_the_device(models_by_architecture, method):
    scales = (1, 4) if METHODS[method].network else (1, 2)
    assert_on_meta(run_on_meta(models_by_architecture["sdxl"], method=method, scales=scales, alpha2=0.5))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_no_scheduler_reads_the_device(model, scheduler):
    assert_on_meta(run_on_meta(model, scheduler=scheduler, dilated=False))


@pytest.mark.parametrize(
    "recipe",
    [
        {"faithful": True, "scheduler": "ddim", "scales": (), "width": 256, "height": 256},
        {"options": {"restart": 0.7}},
        {"guidance_rescale": 0.5},
        {"guidance": 1.0},
    ],
    ids=str,
)
def test_no_setting_reads_the_device(model, recipe):
    assert_on_meta(run_on_meta(model, **recipe))


def test_a_controlnet_does_not_read_the_device(model, tmp_path):
    controlnet = ControlNetModel.from_unet(model.unet, conditioning_embedding_out_channels=(8, 8, 16, 16))
    image = save_shapes(tmp_path / "scene.png", 256)
    control = Control(image=str(tmp_path / "scene.png"))
    loaded = LoadedControl(control, controlnet.to("meta", torch.float16), None, image)
    assert_on_meta(run_on_meta(model, Conditioning((loaded,)), dilated=False))


def test_a_lora_does_not_read_the_device(tmp_path):
    model = load_model(tiny.write(tmp_path / "model"), "cpu", "float32")
    with apply_loras(model.pipeline, ((save_lora(tmp_path / "model", tmp_path), 0.8),)):
        assert_on_meta(run_on_meta(model, dilated=False))
