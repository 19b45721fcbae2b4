"""What is measured of Relay Diffusion's pictures."""

import json

import numpy as np
import pytest
import torch

from engine.paths import ASSETS
from lab.measure import relay_quality
from lab.measure.relay_quality import agreement, mean_slope
from lab.relay.networks import Network, Shape
from lab.relay.system import FIRST_STAGE, SECOND_STAGE, write_network


def test_the_slope_is_the_mean_difference_of_neighbours():
    ramp = np.broadcast_to((2 * np.arange(8, dtype=np.uint8))[None, :, None], (8, 8, 3))
    # 2 levels from column to column, and none from row to row.
    assert mean_slope([ramp, ramp]) == pytest.approx(1, abs=1e-4)


def test_agreement_compares_the_means_of_blocks_alone():
    grey = np.full((8, 8, 3), 100, np.uint8)
    checks = grey + np.indices((8, 8)).sum(0)[..., None] % 2 * 2 - 1
    assert agreement(checks.astype(np.uint8), grey) > 60
    # A tenth of the range apart: 20 dB.
    assert agreement(grey + 25, grey) == pytest.approx(20 * np.log10(255 / 25), abs=1e-3)


@pytest.mark.slow
def test_the_report_holds_a_table_and_a_row_of_json_and_pictures_are_drawn_once(tmp_path, monkeypatch):
    torch.manual_seed(0)
    shapes = {
        FIRST_STAGE: Shape((8, 32), (1, 1), (1, 0), (False, True), has_words=True),
        SECOND_STAGE: Shape((8, 8), (1, 1), (1, 0), (False, False)),
    }
    for stage, shape in shapes.items():
        write_network(Network(shape), tmp_path, stage)
    monkeypatch.setattr(relay_quality, "CACHE", tmp_path / "drawn")

    def report():
        return relay_quality.measure(ASSETS / "postcards", number=2, steps=12, relay_folder=tmp_path)

    text = report()
    numbers = json.loads(text.splitlines()[-1])["relay"]
    assert numbers["scenes"] == 2
    assert set(numbers["right"]["subject"]) == {"true", "enlarged", "whole"}
    assert numbers["slopes_over_truth"]["enlarged"] > 0
    assert "| subject |" in text
    assert len(list((tmp_path / "drawn").iterdir())) == 4
    monkeypatch.setattr(relay_quality, "enlarge", None)
    assert report() == text
