"""The second stage's corruption, loss and sampler against the published code's numbers."""

import json

import pytest
import torch

from lab import relay
from lab.relay.networks import SECOND, Network
from tests.lab.relay.cases import CASES, NOISE, PICTURE, assert_close, denoiser, stored

SETTINGS = json.loads(str(CASES["settings"]))


def network_of_the_cases(y, c_noise):
    return torch.tanh(0.7 * y + 0.3 * y.roll(1, -1) + c_noise[:, None, None, None])


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("case", ["a", "b"])
def test_the_sampler_equals_the_published(case):
    held, name = SETTINGS[f"sampler/{case}"], f"sampler/{case}"
    calls = []

    def denoise(x, level):
        calls.append(level)
        return denoiser(held["denoiser"], stored(f"{name}/mean", PICTURE))(x, level)

    def draw(kind, k):
        noise = stored(f"{name}/{kind}", NOISE)
        return noise if kind == "first" else noise[k]

    levels = relay.levels(
        held["num_steps"], held["sigma_min"], held["sigma_max"], held["rho"], held["truncation_sigma"]
    )
    assert_close(levels, f"{name}/levels")
    made = relay.sample(
        denoise,
        stored(f"{name}/start", PICTURE),
        draw,
        levels,
        held["up_scale"],
        held["s_block"],
        held["s_noise"],
        held["truncation_t"],
        held["blur_sigma_max"],
        held["cfg_scale"],
    )
    assert_close(made, f"{name}/out")
    assert len(calls) == held["calls"]


@pytest.mark.parametrize("case", ["a", "c"])
@pytest.mark.parametrize("published", [True, False])
def test_corruption_and_loss_equal_the_published(case, published):
    held, name, suffix = SETTINGS[f"loss/{case}"], f"loss/{case}", "" if published else "_paper"
    noises = stored(f"{name}/noises", NOISE)
    given = (
        stored(f"{name}/pictures", PICTURE),
        stored(f"{name}/u"),
        noises[0],
        noises[1] if len(noises) > 1 else None,
        held["block_scale"],
        held["prob_length"],
        held["blur_sigma_max"],
        held["up_scale"],
        published,
    )
    x, levels, deviations = relay.corrupted(*given)
    assert_close(x, f"{name}/x{suffix}")
    assert_close(levels, f"{name}/levels")
    assert_close(deviations, f"{name}/deviations")
    assert_close(relay.loss(network_of_the_cases, *given), f"{name}/loss{suffix}")


def test_guidance_moves_away_from_the_unconditional_prediction():
    start, told, untold = random(1, 1, 8, 8), random(1, 1, 8, 8, seed=1), random(1, 1, 8, 8, seed=2)

    def sample(denoise, guidance):
        levels = relay.levels(12, 0.008, 80, 7, 0.9)
        return relay.sample(
            denoise, start, lambda kind, k: random(2, 1, 8, 8), levels, 4, 0.15, 0.2, 0.93, 3, guidance
        )

    guided = sample(lambda x, level, is_told: told if is_told else untold, 3.5)
    assert torch.allclose(guided, 3.5 * told - 2.5 * untold)
    assert torch.allclose(sample(lambda x, level: told, 1.0), told)


def test_the_sampler_returns_a_picture_that_the_denoiser_always_names():
    clean = random(2, 3, 12, 20)
    levels = relay.levels(18, 0.008, 80, 7, 0.9)
    made = relay.sample(
        lambda x, level: clean, clean + 1, lambda kind, k: random(2, 3, 12, 20), levels, 4, 0.15, 0.2, 0.93, 3
    )
    assert torch.equal(made, clean)


def test_the_loss_falls_in_a_tiny_training():
    torch.manual_seed(0)
    network, pictures = Network(SECOND), torch.rand(2, 3, 16, 16) - 0.5
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    u, white, source = torch.tensor([0.3, 0.8]), torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 16)
    losses = []
    for _ in range(12):
        loss = relay.loss(network, pictures, u, white, source, 0.15, 0.93, 3, 4).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
