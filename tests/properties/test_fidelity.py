"""How near a result stays to its start picture, on Postcards and a picture of its world."""

import numpy as np
import pytest
from PIL import Image

from engine import Recipe, load_model
from engine.catalogue.entries import model_entries
from engine.recipe import images
from lab.world.scenes import is_held_out, make_scene, phrases, render
from tests.support.run_results import last_stage, run_with_cache

pytestmark = pytest.mark.slow

UNSEEN = [one for one in map(make_scene, range(100)) if is_held_out(one)][1]
STEPS = 8


@pytest.fixture(scope="module")
def postcards():
    return load_model(model_entries()[0].source, "cpu", "float32")


def drawn(folder, side):
    """A picture of the world that Postcards was not taught, as a file."""
    path = folder / f"{side}.png"
    Image.fromarray(render(UNSEEN, (side, side))).save(path)
    return path


def psnr(made, true):
    apart = np.asarray(made, np.float64) - np.asarray(true, np.float64)
    return float(-10 * np.log10(np.square(apart / 255).mean()))


def made(model, out, image, fidelity):
    """The result at 512 px."""
    recipe = Recipe(
        prompt=phrases(UNSEEN)[0], image=str(image), fidelity=fidelity, scales=(1, 2), steps=STEPS
    )
    return images.read(last_stage(run_with_cache(recipe, model, out)).image)


def test_more_fidelity_is_nearer_to_the_picture(postcards, tmp_path):
    image = drawn(tmp_path, 256)
    levels = []
    for fidelity in (0, 0.25, 0.5, 0.75, 1):
        shrunk = images.crop_to_fill(made(postcards, tmp_path, image, fidelity), (256, 256))
        levels.append(psnr(shrunk, images.read(image)))
    assert levels == sorted(levels)
    assert levels[-1] > 28
    assert levels[-1] - levels[0] > 6


def test_a_larger_picture_keeps_its_detail(postcards, tmp_path):
    """What lies between 256 and 512 px is in the result only if the second stage starts from the original."""
    large, small = drawn(tmp_path, 512), tmp_path / "shrunk.png"
    true = images.read(large)
    images.crop_to_fill(true, (256, 256)).save(small)
    kept, lost = (psnr(made(postcards, tmp_path, image, 1), true) for image in (large, small))
    assert kept > lost + 0.5
