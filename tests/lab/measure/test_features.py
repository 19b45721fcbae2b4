"""Features of pictures, their crops and their scaling."""

import cv2
import numpy as np
import pytest

from engine.paths import ASSETS
from lab.measure.distances import paired_kernel
from lab.measure.features import (
    EFFICIENTNET,
    JUDGE,
    feature_functions,
    fit_scaling,
)
from lab.models.efficientnet import weights_path
from lab.world.scenes import held_out_scenes, render
from tests.lab.optional_weights import needs_efficientnet


@pytest.fixture(scope="module")
def functions():
    return feature_functions(ASSETS / "postcards")


def test_features_are_scaled_by_the_reference_alone():
    draw = np.random.RandomState(0)
    scaling = fit_scaling(np.array([[4.0, 0.0], [6.0, 4.0], [8.0, 8.0]]))
    assert scaling.mean.tolist() == [6, 4]
    assert scaling(np.array([[6.0, 4.0 + scaling.deviation[1]]])).tolist() == [[0, 1]]
    reference = draw.standard_normal((50, 3)) * [1, 20, 400] + 5
    assert fit_scaling(reference)(reference).std(0)[1:] == pytest.approx(1)


def test_no_feature_is_divided_by_less_than_the_median_deviation():
    deviation = fit_scaling(np.array([[0.0, 0.0, 0.0], [0.002, 2.0, 20.0]])).deviation
    assert deviation.tolist() == [1, 1, 10]


def test_features_have_the_dimensions_of_their_networks(functions):
    dimensions = {
        name: compute([np.zeros((256, 256, 3), np.uint8)]).shape[1] for name, compute in functions.items()
    }
    assert dimensions[JUDGE] == 624
    assert dimensions.get(EFFICIENTNET, 1280) == 1280
    assert (EFFICIENTNET in dimensions) == (weights_path() is not None)


def test_large_pictures_are_shrunk_by_area(functions):
    small = np.random.RandomState(0).randint(0, 256, (256, 256, 3), np.uint8)
    for compute in functions.values():
        assert compute([small.repeat(2, 0).repeat(2, 1)]) == pytest.approx(compute([small]), abs=1e-6)


@pytest.fixture(scope="module")
def scenes():
    return [render(one, (256, 256)) for one in held_out_scenes(16)]


@pytest.mark.parametrize("name", [JUDGE, pytest.param(EFFICIENTNET, marks=needs_efficientnet)])
def test_pictures_blurred_by_2_px_are_found_worse_than_the_truth(functions, scenes, name):
    true = functions[name](scenes)
    blurred = functions[name]([cv2.GaussianBlur(one, (0, 0), 2) for one in scenes])
    scaling = fit_scaling(true)
    assert paired_kernel(scaling(blurred), scaling(true), np.arange(16)).interval[0] > 0
