"""The networks of both stages: shapes, conditions, and the second stage at any size."""

import pytest
import torch

from lab.relay.networks import FIRST, SECOND, Network
from lab.relay.words import NO_WORD


def ready(shape):
    """Return a network none of whose layers is zero, as if it were trained."""
    torch.manual_seed(0)
    network = Network(shape).eval().requires_grad_(False)
    for value in network.parameters():
        if not value.any():
            torch.nn.init.normal_(value, std=0.05)
    return network


def pixels(*size, seed=0):
    return torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("shape", "least", "most"), [(FIRST, 1.1e6, 1.7e6), (SECOND, 1.0e6, 1.4e6)])
def test_both_networks_are_small(shape, least, most):
    assert least < sum(value.numel() for value in Network(shape).parameters()) < most


@pytest.mark.parametrize("size", [(64, 64), (128, 192), (512, 512)])
def test_the_second_stage_runs_at_any_size(size):
    assert ready(SECOND)(pixels(*size), torch.zeros(1)).shape == (1, 3, *size)


def test_the_second_stage_draws_a_part_as_it_draws_the_whole():
    network, whole = ready(SECOND), pixels(256, 256)
    c_noise, inside = torch.tensor([-0.5]), slice(64, 64 + 32)
    part = network(whole[..., :160, :160], c_noise)[..., inside, inside]
    assert torch.allclose(network(whole, c_noise)[..., inside, inside], part, atol=1e-4)


def test_the_second_stage_treats_the_lines_between_crops_as_all_others():
    network, whole = ready(SECOND), pixels(256, 256)
    moved = torch.roll(whole, (8, 8), (-2, -1))
    made, made_moved = (network(x, torch.tensor([-0.5])) for x in (whole, moved))
    inside = (..., slice(100, 156), slice(100, 156))
    assert torch.allclose(torch.roll(made, (8, 8), (-2, -1))[inside], made_moved[inside], atol=1e-4)


def test_level_and_words_change_the_prediction():
    network, x = ready(FIRST), pixels(64, 64)
    level, words = torch.tensor([-0.5]), torch.tensor([[0, 1, 2, 3]])
    plain = network(x, level, words)
    assert plain.shape == x.shape
    for k in range(4):
        other = words.clone()
        other[0, k] = NO_WORD
        assert not torch.allclose(network(x, level, other), plain)
    assert not torch.allclose(network(x, level + 1, words), plain)


def test_a_new_network_predicts_nothing():
    assert not Network(SECOND)(pixels(16, 16), torch.zeros(1)).any()
