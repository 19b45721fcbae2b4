"""Every view gets the part of the map at its own place, and lines keep their strength."""

from functools import partial
from itertools import product

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.control.maps import StageMaps, crop_map, resize_map
from engine.formulas.noise import Noise
from engine.planning import views
from engine.planning.plan import plan
from engine.planning.views import ViewPosition
from engine.recipe.controls import Control
from engine.recipe.recipe import Recipe
from tests.support.pictures import save_shapes
from tests.support.planning import make_facts

SOFT = Control(kind="tile")
SHAPES = {
    "square": {"scales": (1, 2)},
    "in between": {"width": 264, "height": 248, "scales": (1, 2)},
    "padded by one": {"width": 424, "height": 376, "scales": (1, 3)},
    "1:2": {"width": 384, "height": 192, "scales": (1, 2)},
    "three times, 2:1": {"width": 272, "height": 544, "scales": (1, 3)},
    "a stride of 5": {"width": 384, "height": 384, "scales": (1, 2, 3), "stride": 5},
}


def all_views(stage):
    """List all views of a stage, with windows shifted as at some step."""
    if stage.is_base:
        return views.whole_canvas(stage)
    shake = partial(Noise(3).jitter, stage.number, 4, (stage.rows, stage.cols))
    return (*views.windows(stage, shake), *(views.dilated_views(stage) if stage.dilation > 1 else ()))


def cells_of(stage, view):
    """Return the canvas row and column of every cell of a view; they are negative in the padding."""
    left, right, top, bottom = views.dilation_padding(stage) if view.position.spacing > 1 else (0, 0, 0, 0)
    rows, cols = (
        np.pad(np.arange(n), pads, constant_values=-1)
        for n, pads in ((stage.rows, (top, bottom)), (stage.cols, (left, right)))
    )
    return rows[view.rows], cols[view.cols]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_map_and_latent_show_the_same_place(shape):
    """Each px of the map holds its own place, so the mean over a cell of a view is the middle of that cell."""
    for stage in plan(Recipe(**shape), make_facts(window=16)).stages:
        height, width = stage.size
        where = np.zeros((height, width, 3), np.float32)
        where[..., 0], where[..., 1] = np.arange(height)[:, None], np.arange(width)
        for view in all_views(stage):
            rows, cols = cells_of(stage, view)
            seen = crop_map(SOFT, where, where, view.position, (len(rows), len(cols)), 8)
            assert seen.shape == (8 * len(rows), 8 * len(cols), 3)
            middle = seen.reshape(len(rows), 8, len(cols), 8, 3).mean((1, 3))
            # A cell of a dilated view at the picture's edge reaches beyond it, where the edge repeats.
            reach = view.position.spacing // 2 + view.position.spacing % 2
            inner = [(r >= reach) & (r < n - reach) for r, n in ((rows, stage.rows), (cols, stage.cols))]
            assert middle[inner[0], :, 0] == pytest.approx(_middles(rows[inner[0]], len(cols)), abs=1e-3)
            assert pytest.approx(_middles(cols[inner[1]], len(rows)), abs=1e-3) == middle[:, inner[1], 1].T


def _middles(cells, times):
    return np.repeat((8 * cells + 3.5)[:, None], times, 1)


def test_the_first_px_of_a_dilated_view():
    """Of view (1, 2) at factor 3, px (y, x) is at row 3 y + 8 - 8 and column 3 x + 16 - 8 of the map."""
    where = (
        np.arange(96, dtype=np.float32)[None, :, None] + 1000 * np.arange(96, dtype=np.float32)[:, None, None]
    )
    seen = crop_map(SOFT, *[np.repeat(where, 3, -1)] * 2, ViewPosition(1, 2, 3), (2, 2), 8)[..., 0]
    assert seen[0, 0] == pytest.approx(1000 * (0 + 1) + (8 + 1))
    assert seen[5, 7] == pytest.approx(1000 * (15 + 1) + (8 + 21 + 1))


def test_the_edge_of_the_picture_repeats_outside_it():
    grey = np.repeat(np.arange(16, dtype=np.uint8)[:, None, None], 16, 1).repeat(3, -1)
    seen = crop_map(SOFT, grey, grey, ViewPosition(-1, 0, 1), (3, 2), 8)[..., 0]
    assert seen[:8, 0].tolist() == [0] * 8
    assert seen[8:, 0].tolist() == list(range(16))


@pytest.fixture
def drawn(tmp_path):
    return save_shapes(tmp_path / "scene.png", 512)


@pytest.mark.parametrize("is_supplied", [False, True], ids=["of the picture", "supplied"])
def test_lines_keep_full_strength_in_every_view(drawn, is_supplied):
    stage = plan(Recipe(scales=(1, 2, 4)), make_facts(window=16)).stages[2]
    control = Control(kind="canny", given=is_supplied)
    made = StageMaps(control, drawn if not is_supplied else _lines(drawn), stage, None)
    for view in all_views(stage):
        rows, cols = cells_of(stage, view)
        seen = made.view_map(view.position, (len(rows), len(cols)))
        assert set(np.unique(seen)) <= {0, 255}
        if view.position.spacing > 1:
            # A line across the picture crosses a quarter as many px of the view.
            assert 0.5 < (seen > 0).sum() / ((made.full_map > 0).sum() / 4) < 3


def _lines(picture):
    return Image.fromarray(cv2.Canny(np.asarray(picture), 100, 200)).convert("RGB")


def test_a_soft_map_is_averaged_in_a_wide_view():
    board = np.indices((64, 64)).sum(0)[..., None].repeat(3, -1) % 2 * 200
    seen = crop_map(Control(kind="soft"), *[board.astype(np.uint8)] * 2, ViewPosition(1, 1, 2), (2, 2), 8)
    assert np.unique(seen).tolist() == [100]


def test_a_window_is_a_crop_of_the_map(drawn):
    stage = plan(Recipe(scales=(1, 2)), make_facts(window=16)).stages[1]
    made = StageMaps(Control(kind="canny"), drawn, stage, None)
    assert (made.view_map(ViewPosition(3, 5), (16, 16)) == made.full_map[24:152, 40:168]).all()


def test_each_stage_makes_its_map_of_the_original_image(drawn):
    """A small map is never enlarged: at every size lines are one or two px thin."""
    for stage in plan(Recipe(scales=(1, 2, 4)), make_facts(window=16)).stages:
        made = StageMaps(Control(kind="canny"), drawn, stage, None).full_map[..., 0] > 0
        assert made.shape == stage.size
        thick = made[:-2, :-2] & made[2:, 2:] & made[1:-1, 1:-1] & made[2:, :-2] & made[:-2, 2:]
        assert not thick.any()


@pytest.mark.parametrize("side", [128, 200])
def test_an_enlarged_picture_has_the_same_edges(drawn, side):
    """A picture enlarged four times has edges a quarter as steep per px. They are the edges of the original,
    within one of its px, and no others.
    """
    stage = plan(Recipe(scales=(1, 2, 4)), make_facts(window=16)).stages[2]
    small = drawn.resize((side, side), Image.Resampling.BOX)
    there = StageMaps(Control(kind="canny"), small, stage, None).full_map[..., 0] > 0
    here = StageMaps(Control(kind="canny"), drawn, stage, None).full_map[..., 0] > 0
    for found, expected in ((there, here), (here, there)):
        away = cv2.distanceTransform((~expected).astype(np.uint8), cv2.DIST_L2, 5)
        assert away[found].max() <= 512 / side


def test_a_supplied_line_map_is_reduced_by_its_strongest_px():
    drawn = np.zeros((300, 300, 3), np.uint8)
    drawn[::50] = 255
    small = resize_map(drawn, (128, 128), lines=True)
    assert small.shape == (128, 128, 3)
    assert np.unique(small).tolist() == [0, 255]
    assert (small[:, 0, 0] > 0).sum() == 6


def test_each_map_is_made_once(drawn, monkeypatch):
    stage = plan(Recipe(scales=(1, 2)), make_facts(window=16)).stages[1]
    made = StageMaps(Control(kind="canny"), drawn, stage, None)
    first = [made.view_map(ViewPosition(h, w, 2), (16, 16)) for h, w in product(range(2), repeat=2)]
    again = [made.view_map(ViewPosition(h, w, 2), (16, 16)) for h, w in product(range(2), repeat=2)]
    assert all(a is b for a, b in zip(first, again, strict=True))
