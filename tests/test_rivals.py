"""Direct inference and MultiDiffusion as rows of the engine are what a loop of thirty lines says they are."""

import numpy as np
import pytest

from engine import Recipe, load_model
from lab import rivals
from tests.toys import latents

CLOSE = 1e-5


class First:
    """The noise that the plain loop begins with."""

    def base(self, shape):
        return np.random.RandomState(3).standard_normal(shape)


@pytest.mark.parametrize(("method", "stride"), [("direct", None), ("multidiffusion", 16)])
def test_a_row_is_the_plain_loop(method, stride, tmp_path):
    model = load_model("assets/postcards", "cpu", "float32")
    recipe = Recipe(
        prompt="a red house", negative="", method=method, scales=(1, 2), scheduler="ddim", steps=4,
        guidance=5.0, stride=stride, feather=False,
    )  # fmt: skip
    (ours,) = latents(recipe, model, tmp_path, noise=First())
    theirs = rivals.draw(model, "a red house", (64, 64), stride=stride, steps=4, guidance=5.0, seed=3).numpy()
    assert np.abs(ours - theirs).max() / np.abs(theirs).max() < CLOSE
