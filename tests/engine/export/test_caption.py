"""A finished stage's picture with a caption."""

import numpy as np
import pytest
from PIL import Image

from engine import Fault, Recipe
from engine.export import caption, lettering
from engine.export.caption import CAPTIONED_FILE, caption_image
from engine.recipe.recall import recall
from engine.runs import files, store
from tests.support.stored_stages import stage_folders, store_stage

HOSTILE = "红房子 🏠 مرحبا नमस्ते \x00\u202e <img src=x onerror=alert(1)> ${5 \\ "


def caption_lines(monkeypatch, folder, to):
    """Caption a picture and return the lines of its caption."""
    drawn = []
    monkeypatch.setattr(
        caption.ImageDraw.ImageDraw, "text", lambda self, place, text, **_: drawn.append(text)
    )
    caption_image(folder, to)
    return drawn


def test_the_picture_is_unchanged_above_its_caption(run):
    with Image.open(caption_image(stage_folders(run)[-1], run / CAPTIONED_FILE)) as sheet:
        assert sheet.width == 256
        assert sheet.height > 256 + 20
        assert (np.asarray(sheet)[:256] == 200).all()
        assert (np.asarray(sheet)[256:] < 100).any()


def test_the_captioned_picture_holds_the_recipe(run):
    assert recall(caption_image(stage_folders(run)[-1], run / CAPTIONED_FILE)).recipe == Recipe(
        prompt="a red house", seed=42
    )


def test_the_caption_names_prompt_sizes_settings_and_seed(run, monkeypatch):
    lines = caption_lines(monkeypatch, stage_folders(run)[-1], run / CAPTIONED_FILE)
    assert lines[0] == "a red house"
    details = caption.SEPARATOR.join(lines[1:])
    for sign, spelled in (("›", "→"), ("alpha", "α"), ("sigma", "σ")):
        details = details.replace(sign, spelled)
    assert details == "64 → 128 → 256 · α 3 1 1 · σ 0.8 0.008 · seed 42"


def test_ineffective_settings_are_not_in_the_caption():
    sizes = [(64, 48), (128, 96)]
    assert caption._caption_parts(Recipe(seed=5), 1, sizes[:1]) == ["64 × 48", "seed 5"]
    assert caption._caption_parts(Recipe(dilated=False), 2, sizes) == [
        "64 × 48 → 128 × 96",
        "α 3 – –",
        "seed 0",
    ]
    assert caption._caption_parts(None, 2, sizes) == ["64 × 48 → 128 × 96"]


@pytest.mark.parametrize("family", [True, False])
@pytest.mark.parametrize("prompt", [HOSTILE * 20, "红" * 2000, "", " \n", "x" * 2000])
def test_any_prompt_can_be_drawn_in_any_font(prompt, family, tmp_path, monkeypatch):
    if not family:
        monkeypatch.setattr(lettering, "_font_file", lambda: None)
    lettering.load_font.cache_clear()
    run = store.create_run(tmp_path)
    caption_image(store_stage(run, 1, Image.new("RGB", (96, 64)), prompt=prompt), run / CAPTIONED_FILE)
    lettering.load_font.cache_clear()
    with Image.open(run / CAPTIONED_FILE) as sheet:
        assert sheet.width == 96


def test_a_picture_without_a_record_is_still_captioned(tmp_path):
    folder = tmp_path / "stage-1-x"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / store.PICTURE_FILE)
    assert caption_image(folder, tmp_path / CAPTIONED_FILE).is_file()


def test_a_failed_save_keeps_the_previous_file(run, monkeypatch):
    path = caption_image(stage_folders(run)[-1], run / CAPTIONED_FILE)
    whole = path.read_bytes()
    monkeypatch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        caption_image(stage_folders(run)[0], path)
    assert path.read_bytes() == whole
    assert [p.name for p in run.iterdir() if p.name.startswith(".")] == []


def test_a_missing_stage_is_reported_in_a_sentence(run):
    with pytest.raises(Fault, match=r"Stage 7 .* cannot be read"):
        caption_image(run / f"stage-7-{7:032x}", run / CAPTIONED_FILE)
