"""At native size, with one view, a run with controls equals diffusers' ControlNet pipeline."""

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
def controlnets(tiny_folder, tmp_path_factory):
    """Two ControlNets."""
    folder = tmp_path_factory.mktemp("controlnets")
    return [save_controlnet(tiny_folder, folder / str(seed), seed) for seed in (0, 1)]


@pytest.fixture
def image_and_edges(tmp_path):
    """The path of a control's image of native size, and its edges."""
    drawn = save_shapes(tmp_path / "scene.png", SIDE)
    edges = Image.fromarray(cv2.Canny(np.asarray(drawn), 100, 200)).convert("RGB")
    return str(tmp_path / "scene.png"), edges


def run_diffusers(kind, folder, controlnet, edges, recipe, **more):
    pipeline = kind.from_pretrained(folder, controlnet=controlnet)
    pipeline.set_progress_bar_config(disable=True)
    shape = (1, 4, SIDE // 8, SIDE // 8)
    return pipeline(
        recipe.prompt, negative_prompt=recipe.negative, num_inference_steps=recipe.steps,
        guidance_scale=recipe.guidance, height=SIDE, width=SIDE, output_type="latent",
        latents=torch.from_numpy(keyed_normal(shape, recipe.seed, "base", *shape)), **more,
    ).images.numpy()  # fmt: skip


def relative_difference(ours, expected):
    return np.abs(ours - expected).max() / np.abs(expected).max()


def recipe_with(*controls, **more):
    return small_recipe(
        scales=(1,), steps=8, scheduler="ddim", guidance=5.0, negative="blue", controls=controls, **more
    )


@pytest.mark.parametrize(
    "settings",
    [{}, {"scale": 0.4}, {"start": 0.25, "end": 0.75}, {"end": 0.3}],
    ids=["all steps", "weaker", "in the middle", "at first"],
)
@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_one_control_equals_diffusers_pipeline(
    settings, guidance, controlnets, image_and_edges, tiny_folder, model, tmp_path
):
    path, edges = image_and_edges
    recipe = small_recipe(
        scales=(1,), steps=8, scheduler="ddim", guidance=guidance, negative="blue",
        controls=({"image": path, "net": str(controlnets[0])} | settings,),
    )  # fmt: skip
    expected = run_diffusers(
        StableDiffusionXLControlNetPipeline, tiny_folder, ControlNetModel.from_pretrained(controlnets[0]), edges,
        recipe, image=edges, controlnet_conditioning_scale=settings.get("scale", 1.0),
        control_guidance_start=settings.get("start", 0.0), control_guidance_end=settings.get("end", 1.0),
    )  # fmt: skip
    (ours,) = run_latents(recipe, model, tmp_path)
    assert relative_difference(ours, expected) < 1e-5


def test_two_controls_equal_diffusers_pipeline(controlnets, image_and_edges, tiny_folder, model, tmp_path):
    path, edges = image_and_edges
    settings = {"scale": 0.7, "start": 0.0, "end": 0.5}, {"scale": 1.2, "start": 0.25, "end": 1.0}
    recipe = recipe_with(
        *(
            {"image": path, "net": str(folder)} | each
            for folder, each in zip(controlnets, settings, strict=True)
        )
    )
    expected = run_diffusers(
        StableDiffusionXLControlNetPipeline, tiny_folder,
        [ControlNetModel.from_pretrained(folder) for folder in controlnets], edges, recipe, image=[edges, edges],
        controlnet_conditioning_scale=[each["scale"] for each in settings],
        control_guidance_start=[each["start"] for each in settings],
        control_guidance_end=[each["end"] for each in settings],
    )  # fmt: skip
    (ours,) = run_latents(recipe, model, tmp_path)
    assert relative_difference(ours, expected) < 1e-5


def test_a_union_controlnet_equals_diffusers_pipeline(image_and_edges, tiny_folder, model, tmp_path):
    """Edges are the fourth kind of map that a union ControlNet knows."""
    path, edges = image_and_edges
    union = save_controlnet(tiny_folder, tmp_path / "union", union=True)
    recipe = recipe_with({"image": path, "net": str(union), "scale": 0.8})
    expected = run_diffusers(
        StableDiffusionXLControlNetUnionPipeline, tiny_folder, ControlNetUnionModel.from_pretrained(union),
        edges, recipe, control_image=[edges], control_mode=[3], controlnet_conditioning_scale=0.8,
    )  # fmt: skip
    (ours,) = run_latents(recipe, model, tmp_path)
    assert relative_difference(ours, expected) < 1e-5


@pytest.mark.parametrize("linear", [False, True], ids=["SD 1.5", "SD 2.1"])
def test_a_control_of_stable_diffusion_equals_diffusers_pipeline(linear, image_and_edges, tmp_path):
    path, edges = image_and_edges
    folder = single_file.sd(tmp_path / "sd", linear=linear)
    sd = load_model(folder, "cpu", "float32")
    here = save_controlnet(folder, tmp_path / "net")
    recipe = recipe_with({"image": path, "net": str(here)})
    expected = run_diffusers(
        StableDiffusionControlNetPipeline, folder, ControlNetModel.from_pretrained(here), edges, recipe,
        image=edges,
    )  # fmt: skip
    (ours,) = run_latents(recipe, sd, tmp_path)
    assert relative_difference(ours, expected) < 1e-5


def test_a_union_controlnet_refuses_a_kind_that_it_does_not_know(
    image_and_edges, tiny_folder, model, tmp_path
):
    path, _ = image_and_edges
    union = save_controlnet(tiny_folder, tmp_path / "union", union=True)
    recipe = recipe_with({"image": path, "net": str(union), "kind": "tile"})
    (end,) = generate(recipe, model, out=tmp_path / "runs")
    start = "The union ControlNet cannot follow blurred picture. Choose another control type: openpose,"
    assert end.sentence.startswith(start)


def test_a_control_changes_the_picture(controlnets, image_and_edges, model, tmp_path):
    path, _ = image_and_edges
    (plain,) = run_latents(recipe_with(), model, tmp_path)
    (controlled,) = run_latents(recipe_with({"image": path, "net": str(controlnets[0])}), model, tmp_path)
    assert relative_difference(controlled, plain) > 0.01
