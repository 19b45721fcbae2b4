"""Faithful mode against latents of the published code, and plain sampling against diffusers' pipeline."""

import json
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image

from engine import Finished, Recipe, StageDone, generate, load_model
from engine.formulas.noise import keyed_normal
from engine.formulas.timesteps import SCHEDULERS, resolve_scheduler
from engine.paths import ROOT
from tests.support.planning import small_recipe
from tests.support.run_results import run_latents

REFERENCE = ROOT / "tests" / "reference"
CASES = json.loads((REFERENCE / "cases.json").read_text())
NUMBERS = np.load(REFERENCE / "cases.npz")


class RecordedNoise:
    """The random numbers that the published code drew in one case."""

    def __init__(self, case):
        self.case = case
        if f"{case}/jitter/2" in NUMBERS:
            self.jitter = lambda stage, i, view: NUMBERS[f"{case}/jitter/{stage}"][i, view]

    def base(self, shape):
        return NUMBERS[f"{self.case}/noise/{shape[2]}x{shape[3]}"]

    def stage(self, scale, shape):
        return NUMBERS[f"{self.case}/noise/{shape[2]}x{shape[3]}s"]


@pytest.fixture(scope="module")
def published_model():
    """The model with which the published code was run."""
    return load_model(REFERENCE / "tiny-sdxl", "cpu", "float32")


def case_recipe(case):
    """Make the recipe of a case in which the published code was run."""
    spec = CASES[case]
    alpha1, alpha2, alpha3 = spec["alphas"]
    return Recipe(
        prompt="a red house on grass at night", negative="blue boat", faithful=True,
        width=spec["w"], height=spec["h"], stride=spec["stride"], steps=6, guidance=5, scheduler="ddim",
        alpha1=alpha1, alpha2=alpha2, alpha3=alpha3, sigma1=spec["sigma"], sigma2=spec["sigma"] / 100,
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_faithful_mode_equals_the_published_code_at_every_stage(case, published_model, tmp_path):
    made = run_latents(case_recipe(case), published_model, tmp_path, noise=RecordedNoise(case))
    assert len(made) == 2
    for stage, latent in enumerate(made, 1):
        reference = NUMBERS[f"{case}/latent/{stage}"]
        assert np.abs(latent - reference).max() / np.abs(reference).max() < 1e-5


@pytest.mark.parametrize(
    ("size", "stride", "expected"),
    [
        ((384, 256), 8, [(80, 128), (168, 256), (256, 384)]),
        # Windows of 16 cells on 14 of canvas and 2 of padding.
        ((256, 112), 8, [(56, 128), (112, 256)]),
        # Thinner than a window, without jitter; rounded down, no stage has quite the same shape.
        ((384, 112), 16, [(32, 128), (72, 256), (112, 384)]),
    ],
)
def test_faithful_mode_runs_at_every_size_of_the_published_code(
    size, stride, expected, published_model, tmp_path
):
    width, height = size
    recipe = Recipe(faithful=True, width=width, height=height, steps=6, scheduler="ddim", stride=stride)
    done = [
        event for event in generate(recipe, published_model, out=tmp_path) if isinstance(event, StageDone)
    ]
    assert [event.size for event in done] == expected
    for event in done:
        with Image.open(event.image) as picture:
            assert picture.size == event.size[::-1]
    # Finished stages are found, and any of them can be enlarged again.
    assert next(generate(recipe, published_model, out=tmp_path)).first == len(expected) + 1
    again = generate(recipe, published_model, out=tmp_path, resume=(Path(done[0].image).parents[1], 1))
    assert isinstance(list(again)[-1], Finished)


@pytest.mark.parametrize("name", [n for n in SCHEDULERS if not SCHEDULERS[n].draws_noise])
@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_the_first_stage_equals_diffusers_pipeline(name, guidance, tiny_folder, model, tmp_path):
    recipe = small_recipe(scales=(1,), steps=8, scheduler=name, guidance=guidance, negative="blue")
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_folder)
    kind, settings = resolve_scheduler(name, model.facts.scheduler)
    pipeline.scheduler = getattr(diffusers, kind.class_name).from_config(settings)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        recipe.prompt, negative_prompt="blue", num_inference_steps=8, guidance_scale=guidance,
        latents=torch.from_numpy(keyed_normal((1, 4, 16, 16), recipe.seed, "base", 1, 4, 16, 16)),
        output_type="latent",
    ).images.numpy()  # fmt: skip
    (ours,) = run_latents(recipe, model, tmp_path)
    assert np.abs(ours - theirs).max() / np.abs(theirs).max() < 1e-5


def test_an_omitted_negative_prompt_is_encoded_as_by_diffusers_pipeline(tiny_folder, model, tmp_path):
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_folder)
    ours = model.encode_text("a house", None, 2)
    theirs = pipeline.encode_prompt("a house", device="cpu", do_classifier_free_guidance=True)
    assert torch.allclose(ours.embeds, torch.cat([theirs[1], theirs[0]]), atol=1e-6)
    assert torch.allclose(ours.pooled, torch.cat([theirs[3], theirs[2]]), atol=1e-6)
    empty = model.encode_text("a house", "", 2)
    assert not torch.allclose(empty.embeds[0], ours.embeds[0])
