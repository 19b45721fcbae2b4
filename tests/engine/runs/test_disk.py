"""The disk space that runs take, and the estimate of what a run will take."""

import numpy as np
import pytest
from PIL import Image

from engine import Recipe, plan
from engine.runs import store
from engine.runs.disk import disk_usage, estimate_bytes
from tests.support.planning import make_facts

SDXL = make_facts()


def noise_picture(height, width):
    """Return a picture that cannot be compressed."""
    pixels = np.random.RandomState(0).randint(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize(("height", "width"), [(1024, 1024), (1536, 640)])
def test_the_estimate_is_enough_for_a_picture_of_noise_and_not_twice_too_much(height, width, tmp_path):
    (stage,) = plan(Recipe(height=height, width=width, scales=(1,)), SDXL).stages
    latents = np.random.RandomState(0).standard_normal((1, 4, stage.rows, stage.cols)).astype(np.float32)
    stored = store.StoredStage(latents, (0.0, 1.0), {})
    store.write_stage(tmp_path, 1, "a" * 32, stored, noise_picture(*stage.size))
    assert disk_usage([tmp_path]) <= estimate_bytes([stage]) <= 2 * disk_usage([tmp_path])


def test_the_estimate_of_a_plan_is_the_sum_of_its_stages():
    stages = plan(Recipe(scales=(1, 2, 4)), SDXL).stages
    assert estimate_bytes(stages) == sum(estimate_bytes([stage]) for stage in stages)
    assert 100e6 < estimate_bytes(stages) < 200e6
    assert estimate_bytes([]) == 0


def test_a_shared_file_counts_once(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (one / "file").write_bytes(bytes(100_000))
    (two / "link").hardlink_to(one / "file")
    (two / "own").write_bytes(bytes(50_000))
    assert 150_000 <= disk_usage([one, two]) < 200_000
    assert disk_usage([one], unshared_only=True) == 0
    assert 50_000 <= disk_usage([two], unshared_only=True) < 100_000
