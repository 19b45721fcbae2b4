"""A row of the wall shows each picture whole and a part of it at 1:1, and is drawn once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lab.measure.table.command import TRUE, Bench
from lab.publish.wall import (
    COLUMN_PX,
    GAP,
    PICTURE_PX,
    TITLE_PX,
    draw_prompts,
    draw_row,
    hash_weights,
    make_row,
)


def test_each_picture_stands_in_its_column_beside_its_middle():
    side = 4 * PICTURE_PX
    pictures = [np.full((side, side, 3), value, np.uint8) for value in (40, 160)]
    pictures[1][side // 2 - 60 : side // 2 + 60, side // 2 - 60 : side // 2 + 60] = 240
    strip = np.asarray(draw_row("a", pictures))
    middle, half = PICTURE_PX // 2, PICTURE_PX // 2
    assert strip.shape == (PICTURE_PX + GAP, TITLE_PX + 2 * COLUMN_PX, 3)
    assert strip[middle, TITLE_PX + half, 0] == 40
    left = TITLE_PX + COLUMN_PX
    # The square of 120 px has 30 px in the whole picture, and 120 px in the part.
    assert (strip[middle, left : left + PICTURE_PX, 0] > 200).sum() in range(28, 33)
    assert (strip[middle, left + PICTURE_PX : left + 2 * PICTURE_PX, 0] > 200).sum() == 120


def test_a_wide_picture_keeps_its_shape():
    wide = np.full((PICTURE_PX, 2 * PICTURE_PX, 3), 90, np.uint8)
    column = np.asarray(draw_row("wide", [wide]))[:PICTURE_PX, TITLE_PX + PICTURE_PX // 2, 0]
    assert (column == 90).sum() == PICTURE_PX // 2


def test_prompts_are_as_wide_as_a_row():
    assert draw_prompts(["one", "two"]).width == draw_row("a", [np.zeros((8, 8, 3), np.uint8)] * 2).width


def test_a_row_is_drawn_again_only_if_it_depends_on_something_else(tmp_path, monkeypatch):
    bench, file = Bench(Path("assets/postcards"), "512", 1), tmp_path / "512-true.jpg"
    make_row(bench, TRUE, tmp_path)
    assert Image.open(file).width == TITLE_PX + COLUMN_PX
    monkeypatch.setattr(Bench, "pictures", lambda *_: pytest.fail("drawn again"))
    make_row(bench, TRUE, tmp_path)
    Image.new("RGB", (8, 8)).save(file, comment=b"other weights")
    with pytest.raises(pytest.fail.Exception, match="drawn again"):
        make_row(bench, TRUE, tmp_path)


def test_the_rows_in_the_repository_are_of_the_weights_in_it():
    weights = hash_weights(Path("assets/postcards"))
    rows = sorted(Path("lab/figures/wall").glob("*.jpg"))
    assert len(rows) > 5
    for row in rows:
        assert weights in Image.open(row).info["comment"].decode(), row.name
