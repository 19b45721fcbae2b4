"""At native size, with one view, a controlled run is diffusers' own ControlNet pipeline."""

import cv2
import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    ControlNetUnionModel,
    StableDiffusionControlNetPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLControlNetUnionPipeline,
)
from PIL import Image

from engine import generate, load_model
from engine.formulas.noise import keyed_normal
from tests.support import single_file
from tests.support.controlnets import save_controlnet
from tests.support.pictures import save_shapes
from tests.support.planning import small_recipe
from tests.support.run_results import run_latents

SIDE = 128


@pytest.fixture(scope="module")
def nets(tiny_folder, tmp_path_factory):
    """Two ControlNets."""
    folder = tmp_path_factory.mktemp("nets")
    return [save_controlnet(tiny_folder, folder / str(seed), seed) for seed in (0, 1)]


@pytest.fixture
def followed(tmp_path):
    """A picture to follow, of the native size, and its edges."""
    drawn = save_shapes(tmp_path / "scene.png", SIDE)
    edges = Image.fromarray(cv2.Canny(np.asarray(drawn), 100, 200)).convert("RGB")
    return str(tmp_path / "scene.png"), edges


def theirs(kind, folder, controlnet, edges, recipe, **more):
    pipeline = kind.from_pretrained(folder, controlnet=controlnet)
    pipeline.set_progress_bar_config(disable=True)
    shape = (1, 4, SIDE // 8, SIDE // 8)
    return pipeline(
        recipe.prompt, negative_prompt=recipe.negative, num_inference_steps=recipe.steps,
        guidance_scale=recipe.guidance, height=SIDE, width=SIDE, output_type="latent",
        latents=torch.from_numpy(keyed_normal(shape, recipe.seed, "base", *shape)), **more,
    ).images.numpy()  # fmt: skip


def distance(ours, given):
    return np.abs(ours - given).max() / np.abs(given).max()


def recipe_with(*controls, **more):
    return small_recipe(
        scales=(1,), steps=8, scheduler="ddim", guidance=5.0, negative="blue", controls=controls, **more
    )


@pytest.mark.parametrize(
    "felt",
    [{}, {"scale": 0.4}, {"start": 0.25, "end": 0.75}, {"end": 0.3}],
    ids=["all steps", "weaker", "in the middle", "at first"],
)
@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_one_control_is_diffusers_pipeline(felt, guidance, nets, followed, tiny_folder, model, tmp_path):
    path, edges = followed
    recipe = small_recipe(
        scales=(1,), steps=8, scheduler="ddim", guidance=guidance, negative="blue",
        controls=({"image": path, "net": str(nets[0])} | felt,),
    )  # fmt: skip
    given = theirs(
        StableDiffusionXLControlNetPipeline, tiny_folder, ControlNetModel.from_pretrained(nets[0]), edges,
        recipe, image=edges, controlnet_conditioning_scale=felt.get("scale", 1.0),
        control_guidance_start=felt.get("start", 0.0), control_guidance_end=felt.get("end", 1.0),
    )  # fmt: skip
    (ours,) = run_latents(recipe, model, tmp_path)
    assert distance(ours, given) < 1e-5


def test_two_controls_are_diffusers_pipeline(nets, followed, tiny_folder, model, tmp_path):
    path, edges = followed
    felt = {"scale": 0.7, "start": 0.0, "end": 0.5}, {"scale": 1.2, "start": 0.25, "end": 1.0}
    recipe = recipe_with(
        *({"image": path, "net": str(folder)} | each for folder, each in zip(nets, felt, strict=True))
    )
    given = theirs(
        StableDiffusionXLControlNetPipeline, tiny_folder,
        [ControlNetModel.from_pretrained(folder) for folder in nets], edges, recipe, image=[edges, edges],
        controlnet_conditioning_scale=[each["scale"] for each in felt],
        control_guidance_start=[each["start"] for each in felt],
        control_guidance_end=[each["end"] for each in felt],
    )  # fmt: skip
    (ours,) = run_latents(recipe, model, tmp_path)
    assert distance(ours, given) < 1e-5


def test_a_union_is_diffusers_pipeline(followed, tiny_folder, model, tmp_path):
    """Edges are the fourth of the kinds of maps that a union knows."""
    path, edges = followed
    union = save_controlnet(tiny_folder, tmp_path / "union", union=True)
    recipe = recipe_with({"image": path, "net": str(union), "scale": 0.8})
    given = theirs(
        StableDiffusionXLControlNetUnionPipeline, tiny_folder, ControlNetUnionModel.from_pretrained(union),
        edges, recipe, control_image=[edges], control_mode=[3], controlnet_conditioning_scale=0.8,
    )  # fmt: skip
    (ours,) = run_latents(recipe, model, tmp_path)
    assert distance(ours, given) < 1e-5


@pytest.mark.parametrize("linear", [False, True], ids=["SD 1.5", "SD 2.1"])
def test_a_control_of_stable_diffusion_is_diffusers_pipeline(linear, followed, tmp_path):
    path, edges = followed
    folder = single_file.sd(tmp_path / "sd", linear=linear)
    sd = load_model(folder, "cpu", "float32")
    here = save_controlnet(folder, tmp_path / "net")
    recipe = recipe_with({"image": path, "net": str(here)})
    given = theirs(
        StableDiffusionControlNetPipeline, folder, ControlNetModel.from_pretrained(here), edges, recipe,
        image=edges,
    )  # fmt: skip
    (ours,) = run_latents(recipe, sd, tmp_path)
    assert distance(ours, given) < 1e-5


def test_a_union_is_given_no_kind_that_it_does_not_know(followed, tiny_folder, model, tmp_path):
    path, _ = followed
    union = save_controlnet(tiny_folder, tmp_path / "union", union=True)
    asked = recipe_with({"image": path, "net": str(union), "kind": "tile"})
    (end,) = generate(asked, model, out=tmp_path / "runs")
    assert end.sentence.startswith("The union has no ControlNet for blurred picture. It follows: openpose,")


def test_a_control_is_felt(nets, followed, model, tmp_path):
    path, _ = followed
    (plain,) = run_latents(recipe_with(), model, tmp_path)
    (led,) = run_latents(recipe_with({"image": path, "net": str(nets[0])}), model, tmp_path)
    assert distance(led, plain) > 0.01
