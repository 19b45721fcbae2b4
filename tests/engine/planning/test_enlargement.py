"""The passes and tiles by which an upscaler reaches a size."""

import pytest

from engine.planning.enlargement import list_passes, list_tiles, network_pixels, tile_count


def test_the_network_runs_until_the_picture_is_large_enough():
    assert list_passes((100, 60), (200, 120), 2) == [((100, 60), (200, 120))]
    assert list_passes((100, 60), (150, 90), 2) == [((100, 60), (150, 90))]
    assert list_passes((100, 60), (300, 180), 2) == [((100, 60), (200, 120)), ((200, 120), (300, 180))]
    assert list_passes((100, 60), (400, 240), 4) == [((100, 60), (400, 240))]


def test_no_picture_in_between_is_larger_than_the_size_that_is_wanted():
    assert list_passes((64, 1000), (256, 500), 2) == [((64, 1000), (128, 500)), ((128, 500), (256, 500))]


@pytest.mark.parametrize("size", [(100, 60), (99, 60), (10, 10)])
def test_no_network_runs_on_a_picture_that_is_large_enough(size):
    assert list_passes((100, 60), size, 2) == []
    assert tile_count((100, 60), size, 2) == 1
    assert network_pixels((100, 60), size, 2, 32) == 0


def test_a_tile_has_its_surroundings_except_at_the_edges():
    step = list_passes((100, 60), (200, 120), 2)[0]
    tiles = list_tiles(step, surroundings=10, side=50)
    assert len(tiles) == 4
    # The tile's px in the enlarged picture, those from which it is made, and those with its surroundings.
    assert tiles[0].rows == (0, 100, 0, 50, 0, 60)
    assert tiles[0].cols == (0, 60, 0, 30, 0, 40)
    assert tiles[3].rows == (100, 200, 50, 100, 40, 100)
    assert tiles[3].cols == (60, 120, 30, 60, 20, 60)


def test_a_tile_of_a_shrunk_picture_reads_every_px_that_it_covers():
    step = list_passes((10, 10), (15, 15), 2)[0]
    rows = [tile.rows for tile in list_tiles(step, surroundings=0, side=4)]
    # 15 px are made from 10, so that a tile from px 5 to 10 covers 3 1/3 to 6 2/3.
    assert rows[3][:4] == (5, 10, 3, 7)


@pytest.mark.parametrize(
    ("source", "size", "side"),
    [
        ((100, 60), (200, 120), 32),
        ((31, 17), (50, 61), 7),
        ((5, 400), (19, 3), 16),
        ((64, 64), (128, 128), None),
    ],
)
def test_tiles_cover_the_enlarged_picture_once(source, size, side):
    for step in list_passes(source, size, 2):
        covered = [[0] * step.target[1] for _ in range(step.target[0])]
        for rows, cols in list_tiles(step, 8, side):
            for row in range(rows.start, rows.stop):
                for col in range(cols.start, cols.stop):
                    covered[row][col] += 1
        assert {count for line in covered for count in line} == {1}


def test_tiles_are_counted_over_all_passes():
    # 2 x 1 tiles in the first pass from 100 x 60 px, 4 x 3 in the second from 200 x 120 px.
    assert tile_count((100, 60), (400, 240), 2, 50) == 4 + 12
    assert tile_count((100, 60), (400, 240), 4, 50) == 4
    assert tile_count((100, 60), (400, 240), 4, None) == 1
    assert tile_count((100, 60), (400, 240), 1) == 1


def test_the_network_is_given_the_surroundings_too():
    assert network_pixels((100, 60), (200, 120), 2, 10, None) == 100 * 60
    assert network_pixels((100, 60), (200, 120), 2, 10, 50) == (60 + 60) * (40 + 40)
    assert network_pixels((100, 60), (200, 120), 1, 0) == 0
