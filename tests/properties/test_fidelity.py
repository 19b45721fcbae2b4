"""How close a result stays to its start image, with the Postcards model and a scene it was not trained on."""

import numpy as np
import pytest
from PIL import Image

from engine import Recipe, load_model
from engine.catalogue.entries import model_entries
from engine.recipe import images
from lab.world.scenes import is_held_out, make_scene, phrases, render
from tests.support.run_results import last_stage, run_with_cache

pytestmark = pytest.mark.slow

HELD_OUT_SCENE = [one for one in map(make_scene, range(100)) if is_held_out(one)][1]
STEPS = 8


@pytest.fixture(scope="module")
def postcards():
    """The bundled Postcards model."""
    return load_model(model_entries()[0].source, "cpu", "float32")


def save_scene(folder, side):
    """Save a picture of a scene that Postcards was not trained on."""
    path = folder / f"{side}.png"
    Image.fromarray(render(HELD_OUT_SCENE, (side, side))).save(path)
    return path


def psnr(picture, reference):
    """Compute the peak signal-to-noise ratio of a picture, in dB."""
    difference = np.asarray(picture, np.float64) - np.asarray(reference, np.float64)
    return float(-10 * np.log10(np.square(difference / 255).mean()))


def make_picture(model, out, image, fidelity):
    """Make a picture of 512 px from a start image."""
    recipe = Recipe(
        prompt=phrases(HELD_OUT_SCENE)[0], image=str(image), fidelity=fidelity, scales=(1, 2), steps=STEPS
    )
    return images.read(last_stage(run_with_cache(recipe, model, out)).image)


def test_more_fidelity_is_closer_to_the_start_image(postcards, tmp_path):
    image = save_scene(tmp_path, 256)
    levels = []
    for fidelity in (0, 0.25, 0.5, 0.75, 1):
        shrunk = images.crop_to_fill(make_picture(postcards, tmp_path, image, fidelity), (256, 256))
        levels.append(psnr(shrunk, images.read(image)))
    assert levels == sorted(levels)
    assert levels[-1] > 27
    assert levels[-1] - levels[0] > 6


def test_detail_of_a_large_start_image_is_kept(postcards, tmp_path):
    """Detail finer than 256 px is in the result only if the second stage starts from the original image."""
    large, small = save_scene(tmp_path, 512), tmp_path / "shrunk.png"
    true = images.read(large)
    images.crop_to_fill(true, (256, 256)).save(small)
    kept, lost = (psnr(make_picture(postcards, tmp_path, image, 1), true) for image in (large, small))
    assert kept > lost + 0.5
