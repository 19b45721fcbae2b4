"""Both stages together: their files, and drawing with small networks of random weights."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from lab.relay import __main__ as command
from lab.relay.networks import Network, Shape
from lab.relay.system import FIRST_STAGE, SECOND_STAGE, draw_small, enlarge, load_network, write_network

SMALL_FIRST = Shape((8, 32), (1, 1), (1, 0), (False, True), has_words=True)
SMALL_SECOND = Shape((8, 8), (1, 1), (1, 0), (False, False))
WORDS = torch.tensor([[0, 1, 2, 3]])


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    for stage, shape in ((FIRST_STAGE, SMALL_FIRST), (SECOND_STAGE, SMALL_SECOND)):
        network = Network(shape)
        torch.nn.init.normal_(network.out.weight, std=0.05)
        write_network(network, tmp_path, stage)
    return tmp_path


def test_a_stage_is_read_as_it_was_written_apart_from_rounding(tmp_path):
    torch.manual_seed(0)
    network = Network(SMALL_FIRST)
    write_network(network, tmp_path, FIRST_STAGE)
    again = load_network(tmp_path, FIRST_STAGE)
    assert again.shape == SMALL_FIRST
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value.half().float())


def test_the_same_seed_draws_the_same_picture_and_another_seed_another_one(folder):
    first, second = (load_network(folder, stage) for stage in (FIRST_STAGE, SECOND_STAGE))
    small = draw_small(first, WORDS, seed=1, level_count=4)
    assert small.shape == (1, 3, 64, 64)
    assert torch.equal(small, draw_small(first, WORDS, seed=1, level_count=4))
    assert not torch.equal(small, draw_small(first, WORDS, seed=2, level_count=4))
    small = small[..., :16, :32]
    large = enlarge(second, small, seed=1, level_count=18)
    assert large.shape == (1, 3, 64, 128)
    assert torch.equal(large, enlarge(second, small, seed=1, level_count=18))
    assert not torch.equal(large, enlarge(second, small, seed=2, level_count=18))


def test_the_second_stage_begins_with_the_noised_small_picture_and_shows_each_evaluation(folder):
    second, kept = load_network(folder, SECOND_STAGE), []
    enlarge(second, torch.full((1, 3, 16, 16), 0.5), level_count=18, keep=lambda *both: kept.append(both))
    # Seven levels lie below the cut.
    assert len(kept) == 2 * 6 + 1
    assert kept[0][0].mean().item() == pytest.approx(0.5, abs=0.05)
    assert kept[0][0].std().item() == pytest.approx(0.892, abs=0.02)


def test_the_command_shows_the_stages_as_one_picture(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "stages.png"
    monkeypatch.setattr(
        sys, "argv", ["lab.relay", "a red house at night", "--of", str(folder), "--out", str(out)]
    )
    command.main()
    assert "names no ground" in capsys.readouterr().out
    picture = np.asarray(Image.open(out))
    assert picture.shape == (256, 4 * 256, 3)
    blocks = picture[:, :256].reshape(64, 4, 64, 4, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
