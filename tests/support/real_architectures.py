"""A pytest plugin with tiny models that have the levels and block names of SDXL, SD 1.5 and SD 2.1, so that
their networks can be patched like the real ones.
"""

from dataclasses import replace

import pytest

from engine import load_model
from tests.support import single_file, tiny
from tests.support.slow_cases import slow_cases

SDXL_WIDTHS = (16, 16, 16)
SD_WIDTHS = (16, 16, 16, 16)


@pytest.fixture(scope="session")
def models_by_architecture(tmp_path_factory):
    """Tiny models by the architecture that they are built like."""
    root = tmp_path_factory.mktemp("architectures")
    sdxl = load_model(tiny.write(root / "sdxl", widths=SDXL_WIDTHS, layers=2), "cpu", "float32")
    sd15 = load_model(single_file.sd(root / "sd15", widths=SD_WIDTHS, layers=2), "cpu", "float32")
    sd21 = load_model(
        single_file.sd(
            root / "sd21", widths=SD_WIDTHS, layers=2, linear=True, prediction_type="v_prediction"
        ),
        "cpu",
        "float32",
    )
    # SD 2.1 is recognized by the width of its text embeddings, 1024, which a tiny model lacks.
    return {"sdxl": sdxl, "sd15": sd15, "sd21": replace(sd21, facts=replace(sd21.facts, architecture="sd21"))}


@pytest.fixture(params=["sdxl", "sd15", *slow_cases("sd21")])
def architecture_model(request, models_by_architecture):
    """Each of these models in turn."""
    return models_by_architecture[request.param]
