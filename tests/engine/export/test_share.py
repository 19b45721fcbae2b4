"""What is made of finished stages to be shown to others."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from engine import Fault, Recipe
from engine.export import lettering, share
from engine.export.share import DIVE, LABELLED, dive, labelled
from engine.recipe.recall import recall
from engine.recipe.recipe import to_dict
from engine.runs import files, store
from engine.runs.cache import RunCache
from engine.runs.store import StoredStage

GREY = {64: 40, 128: 120, 256: 200}
HOSTILE = "红房子 🏠 مرحبا नमस्ते \x00\u202e <img src=x onerror=alert(1)> ${5 \\ "


def kept(run, number, picture, **recipe):
    record = {"recipe": to_dict(Recipe(**{"prompt": "a red house", "seed": 42} | recipe)), "stage": number}
    latent = StoredStage(np.zeros((1, 4, 8, 8), np.float32), (0.0, 1.0), record)
    return store.write_stage(run, number, f"{number:032x}", latent, picture)


@pytest.fixture
def run(tmp_path):
    """Three stages, each of one grey."""
    run = store.create_run(tmp_path)
    for number, (side, grey) in enumerate(GREY.items(), 1):
        kept(run, number, Image.new("RGB", (side, side), (grey,) * 3))
    return run


def folders(run):
    return [folder for _, folder in store.finished_stages(run).values()]


def caption(monkeypatch, folder, to):
    """What is written under a picture."""
    drawn = []
    monkeypatch.setattr(share.ImageDraw.ImageDraw, "text", lambda self, place, text, **_: drawn.append(text))
    labelled(folder, to)
    return drawn


def moments(path):
    """The dive as a person sees it: (milliseconds, picture) of every frame."""
    with Image.open(path) as film:
        for n in range(film.n_frames):
            film.seek(n)
            film.load()
            yield film.info["duration"], np.asarray(film.convert("RGB")).astype(int)


def test_the_picture_stands_unchanged_over_its_caption(run):
    with Image.open(labelled(folders(run)[-1], run / LABELLED)) as sheet:
        assert sheet.width == 256
        assert sheet.height > 256 + 20
        assert (np.asarray(sheet)[:256] == 200).all()
        assert (np.asarray(sheet)[256:] < 100).any()


def test_the_labelled_picture_carries_the_recipe(run):
    assert recall(labelled(folders(run)[-1], run / LABELLED)).recipe == Recipe(prompt="a red house", seed=42)


def test_the_caption_tells_prompt_sizes_settings_and_seed(run, monkeypatch):
    lines = caption(monkeypatch, folders(run)[-1], run / LABELLED)
    assert lines[0] == "a red house"
    told = share.BETWEEN.join(lines[1:])
    for sign, spelled in (("›", "→"), ("alpha", "α"), ("sigma", "σ")):
        told = told.replace(sign, spelled)
    assert told == "64 → 128 → 256 · α 3 1 1 · σ 0.8 0.008 · seed 42"


def test_settings_without_effect_are_not_told():
    sizes = [(64, 48), (128, 96)]
    assert share._facts(Recipe(seed=5), 1, sizes[:1]) == ["64 × 48", "seed 5"]
    assert share._facts(Recipe(dilated=False), 2, sizes) == ["64 × 48 → 128 × 96", "α 3 – –", "seed 0"]
    assert share._facts(None, 2, sizes) == ["64 × 48 → 128 × 96"]


@pytest.mark.parametrize("family", [True, False])
@pytest.mark.parametrize("prompt", [HOSTILE * 20, "红" * 2000, "", " \n", "x" * 2000])
def test_any_prompt_can_be_drawn_in_any_font(prompt, family, tmp_path, monkeypatch):
    if not family:
        monkeypatch.setattr(lettering, "_family", lambda: None)
    lettering.font_of.cache_clear()
    run = store.create_run(tmp_path)
    labelled(kept(run, 1, Image.new("RGB", (96, 64)), prompt=prompt), run / LABELLED)
    lettering.font_of.cache_clear()
    with Image.open(run / LABELLED) as sheet:
        assert sheet.width == 96


def test_pillows_own_font_spells_what_it_lacks():
    font = lettering.ImageFont.load_default(20)
    assert lettering.drawable("256 → 512 · α 3 · σ 0.8", font) == "256 › 512 · alpha 3 · sigma 0.8"
    assert lettering.drawable("café 红房子 🏠 on\n snow", font) == "cafe … on snow"
    assert lettering.drawable("红房子", font) == ""


def test_a_picture_without_a_record_is_still_labelled(tmp_path):
    folder = tmp_path / "stage-1-x"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / store.PICTURE_FILE)
    assert labelled(folder, tmp_path / LABELLED).is_file()


def test_a_dive_is_a_loop_of_three_seconds(run):
    path = dive(folders(run), run / DIVE)
    with Image.open(path) as film:
        assert film.format == "WEBP"
        assert film.size == (512, 512)
        assert film.info["loop"] == 0
        assert '"seed": 42' in film.getexif()[share.DESCRIPTION]
    assert 2950 <= sum(duration for duration, _ in moments(path)) <= 3050


def test_larger_stages_come_in_one_after_the_other(run):
    greys = [int(picture[100, 256, 0]) for _, picture in moments(dive(folders(run), run / DIVE))]
    assert greys[0] == pytest.approx(40, abs=3)
    deepest = next(n for n, grey in enumerate(greys) if grey >= 197)
    assert all(a <= b + 3 for a, b in pairwise(greys[: deepest + 1]))
    assert any(abs(grey - 120) <= 3 for grey in greys[:deepest])
    assert greys[-1] < 110


def test_a_dive_ends_at_one_picture_pixel_per_frame_pixel(tmp_path):
    run = store.create_run(tmp_path)
    stripes = np.zeros((1024, 2048, 3), np.uint8)
    stripes[:, ::2] = 255
    small = kept(run, 1, Image.new("RGB", (512, 256), (127,) * 3))
    large = kept(run, 2, Image.fromarray(stripes))
    frames = [picture for _, picture in moments(dive([small, large], run / DIVE, (0.3, 0.9)))]
    assert frames[0].shape == (256, 512, 3)
    sharpest = max(np.abs(np.diff(frame[100, :, 1])).mean() for frame in frames)
    assert sharpest > 150


def test_the_place_is_reached(tmp_path):
    run = store.create_run(tmp_path)
    picture = np.zeros((1024, 1024, 3), np.uint8)
    picture[700:740, 300:340] = 255
    folder = kept(run, 1, Image.fromarray(picture))
    brightest = max(
        float(frame[236:276, 236:276].mean())
        for _, frame in moments(dive([folder], run / DIVE, (720 / 1024, 320 / 1024)))
    )
    assert brightest > 245


@pytest.mark.parametrize("centre", [(0, 0), (1, 1), (-3, 9)])
@pytest.mark.parametrize("size", [(64, 64), (200, 50), (600, 1200)])
def test_any_place_and_any_shape_can_be_dived_into(size, centre, tmp_path):
    run = store.create_run(tmp_path)
    with Image.open(dive([kept(run, 1, Image.new("RGB", size))], run / DIVE, centre)) as film:
        assert max(film.size) == 512


def test_what_is_shared_is_no_stage_and_leaves_nothing_half_written(run, tmp_path):
    before = store.finished_stages(run)
    labelled(folders(run)[-1], run / LABELLED)
    dive(folders(run), run / DIVE)
    assert store.finished_stages(run) == before
    assert {path.name for path in run.iterdir() if not path.is_dir()} == {LABELLED, DIVE}
    cache = RunCache(tmp_path)
    assert [found.folder for found in cache.longest_chain([f"{n:032x}" for n in (1, 2, 3)])] == folders(run)
    cache.remove_run(run)
    assert cache.runs() == []


def test_a_failed_save_keeps_the_one_before(run, monkeypatch):
    path = labelled(folders(run)[-1], run / LABELLED)
    whole = path.read_bytes()
    monkeypatch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        labelled(folders(run)[0], path)
    assert path.read_bytes() == whole
    assert [p.name for p in run.iterdir() if p.name.startswith(".")] == []


def test_a_stage_that_is_gone_is_told_in_a_sentence(run):
    with pytest.raises(Fault, match=r"Stage 7 .* cannot be read"):
        labelled(run / f"stage-7-{7:032x}", run / LABELLED)
