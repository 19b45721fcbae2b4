"""Enlarging a picture tile by tile."""

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from engine.planning.enlargement import TILE_SIDE, tile_count
from engine.upscale.load import load_upscaler
from engine.upscale.tiles import MIN_TILE_SIDE, TileDone, enlarge_picture
from tests.support.live_memory import measure_peak
from tests.support.pictures import save_squares
from tests.support.upscalers import needs_realesrgan, write_compact

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory):
    """A small network with random weights that doubles pictures."""
    path = write_compact(tmp_path_factory.mktemp("upscaler") / "net.safetensors")
    return load_upscaler(str(path))


@dataclass
class CountedUpscaler:
    """An upscaler that records the sizes of its tiles, and has memory for tiles up to a number of px only."""

    upscaler: object
    limit: int = 10**9
    fault: Exception = field(
        default_factory=lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory")
    )
    tiles: bool = True
    sizes: list = field(default_factory=list)

    @property
    def factor(self):
        return self.upscaler.factor

    @property
    def surroundings(self):
        return self.upscaler.surroundings

    def upscale(self, pixels, check=None):
        height, width = pixels.shape[-2:]
        if height * width > self.limit:
            raise self.fault
        self.sizes.append((height, width))
        return self.upscaler.upscale(pixels, check)


def enlarge(picture, size, upscaler, **settings):
    """Enlarge a picture; return the result and the progress."""
    steps, progress = enlarge_picture(picture, size, upscaler, **settings), []
    while True:
        try:
            progress.append(next(steps))
        except StopIteration as end:
            return end.value, progress


def noise(height, width, seed=0):
    """A picture of noise, in which every px of a tile's surroundings counts."""
    return Image.fromarray(np.random.RandomState(seed).randint(0, 256, (height, width, 3), np.uint8))


def largest_difference(one, other):
    return np.abs(np.asarray(one, int) - np.asarray(other, int)).max()


def to_levels(pixels):
    return (pixels[0].clamp(0, 1) * 255).permute(1, 2, 0).numpy()


def to_pixels(picture):
    return torch.tensor(np.array(picture)).permute(2, 0, 1)[None] / 255


SIZES = {
    "1": (40, 56), "1.5": (60, 84), "2": (80, 112), "3": (120, 168), "4": (160, 224), "odd": (97, 131),
    "oblong": (41, 200), "narrower": (130, 30),
}  # fmt: skip


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("tile", [16, 23, 40])
def test_tiles_equal_the_whole_picture_at_any_size(upscaler, size, tile):
    whole, _ = enlarge(noise(40, 56), size, upscaler, tile=1000)
    tiled, _ = enlarge(noise(40, 56), size, upscaler, tile=tile)
    assert whole.size == tiled.size == size[::-1]
    difference = np.abs(np.asarray(whole, int) - np.asarray(tiled, int))
    assert difference.max() <= 1  # Sums in another order may round otherwise.
    assert difference.mean() < 0.01


def test_twice_the_size_is_what_the_network_makes(upscaler):
    picture = noise(20, 30)
    enlarged, _ = enlarge(picture, (40, 60), upscaler)
    assert largest_difference(enlarged, to_levels(upscaler.upscale(to_pixels(picture))).round()) == 0


def test_a_size_in_between_is_shrunk_by_area(upscaler):
    picture = noise(20, 30)
    enlarged, _ = enlarge(picture, (30, 45), upscaler)
    doubled = to_levels(upscaler.upscale(to_pixels(picture)))
    expected = cv2.resize(doubled, (45, 30), interpolation=cv2.INTER_AREA)
    assert largest_difference(enlarged, expected.round()) <= 1


def test_four_times_the_size_is_the_network_applied_twice(upscaler):
    once, _ = enlarge(noise(20, 30), (40, 60), upscaler)
    twice, _ = enlarge(once, (80, 120), upscaler)
    assert enlarge(noise(20, 30), (80, 120), upscaler)[0].tobytes() == twice.tobytes()


def test_no_network_runs_on_a_picture_that_is_large_enough(upscaler):
    counted, picture = CountedUpscaler(upscaler), noise(40, 60)
    assert enlarge(picture, (40, 60), counted)[0].tobytes() == picture.tobytes()
    halved, progress = enlarge(picture, (20, 30), counted)
    means = np.asarray(picture, float).reshape(20, 2, 30, 2, 3).mean((1, 3))
    assert np.abs(np.asarray(halved) - means).max() <= 0.5
    assert progress == [TileDone(1, 1, TILE_SIDE)]
    assert counted.sizes == []


@pytest.mark.parametrize("size", [(90, 70), (20, 13)])
def test_without_a_network_pillows_lanczos_filter_is_used(size):
    enlarged, progress = enlarge(noise(40, 30), size, None)
    assert enlarged.tobytes() == noise(40, 30).resize(size[::-1], Image.Resampling.LANCZOS).tobytes()
    assert [tile[:2] for tile in progress] == [(1, 1)]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_a_picture_of_any_mode_becomes_rgb(upscaler, mode):
    picture = noise(16, 16).convert(mode)
    enlarged, _ = enlarge(picture, (32, 32), upscaler)
    assert enlarged.mode == "RGB"
    assert enlarged.tobytes() == enlarge(picture.convert("RGB"), (32, 32), upscaler)[0].tobytes()


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("tile", [16, 23, 1000])
def test_progress_counts_the_planned_tiles(upscaler, size, tile):
    _, progress = enlarge(noise(40, 56), size, upscaler, tile=tile)
    planned = tile_count((40, 56), size, upscaler.factor, tile)
    assert progress == [TileDone(done, planned, tile) for done in range(1, planned + 1)]


def test_no_tile_is_larger_than_asked_for(upscaler):
    counted = CountedUpscaler(upscaler)
    enlarge(noise(100, 130), (250, 300), counted, tile=32)
    assert max(max(size) for size in counted.sizes) <= 32 + 2 * upscaler.surroundings + 1


def test_an_upscaler_that_needs_the_whole_picture_is_given_it(upscaler):
    counted = CountedUpscaler(upscaler, tiles=False)
    _, progress = enlarge(noise(40, 56), (150, 200), counted, tile=16)
    assert counted.sizes == [(40, 56), (80, 112)]
    assert progress == [TileDone(1, 2, TILE_SIDE), TileDone(2, 2, TILE_SIDE)]


def test_smaller_tiles_are_used_when_memory_runs_out(upscaler):
    counted = CountedUpscaler(upscaler, limit=40**2)
    enlarged, progress = enlarge(noise(60, 90), (240, 360), counted)
    assert largest_difference(enlarged, enlarge(noise(60, 90), (240, 360), upscaler)[0]) <= 1
    assert {tile.tile for tile in progress} == {22}
    assert progress[-1].done == progress[-1].of == tile_count((60, 90), (240, 360), 2, 22)


def test_memory_may_run_out_in_a_later_pass(upscaler):
    counted = CountedUpscaler(upscaler, limit=3000)
    enlarged, progress = enlarge(noise(40, 50), (160, 200), counted)
    assert largest_difference(enlarged, enlarge(noise(40, 50), (160, 200), upscaler)[0]) <= 1
    assert progress[0] == TileDone(1, 2, TILE_SIDE)
    # The second pass has 2 x 2 tiles of at most 50 px instead of a single one.
    assert progress[1:] == [TileDone(done, 5, 50) for done in range(2, 6)]


def test_memory_that_is_too_short_for_the_smallest_tile_is_an_error(upscaler):
    counted = CountedUpscaler(upscaler, limit=10)
    with pytest.raises(RuntimeError, match="allocate memory"):
        enlarge(noise(2 * MIN_TILE_SIDE, 40), (100, 100), counted)


def test_other_errors_do_not_lead_to_smaller_tiles(upscaler):
    counted = CountedUpscaler(upscaler, limit=0, fault=RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        enlarge(noise(40, 40), (80, 80), counted)


def test_the_caller_can_end_it_between_two_tiles(upscaler):
    counted = CountedUpscaler(upscaler)
    steps = enlarge_picture(noise(64, 64), (128, 128), counted, tile=16)
    assert [next(steps).done for _ in range(3)] == [1, 2, 3]
    steps.close()
    assert len(counted.sizes) == 3
    assert list(steps) == []


def test_memory_does_not_grow_with_the_picture(upscaler):
    # Tensors only; the pictures themselves are in Pillow's memory, and none is larger than the result.
    peaks = [
        measure_peak(lambda side=side: enlarge(noise(side, side), (3 * side // 2,) * 2, upscaler, tile=32))
        for side in (128, 256)
    ]
    assert peaks[1] <= 1.05 * peaks[0]


@pytest.mark.slow
def test_8192_px_are_made_from_a_small_picture(upscaler):
    counted = CountedUpscaler(upscaler)
    picture, progress = enlarge(noise(256, 64), (8192, 2048), counted)
    assert picture.size == (2048, 8192)
    assert max(max(size) for size in counted.sizes) <= TILE_SIDE + 2 * upscaler.surroundings
    assert len(progress) == tile_count((256, 64), (8192, 2048), 2)


@pytest.mark.slow
@needs_realesrgan
def test_real_esrgan_x4plus_gives_the_stored_picture():
    picture = Image.open(HERE / "picture-64.png")
    enlarged, _ = enlarge(picture, (256, 256), load_upscaler("realesrgan"))
    assert largest_difference(enlarged, Image.open(HERE / "x4plus-64.png")) <= 1


@pytest.mark.slow
@needs_realesrgan
@pytest.mark.parametrize("name", ["realesr-animevideo", "realesrgan-anime", "realesrgan"])
def test_tiles_of_real_esrgan_equal_the_whole_picture(tmp_path, name):
    # A strip, cut where its sides are longer than what the network sees around a tile.
    picture = Image.open(save_squares(tmp_path / "squares.png")).convert("RGB").crop((30, 40, 210, 88))
    network = load_upscaler(name)
    whole, _ = enlarge(picture, (192, 720), network)
    tiled, progress = enlarge(picture, (192, 720), network, tile=90)
    assert len(progress) == 2
    difference = np.abs(np.asarray(whole, int) - np.asarray(tiled, int))
    assert difference.mean() < 0.1
    assert difference.max() < 2
