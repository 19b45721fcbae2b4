"""A ControlNet of a patched network is patched with it, and restored afterwards."""

import numpy as np
import pytest

from engine import load_model
from tests.support import tiny
from tests.support.controlnets import save_controlnet
from tests.support.planning import small_recipe
from tests.support.real_architectures import SDXL_WIDTHS
from tests.support.run_results import max_difference, run_latents
from tests.support.slow_cases import slow_cases


@pytest.fixture(scope="module")
def model_and_controlnet(tmp_path_factory):
    """A model with the levels of SDXL, and the path of its ControlNet."""
    root = tmp_path_factory.mktemp("controlled")
    folder = tiny.write(root / "tiny", widths=SDXL_WIDTHS, layers=2)
    return load_model(folder, "cpu", "float32"), str(save_controlnet(folder, root / "controlnet"))


@pytest.mark.parametrize("side", [2, *slow_cases(4)])
@pytest.mark.parametrize("method", ["scalecrafter", "hidiffusion", *slow_cases("direct", "attention")])
def test_a_control_changes_the_picture_of_a_patched_network(
    method, side, model_and_controlnet, control_image, tmp_path
):
    model, source = model_and_controlnet
    control = {"image": control_image, "net": source}
    settings = {"method": method, "scales": (1, side), "steps": 4}
    before = run_latents(small_recipe(scales=(1,), controls=(control,)), model, tmp_path)
    (with_control,) = run_latents(small_recipe(**settings, controls=(control,)), model, tmp_path)
    (without,) = run_latents(small_recipe(**settings), model, tmp_path)
    assert np.isfinite(with_control).all()
    assert max_difference(with_control, without) > 1e-2
    after = run_latents(small_recipe(scales=(1,), controls=(control,)), model, tmp_path)
    assert before[0].tobytes() == after[0].tobytes()
