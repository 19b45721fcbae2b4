"""The method relay: blocks of the right size, refusals, equality with SDEdit and with the published steps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine import BadRecipe, Recipe, load_model, loop, plan
from engine.formulas.timesteps import SCHEDULERS
from engine.paths import ROOT
from engine.sampling import relay
from engine.sampling.solver import Solver
from tests.support.pictures import save_squares
from tests.support.planning import make_facts, small_recipe
from tests.support.run_results import run_latents

FACTS = make_facts(window=32)


def stages(**changes):
    return plan(Recipe(**{"method": "relay", "scheduler": "ddim"} | changes), FACTS).stages


@pytest.mark.parametrize(
    ("scales", "sides"),
    [((1, 2, 4), [1, 2, 2]), ((1, 4), [1, 4]), ((1, 1.5, 3.75), [1, 2, 3]), ((1, 1.25), [1, 1]), ((1,), [1])],
)
def test_a_block_is_as_large_as_a_cell_of_the_stage_below(scales, sides):
    assert [stage.block_side for stage in stages(scales=scales)] == sides


def test_without_middle_stages_blocks_are_larger():
    assert [stage.block_side for stage in stages(scales=(1, 2, 4), progressive=False)] == [1, 4]


def test_blocks_are_those_of_the_base_while_a_stage_starts_from_the_start_image(photo, tmp_path):
    """The stages are 128, 256 and 512 px: the photo has as many px as stage 2, from which stage 3 starts."""
    small = make_facts(16)

    def sides(image):
        recipe = Recipe(method="relay", scales=(1, 2, 4), scheduler="ddim", image=str(image))
        return [stage.block_side for stage in plan(recipe, small).stages]

    assert sides(photo) == [1, 2, 2]
    assert sides(save_squares(tmp_path / "large.png", 300, 300)) == [1, 2, 4]


def test_other_methods_have_no_blocks():
    for method in ("demofusion", "sdedit", "direct"):
        assert {stage.block_side for stage in stages(method=method, scales=(1, 2, 4))} == {1}


def test_unblur_sets_the_blur_of_the_first_step():
    base, second, third = stages(scales=(1, 2, 4), options={"unblur": 0.5})
    assert not base.schedule.block_blur.any()
    assert [second.steps[0].block_blur, third.steps[0].block_blur] == [1.5, 1.5]
    assert not stages(scales=(1, 1.25))[1].schedule.block_blur.any()


def test_a_stage_of_relay_begins_at_a_middle_step_and_has_windows():
    base, second = stages(scales=(1, 2), steps=50)
    assert (base.step_count, second.step_count, second.window_count) == (50, 30, 9)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_scheduler_that_adds_noise_is_refused_with_a_blur_alone(scheduler):
    if not SCHEDULERS[scheduler].draws_noise:
        assert stages(scheduler=scheduler)
        return
    with pytest.raises(BadRecipe, match=f"{scheduler} adds new noise") as refused:
        stages(scheduler=scheduler, options={"restart": 0.5})
    assert refused.value.field == "options"
    assert dict(refused.value.fit["options"]) == {"restart": 0.5, "unblur": 0}
    assert stages(scheduler=scheduler, **refused.value.fit)
    assert stages(scheduler=scheduler, scales=(1,))


def test_without_block_noise_and_blur_relay_is_sdedit_by_windows(model, tmp_path):
    recipe = small_recipe(method="relay", options={"block": 0, "unblur": 0})
    by_windows = replace(recipe, method="sdedit", options={"views": "windows"})
    (_, one), (_, other) = run_latents(recipe, model, tmp_path), run_latents(by_windows, model, tmp_path)
    assert np.array_equal(one, other)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_relay_runs_with_every_scheduler(scheduler, model, tmp_path):
    unblur = 0.0 if SCHEDULERS[scheduler].draws_noise else 1.0
    recipe = small_recipe(
        method="relay", scheduler=scheduler, options={"unblur": unblur}, scales=(1, 1.5, 4), steps=4
    )
    assert all(np.isfinite(latents).all() for latents in run_latents(recipe, model, tmp_path))


def test_relay_takes_a_start_image_and_views_of_any_kind(model, photo, tmp_path):
    pictures = []
    for views in ("windows", "large", "whole"):
        recipe = small_recipe(
            method="relay", image=str(photo), scales=(1, 3), steps=4, options={"views": views}
        )
        pictures.append(run_latents(recipe, model, tmp_path)[-1])
    assert len({picture.tobytes() for picture in pictures}) == 3


class PublishedSolver(Solver):
    """A solver whose steps with blurred blocks are those of the published sampler, without new noise."""

    def step(self, prediction, step, z, noise, stage):
        if not step.next_block_blur:
            return super().step(prediction, step, z, noise, stage)
        x0 = self.x0(prediction, step, z)
        (alpha, sigma), (next_alpha, next_sigma) = (self.noise_level(step.index + k) for k in (0, 1))
        now, after = (relay.multiplier(b, self.block_side) for b in (step.block_blur, step.next_block_blur))
        gamma = next_sigma / next_alpha / (sigma / alpha)
        return next_alpha * relay.step(z / alpha, x0, now, after, gamma)


@pytest.mark.slow
def test_with_postcards_and_ddim_the_steps_are_the_published_ones(monkeypatch, tmp_path):
    model = load_model(ROOT / "assets" / "postcards", "cpu", "float32")
    recipe = Recipe(
        prompt="a red house on snow at night",
        method="relay",
        scales=(1, 2),
        steps=10,
        scheduler="ddim",
        seed=3,
    )
    ours = torch.from_numpy(run_latents(recipe, model, tmp_path)[-1])
    monkeypatch.setattr(loop, "Solver", PublishedSolver)
    published = torch.from_numpy(run_latents(recipe, model, tmp_path)[-1])
    error = (ours - published).square().mean() / (published.max() - published.min()) ** 2
    assert -10 * error.log10() > 60
