"""EDM's levels, preconditioning and sampler."""

import json

import pytest
import torch

from lab.relay import edm
from tests.lab.relay.cases import CASES, NOISE, PICTURE, assert_close, denoiser, stored


def test_levels_equal_the_published():
    steps, least, most, rho, cut = CASES["levels/a/given"].tolist()
    assert_close(edm.levels(int(steps), least, most, rho, cut), "levels/a/out")


def test_levels_fall_from_the_most_to_the_least():
    falling = edm.levels(5, 0.002, 80, 7)
    assert falling[[0, -1]].tolist() == pytest.approx([80, 0.002])
    assert (falling.diff() < 0).all()


def test_the_sampler_equals_the_published():
    held = json.loads(str(CASES["settings"]))["edm/a"]
    calls, noises = [], stored("edm/a/noises", NOISE)

    def denoise(x, level):
        calls.append(level)
        return denoiser(held["denoiser"], stored("edm/a/mean", PICTURE))(x, level)

    levels = edm.levels(held["num_steps"], held["sigma_min"], held["sigma_max"], held["rho"])
    made = edm.sample_edm(
        denoise, stored("edm/a/first", NOISE), lambda k: noises[k][None], levels, held["S_churn"]
    )
    assert_close(made, "edm/a/out")
    assert len(calls) == held["calls"]


def test_at_a_low_level_the_noisy_picture_is_kept_and_at_a_high_one_the_network_decides():
    x = torch.full((2, 3, 4, 4), 0.25, dtype=torch.float64)
    made = edm.denoised(lambda y, c: torch.ones_like(y), x, torch.tensor([1e-4, 1e4], dtype=torch.float64))
    assert made[0].mean().item() == pytest.approx(0.25, abs=1e-3)
    assert made[1].mean().item() == pytest.approx(0.5, abs=1e-3)


def test_the_weight_makes_all_levels_count_alike_and_is_capped():
    levels = torch.tensor([0.001, 0.5, 80.0], dtype=torch.float64)
    assert edm.loss_weight(levels).tolist() == pytest.approx([1e5, 8, 4.0002], rel=1e-3)
