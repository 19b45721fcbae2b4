"""A film that zooms from a run's smallest stage into its largest."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from engine.export import film
from engine.export.caption import CAPTIONED_FILE, caption_image
from engine.export.film import FILM_FILE, make_zoom_film
from engine.runs import store
from engine.runs.cache import RunCache
from tests.support.stored_stages import stage_folders, store_stage


def frames_of(path):
    """Yield (duration in milliseconds, picture) of every frame of a film."""
    with Image.open(path) as file:
        for n in range(file.n_frames):
            file.seek(n)
            file.load()
            yield file.info["duration"], np.asarray(file.convert("RGB")).astype(int)


def test_a_film_is_a_loop_of_three_seconds(run):
    path = make_zoom_film(stage_folders(run), run / FILM_FILE)
    with Image.open(path) as file:
        assert file.format == "WEBP"
        assert file.size == (512, 512)
        assert file.info["loop"] == 0
        assert '"seed": 42' in file.getexif()[film.EXIF_DESCRIPTION]
    assert 2950 <= sum(duration for duration, _ in frames_of(path)) <= 3050


def test_larger_stages_appear_one_after_the_other(run):
    greys = [
        int(picture[100, 256, 0])
        for _, picture in frames_of(make_zoom_film(stage_folders(run), run / FILM_FILE))
    ]
    assert greys[0] == pytest.approx(40, abs=3)
    deepest = next(n for n, grey in enumerate(greys) if grey >= 197)
    assert all(a <= b + 3 for a, b in pairwise(greys[: deepest + 1]))
    assert any(abs(grey - 120) <= 3 for grey in greys[:deepest])
    assert greys[-1] < 110


def test_a_film_ends_at_one_picture_pixel_per_frame_pixel(tmp_path):
    run = store.create_run(tmp_path)
    stripes = np.zeros((1024, 2048, 3), np.uint8)
    stripes[:, ::2] = 255
    small = store_stage(run, 1, Image.new("RGB", (512, 256), (127,) * 3))
    large = store_stage(run, 2, Image.fromarray(stripes))
    frames = [
        picture for _, picture in frames_of(make_zoom_film([small, large], run / FILM_FILE, (0.3, 0.9)))
    ]
    assert frames[0].shape == (256, 512, 3)
    sharpest = max(np.abs(np.diff(frame[100, :, 1])).mean() for frame in frames)
    assert sharpest > 150


def test_the_film_zooms_into_the_chosen_place(tmp_path):
    run = store.create_run(tmp_path)
    picture = np.zeros((1024, 1024, 3), np.uint8)
    picture[700:740, 300:340] = 255
    folder = store_stage(run, 1, Image.fromarray(picture))
    brightest = max(
        float(frame[236:276, 236:276].mean())
        for _, frame in frames_of(make_zoom_film([folder], run / FILM_FILE, (720 / 1024, 320 / 1024)))
    )
    assert brightest > 245


@pytest.mark.parametrize("centre", [(0, 0), (1, 1), (-3, 9)])
@pytest.mark.parametrize("size", [(64, 64), (200, 50), (600, 1200)])
def test_any_place_and_any_shape_can_be_zoomed_into(size, centre, tmp_path):
    run = store.create_run(tmp_path)
    with Image.open(
        make_zoom_film([store_stage(run, 1, Image.new("RGB", size))], run / FILM_FILE, centre)
    ) as file:
        assert max(file.size) == 512


def test_exports_are_no_stages_and_leave_no_partial_files(run, tmp_path):
    before = store.finished_stages(run)
    caption_image(stage_folders(run)[-1], run / CAPTIONED_FILE)
    make_zoom_film(stage_folders(run), run / FILM_FILE)
    assert store.finished_stages(run) == before
    assert {path.name for path in run.iterdir() if not path.is_dir()} == {CAPTIONED_FILE, FILM_FILE}
    cache = RunCache(tmp_path)
    assert [found.folder for found in cache.longest_chain([f"{n:032x}" for n in (1, 2, 3)])] == stage_folders(
        run
    )
    cache.remove_run(run)
    assert cache.runs() == []
