"""A ControlNet beside a bent network is bent with it, and is itself afterwards."""

import numpy as np
import pytest

from engine import load_model
from tests.support import tiny
from tests.support.controlnets import net
from tests.support.real_shapes import SDXL
from tests.support.toys import apart, latents, slowly, small


@pytest.fixture(scope="module")
def followed_by(tmp_path_factory):
    """A model of SDXL's levels, and its ControlNet."""
    root = tmp_path_factory.mktemp("led")
    folder = tiny.write(root / "tiny", widths=SDXL, layers=2)
    return load_model(folder, "cpu", "float32"), str(net(folder, root / "net"))


@pytest.mark.parametrize("method", ["scalecrafter", "hidiffusion", *slowly("direct", "attention")])
def test_what_is_drawn_at_once_follows_a_picture(method, followed_by, followed, tmp_path):
    model, source = followed_by
    control = {"image": followed, "net": source}
    asked = {"method": method, "scales": (1, 4), "steps": 4}
    (with_control,) = latents(small(**asked, controls=(control,)), model, tmp_path)
    (without,) = latents(small(**asked), model, tmp_path)
    assert np.isfinite(with_control).all()
    assert apart(with_control, without) > 1e-2
    before = latents(small(scales=(1,), controls=(control,)), model, tmp_path)
    latents(small(**asked, controls=(control,)), model, tmp_path)
    after = latents(small(scales=(1,), controls=(control,)), model, tmp_path)
    assert before[0].tobytes() == after[0].tobytes()
