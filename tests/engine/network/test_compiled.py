"""A compiled network draws the same picture, with two sizes of batch."""

import numpy as np
import pytest
import torch

from engine import load_model
from engine.network.compiled import VARIABLE, ZERO_GPU_VARIABLE
from tests.support.planning import small_recipe
from tests.support.run_results import run_latents


@pytest.fixture
def compiled(monkeypatch, tiny_folder):
    """A tiny model that is compiled without a compiler: torch records its operations and replays them."""
    monkeypatch.setenv(VARIABLE, "eager")
    torch._dynamo.reset()
    yield load_model(tiny_folder)
    torch._dynamo.reset()


def assert_equal_pictures(compiled, model, recipe, folder):
    pairs = zip(run_latents(recipe, compiled, folder), run_latents(recipe, model, folder), strict=True)
    for made, expected in pairs:
        np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-5)


def test_a_compiled_network_draws_the_same_picture_with_two_sizes_of_batch(compiled, model, tmp_path):
    # Windows and dilated views of several stages, in batches of which the last ones are not full.
    recipe = small_recipe(scales=(1, 2, 3), view_batch=4)
    torch._dynamo.utils.counters.clear()
    assert_equal_pictures(compiled, model, recipe, tmp_path)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 2


def test_steps_with_patches_are_not_compiled(compiled, model, tmp_path):
    recipe = small_recipe(method="scalecrafter", scales=(1, 2))
    assert_equal_pictures(compiled, model, recipe, tmp_path)


def test_a_network_is_not_compiled_unless_it_is_asked_for(model):
    assert model.compiled is None


def test_nothing_is_compiled_where_a_gpu_is_lent_for_each_call(monkeypatch, tiny_folder):
    monkeypatch.setenv(VARIABLE, "eager")
    monkeypatch.setenv(ZERO_GPU_VARIABLE, "true")
    assert load_model(tiny_folder).compiled is None
