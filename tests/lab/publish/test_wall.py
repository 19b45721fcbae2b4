"""The wall shows each picture whole, and a part of it at 1:1 beside it."""

import numpy as np

from lab.publish.wall import GAP, PICTURE_PX, PROMPT_PX, TITLE_PX, draw_wall


def test_each_picture_stands_in_its_row_and_column_beside_its_middle():
    side = 4 * PICTURE_PX
    pictures = [np.full((side, side, 3), value, np.uint8) for value in (40, 80, 120, 160)]
    pictures[3][side // 2 - 60 : side // 2 + 60, side // 2 - 60 : side // 2 + 60] = 240
    wall = np.asarray(draw_wall([("a", pictures[:2]), ("b", pictures[2:])], ["one", "two"]))
    cell, half = 2 * PICTURE_PX + 2 * GAP, PICTURE_PX // 2
    rows = [PROMPT_PX + half, PROMPT_PX + PICTURE_PX + GAP + half]
    cols = [TITLE_PX + half, TITLE_PX + cell + half]
    assert [wall[rows[0], col, 0] for col in cols] == [40, 80]
    assert wall[rows[1], cols[0], 0] == 120
    # The square of 120 px has 30 px in the whole picture, and 120 px in the part.
    assert (wall[rows[1], cols[1] - half : cols[1] + half, 0] > 200).sum() in range(28, 33)
    assert (wall[rows[1], cols[1] + half : cols[1] + 3 * half, 0] > 200).sum() == 120


def test_a_wide_picture_keeps_its_shape():
    wide = np.full((PICTURE_PX, 2 * PICTURE_PX, 3), 90, np.uint8)
    wall = np.asarray(draw_wall([("wide", [wide])], ["one"]))
    column = wall[PROMPT_PX : PROMPT_PX + PICTURE_PX, TITLE_PX + PICTURE_PX // 2, 0]
    assert (column == 90).sum() == PICTURE_PX // 2
