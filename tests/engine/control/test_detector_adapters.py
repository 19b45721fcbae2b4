"""Maps made by learned detectors: they match their picture in size and place, for any shape."""

import cv2
import numpy as np
import pytest
import torch

from engine.control import detector_adapters, detectors
from engine.control.detector_adapters import upsample_guided
from tests.support import detector_weights
from tests.support.detector_weights import colour_squares

LEARNED = ("hed", "pidi", "teed", "mlsd", "lineart_fine", "lineart_anime", "openpose", "normal")


@pytest.mark.slow
@pytest.mark.parametrize("kind", LEARNED)
def test_a_map_has_the_size_of_its_picture_and_is_repeatable(kind, hub_files, recwarn, capfd):
    detector_weights.save_detector(kind, hub_files(kind))
    capfd.readouterr()
    recwarn.clear()
    pixels = colour_squares(100, 150)
    before = pixels.copy()
    drawn = detectors.detect(kind, pixels)
    assert (drawn.shape, drawn.dtype) == ((100, 150, 3), np.uint8)
    assert drawn.flags["C_CONTIGUOUS"]
    assert kind == "normal" or (drawn == drawn[..., :1]).all()
    assert (detectors.detect(kind, pixels) == drawn).all()
    assert (pixels == before).all()
    assert capfd.readouterr().out == ""
    assert not [w for w in recwarn if "controlnet_aux" in str(w.filename)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hed", "lineart_fine", "mlsd"])
def test_pictures_are_padded_instead_of_resized_and_maps_cropped(kind, hub_files):
    """At a size that the package does not resize, the map is the package's; for other sizes it is cropped."""
    detector_weights.save_detector(kind, hub_files(kind))
    detectors.load_detector(kind)
    pixels = colour_squares(192, 128)
    made = detectors._loaded[kind].detector
    expected = made(pixels, detect_resolution=128, image_resolution=128, output_type="np")
    assert (detectors.detect(kind, pixels) == expected).all()
    repeated = np.concatenate([pixels[:150], np.repeat(pixels[149:150], 42, 0)])
    expected = made(repeated, detect_resolution=128, image_resolution=128, output_type="np")
    assert (detectors.detect(kind, pixels[:150]) == expected[:150]).all()


@pytest.mark.slow
def test_a_change_of_the_picture_changes_the_map_at_the_same_place(hub_files):
    detector_weights.save_detector("hed", hub_files("hed"))
    pixels = colour_squares(100, 300)
    changed = pixels.copy()
    changed[40:44, 230:234] = 255
    difference = np.abs(
        detectors.detect("hed", pixels)[..., 0].astype(int) - detectors.detect("hed", changed)[..., 0]
    )
    rows, cols = np.indices(difference.shape)
    assert abs((rows * difference).sum() / difference.sum() - 41.5) < 1
    assert abs((cols * difference).sum() / difference.sum() - 231.5) < 1


@pytest.mark.slow
def test_a_large_picture_is_detected_in_blended_tiles(hub_files, monkeypatch):
    detector_weights.save_detector("hed", hub_files("hed"))
    pixels = colour_squares(64, 1500)
    whole = detectors.detect("hed", pixels).astype(int)
    monkeypatch.setattr(detector_adapters, "TILE_SIDE", 1024)
    tiled = detectors.detect("hed", pixels)
    assert tiled.shape == whole.shape
    assert np.abs(tiled - whole).max() <= 8
    assert np.abs(tiled - whole).mean() < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("size", [(256, 512), (1024, 768)])
def test_a_figure_is_drawn_at_its_place_and_at_the_size_of_the_picture(size):
    figure = detector_adapters.PoseDetector(
        detector_weights.StandingFigureDetector((0.25, 0.25), (0.25, 0.5))
    )
    drawn = figure(np.zeros((*size, 3), np.uint8))
    assert drawn.shape == (*size, 3)
    rows, cols = np.nonzero(drawn.max(-1))
    high, wide = size
    assert abs(rows.min() - (high // 4 - 4)) <= 1
    assert abs(rows.max() - (high // 2 + 4)) <= 1
    assert (cols.min(), cols.max()) == (wide // 4 - 4, wide // 4 + 4)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(60, 100), (700, 40), (1100, 1100)])
def test_depth_maps_use_the_full_range_of_greys(size, hub_files):
    detector_weights.save_depth_model(hub_files("depth")[0].parent)
    drawn = detectors.detect("depth", colour_squares(*size))
    assert (drawn.shape, drawn.dtype) == ((*size, 3), np.uint8)
    assert (drawn.min(), drawn.max()) == (0, 255)
    assert (drawn == drawn[..., :1]).all()
    assert (detectors.detect("depth", colour_squares(*size)) == drawn).all()


@pytest.mark.slow
def test_the_nearest_place_of_a_depth_map_is_white(hub_files):
    detector_weights.save_depth_model(hub_files("depth")[0].parent)
    pixels = colour_squares(518, 518)
    drawn = detectors.detect("depth", pixels)
    network = detectors._loaded["depth"].network
    with torch.no_grad():
        inputs = torch.from_numpy(
            (pixels / 255 - detector_adapters.DEPTH_MEAN) / detector_adapters.DEPTH_DEVIATION
        ).permute(2, 0, 1)[None]
        near = network(inputs.float()).predicted_depth[0].numpy()
    assert drawn[np.unravel_index(near.argmax(), near.shape)].tolist() == [255] * 3
    assert drawn[np.unravel_index(near.argmin(), near.shape)].tolist() == [0] * 3


@pytest.mark.parametrize(("size", "whole"), [((64, 128), (64, 128)), ((65, 1), (128, 64))])
def test_padding_repeats_the_edge(size, whole):
    pixels = colour_squares(*size)
    seen = detector_adapters.pad_to_multiple(pixels, 64)
    assert seen.shape[:2] == whole
    assert (seen[: size[0], : size[1]] == pixels).all()
    assert (seen[-1] == seen[size[0] - 1]).all()
    assert (seen[:, -1] == seen[:, size[1] - 1]).all()


def test_an_enlarged_map_is_as_sharp_as_its_picture():
    """A bright disc is nearer than its dark surroundings. Found at an eighth of the size and enlarged, its rim
    would be at least eight px wide; refined by the picture it is as sharp as there.
    """
    rows, cols = np.indices((512, 512))
    disc = ((rows - 250) ** 2 + (cols - 260) ** 2 < 150**2)[..., None].repeat(3, -1)
    pixels = np.where(disc, 220, 40).astype(np.uint8)
    small = cv2.resize(pixels, (64, 64), interpolation=cv2.INTER_AREA)
    near = upsample_guided(small[..., 0] / 255 * 0.7, small, pixels)
    plain = cv2.resize(small[..., 0] / 255 * 0.7, (512, 512), interpolation=cv2.INTER_LINEAR)
    high, low = 220 / 255 * 0.7, 40 / 255 * 0.7
    between = [((m > low + 0.1) & (m < high - 0.1)).sum() for m in (near, plain)]
    assert near[250, 260] == pytest.approx(high, abs=0.02)
    assert near[10, 10] == pytest.approx(low, abs=0.02)
    assert between[0] == 0 < 1000 < between[1]


def test_a_map_that_is_not_enlarged_is_unchanged():
    pixels = np.zeros((20, 20, 3), np.uint8)
    levels = np.random.RandomState(0).rand(20, 20)
    assert upsample_guided(levels, pixels, pixels) is levels
