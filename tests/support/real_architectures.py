"""Tiny models with the levels and block names of the real ones, whose networks bend. A pytest plugin."""

from dataclasses import replace

import pytest

from engine import load_model
from tests.support import single_file, tiny
from tests.support.slow_cases import slow_cases

SDXL_WIDTHS = (16, 16, 16)
SD_WIDTHS = (16, 16, 16, 16)


@pytest.fixture(scope="session")
def models_by_architecture(tmp_path_factory):
    """Models by the body that they are built as."""
    root = tmp_path_factory.mktemp("bodies")
    sdxl = load_model(tiny.write(root / "sdxl", widths=SDXL_WIDTHS, layers=2), "cpu", "float32")
    sd15 = load_model(single_file.sd(root / "sd15", widths=SD_WIDTHS, layers=2), "cpu", "float32")
    sd21 = load_model(
        single_file.sd(
            root / "sd21", widths=SD_WIDTHS, layers=2, linear=True, prediction_type="v_prediction"
        ),
        "cpu",
        "float32",
    )
    # A tiny one of 2.1 reads no texts of 1024 numbers, by which it would be known.
    return {"sdxl": sdxl, "sd15": sd15, "sd21": replace(sd21, facts=replace(sd21.facts, architecture="sd21"))}


@pytest.fixture(params=["sdxl", "sd15", *slow_cases("sd21")])
def architecture_model(request, models_by_architecture):
    """One of them after the other."""
    return models_by_architecture[request.param]
