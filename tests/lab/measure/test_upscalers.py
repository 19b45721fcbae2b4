"""Measurements of upscalers."""

import json

import numpy as np
import pytest
from PIL import Image

from engine.paths import ASSETS
from lab.measure import upscalers
from lab.measure.upscalers import ANIME, LANCZOS, ROUND_TRIP, SHRUNK, Pair, Score
from lab.measure.vae_quality import EvaluatedVae
from lab.world.scenes import held_out_scenes, render

POSTCARDS = ASSETS / "postcards"
SCENE = held_out_scenes(1)[0]


@pytest.fixture(scope="module")
def vae():
    return EvaluatedVae(POSTCARDS)


@pytest.mark.parametrize("side", [512, 1024])
def test_a_pair_is_the_middle_of_a_rendering_and_its_mean_colours(vae, side):
    pair = upscalers.make_pair(SCENE, SHRUNK, side, vae)
    corner = (side - 512) // 2
    whole = render(SCENE, (side, side))
    assert np.array_equal(pair.true, whole[corner : corner + 512, corner : corner + 512])
    means = pair.true.reshape(256, 2, 256, 2, 3).mean((1, 3))
    assert np.abs(pair.small - means).max() <= 0.5


def test_the_vae_changes_a_small_picture_a_little(vae):
    plain, worn = (upscalers.make_pair(SCENE, kind, 512, vae) for kind in (SHRUNK, ROUND_TRIP))
    assert np.array_equal(plain.true, worn.true)
    assert 0.5 < np.abs(plain.small.astype(float) - worn.small).mean() < 20


def test_pictures_are_doubled_by_pillows_lanczos_filter_without_a_network():
    picture = np.random.RandomState(0).randint(0, 256, (12, 20, 3), np.uint8)
    expected = Image.fromarray(picture).resize((40, 24), Image.Resampling.LANCZOS)
    assert np.array_equal(upscalers.double(picture, None), np.asarray(expected))


def test_a_blurred_picture_has_fewer_slopes_and_a_wrong_one_fewer_decibels():
    true = np.random.RandomState(0).randint(0, 256, (16, 16, 3), np.uint8)
    pair = Pair(SHRUNK, 512, SCENE, true[::2, ::2], true)
    flat = upscalers.score(pair, LANCZOS, np.full_like(true, 128))
    half = upscalers.score(pair, LANCZOS, ((true.astype(int) + 128) // 2).astype(np.uint8))
    assert flat.slopes == 0
    assert half.slopes / half.true_slopes == pytest.approx(0.5, abs=0.01)
    assert half.decibels - flat.decibels == pytest.approx(6, abs=0.1)


def scores():
    """Return scores of two upscalers on two shrunk pairs and two round trips of each size."""
    made = {LANCZOS: (30.0, 80.0), ANIME: (31.5, 120.0)}
    return [
        Score(title, kind, side, ground, "day", decibels + gain, slopes, 100.0)
        for kind in (SHRUNK, ROUND_TRIP)
        for side in upscalers.SIDES
        for ground, gain in (("sand", 0.0), ("snow", 2.0))
        for title, (decibels, slopes) in made.items()
    ]


def test_the_summary_compares_with_lanczos():
    rows = upscalers.summary_rows(scores())
    assert len(rows) == 8
    assert rows[-1] == {
        "upscaler": ANIME,
        "kind": SHRUNK,
        "side": 1024,
        "pairs": 2,
        "decibels": 32.5,
        "over_lanczos": 1.5,
        "lowest_over_lanczos": 1.5,
        "slopes": 1.2,
    }


def test_the_tables_have_a_line_for_each_size_ground_and_sky():
    summary, gains = upscalers.summary_table(scores()), upscalers.gain_table(scores())
    assert "| shrunk, 256 to 512 px | 31.0 dB, 80% | 32.5 dB, 120% |" in summary
    assert "| sand | +1.5, 120% | +1.5, 120% |" in gains
    assert [line.split(" | ")[0] for line in gains.splitlines()[2:]] == ["| sand", "| snow", "| day"]


def test_the_report_ends_with_the_summary_as_json():
    lines = upscalers.report(scores()).split("```")[1].splitlines()[1:]
    assert [json.loads(line) for line in lines] == upscalers.summary_rows(scores())


def test_a_folder_without_an_upscaler_has_no_row_of_its_own(tmp_path):
    titles = list(upscalers.available_upscalers(tmp_path))
    assert titles[0] == LANCZOS
    assert set(titles) <= {LANCZOS, ANIME}


@pytest.mark.slow
def test_the_figure_shows_the_truth_at_the_right():
    figure = np.asarray(upscalers.figure(POSTCARDS))
    number, (top, left), _ = upscalers.FIGURE_PARTS[0]
    part = render(held_out_scenes(number + 1)[number], (512, 512), (top, left, 224, 224))
    title = upscalers.TITLE_PX
    assert np.array_equal(figure[title : title + 224, -224:], part)
