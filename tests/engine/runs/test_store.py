import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save

from engine import BadRecipe, Recipe
from engine.paths import ROOT
from engine.recipe import images as picture
from engine.recipe.recipe import to_dict
from engine.runs import files, store
from engine.runs.thumbnails import count_tile_levels
from tests.support.stored_stages import overwrite

LATENT = np.random.RandomState(0).standard_normal((1, 4, 2, 2)).astype(np.float32)
KEY = "0123456789abcdef" * 2
RECORD = json.loads(json.dumps({"recipe": to_dict(Recipe(prompt="häuser", seed=3)), "seconds": 2}))


def write(run, stage=1, picture=None, latents=LATENT, key=KEY):
    picture = picture or Image.new("RGB", (16, 16), "red")
    return store.write_stage(run, stage, key, store.StoredStage(latents, (0.25, 1.5), RECORD), picture)


def striped(height, width):
    rows, cols = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([rows % 251, cols % 253, (rows ^ cols) % 255], -1).astype(np.uint8))


def test_a_run_has_a_name_of_128_random_bits(tmp_path):
    names = {store.create_run(tmp_path).name for _ in range(20)}
    assert len(names) == 20
    assert all(len(bytes.fromhex(name)) == 16 for name in names)


def test_a_stage_is_read_back_bit_by_bit(tmp_path):
    kept = store.read_stage(write(tmp_path))
    assert np.array_equal(kept.latents, LATENT)
    assert kept.tone == (0.25, 1.5)
    assert kept.record == RECORD


def test_a_picture_holds_the_record_of_its_stage(tmp_path):
    folder = write(tmp_path)
    assert json.loads(Image.open(folder / "picture.png").text["demofusion"]) == RECORD


def test_stages_are_found_by_number_with_their_keys(tmp_path):
    write(tmp_path, 2, key="f" * 32)
    write(tmp_path, 1)
    (tmp_path / "looked").touch()
    (tmp_path / "stage-3-nokey").mkdir()
    found = store.finished_stages(tmp_path)
    assert [(n, key) for n, (key, _) in found.items()] == [(1, KEY), (2, "f" * 32)]


def test_a_finished_picture_has_a_proxy_a_thumbnail_and_tiles(tmp_path):
    folder = write(tmp_path, picture=striped(1300, 1700))
    assert Image.open(folder / "proxy.jpg").size == (1600, 1224)
    assert Image.open(folder / "thumb.jpg").size == (320, 245)
    names = {path.name for path in (folder / "tiles").iterdir()}
    assert {name for name in names if name[0] == "0"} == {
        f"0-{r}-{c}.png" for r in range(3) for c in range(4)
    }
    assert {name for name in names if name[0] != "0"} == {
        "1-0-0.jpg", "1-0-1.jpg", "1-1-0.jpg", "1-1-1.jpg", "2-0-0.jpg",
    }  # fmt: skip
    assert count_tile_levels(1300, 1700) == 3


def test_tiles_at_full_size_equal_the_picture_bit_by_bit(tmp_path):
    picture = striped(600, 1100)
    folder = write(tmp_path, picture=picture)
    whole = Image.new("RGB", picture.size)
    for path in (folder / "tiles").glob("0-*.png"):
        row, col = map(int, path.stem.split("-")[1:])
        whole.paste(Image.open(path), (512 * col, 512 * row))
    assert whole.tobytes() == picture.tobytes()


def test_smaller_tiles_keep_colour_at_full_resolution(tmp_path):
    folder = write(tmp_path, picture=striped(600, 600))
    assert Image.open(folder / "tiles" / "1-0-0.jpg").layer[1][1:3] == (1, 1)


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    def half(path, *args, **more):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    picture = striped(16, 16)
    picture.save = half
    with pytest.raises(OSError, match="No space"):
        write(tmp_path, picture=picture)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_finished_stages_as_they_are(tmp_path):
    # The system limits the size of files, in a process of its own.
    code = f"""
import resource, sys
import numpy as np
from pathlib import Path
from PIL import Image
from engine.runs import store
run = Path({str(tmp_path)!r})
kept = store.StoredStage(np.ones((1, 4, 2, 2), np.float32), (0.0, 1.0), {{}})
store.write_stage(run, 1, "a" * 32, kept, Image.new("RGB", (16, 16)))
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
noise = Image.fromarray(np.random.RandomState(0).randint(0, 255, (64, 64, 3), np.uint8))
try:
    store.write_stage(run, 2, "b" * 32, kept, noise)
except OSError as fault:
    print(fault.strerror)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "File too large", done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [f"stage-1-{'a' * 32}"]
    assert store.read_stage(store.find_stage(tmp_path, 1)[1]).tone == (0.0, 1.0)


def test_a_missing_stage_is_reported(tmp_path):
    for run in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BadRecipe, match="Stage 1 was not found"):
            store.find_stage(run, 1)


@pytest.mark.parametrize("damage", [b"", b"half", b"x" * 500])
def test_an_incomplete_latent_is_reported(damage, tmp_path):
    folder = write(tmp_path)
    overwrite(folder / "latents.safetensors", damage)
    with pytest.raises(BadRecipe, match=r"Stage 1 in .* cannot be read"):
        store.read_stage(folder)


@pytest.mark.parametrize("tone", [(np.nan, 1.0), (0.0, -1.0), (0.0, 1.0, 2.0)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_stage_with_invalid_numbers_is_refused(tone, kind, tmp_path):
    folder = write(tmp_path)
    (folder / "checksums.json").unlink()
    tensors = {"latents": LATENT.astype(kind), "tone": np.asarray(tone, np.float64)}
    overwrite(folder / "latents.safetensors", save(tensors, metadata={"demofusion": "{}"}))
    with pytest.raises(BadRecipe, match="cannot be read"):
        store.read_stage(folder)


def test_a_damaged_stage_is_set_aside_in_its_run(tmp_path, caplog):
    run = store.create_run(tmp_path)
    write(run, 1)
    folder = write(run, 2)
    (folder / "thumb.jpg").unlink()
    with pytest.raises(BadRecipe):
        store.read_or_set_aside(folder)
    assert list(store.finished_stages(run)) == [1]
    (aside,) = run.glob(".damaged-*")
    assert (aside / "picture.png").is_file()
    assert f"{folder.name} of the run {run.name} is damaged" in caplog.text


def test_a_stage_outside_of_a_run_is_never_set_aside(tmp_path):
    folder = write(tmp_path / "example")
    (folder / "thumb.jpg").unlink()
    with pytest.raises(BadRecipe):
        store.read_or_set_aside(folder)
    assert folder.is_dir()


def test_a_stage_that_cannot_be_read_at_present_is_not_set_aside(tmp_path, monkeypatch):
    run = store.create_run(tmp_path)
    folder = write(run)

    def fail(folder):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(store, "check_files", fail)
        with pytest.raises(BadRecipe):
            store.read_or_set_aside(folder)
    assert np.array_equal(store.read_or_set_aside(folder).latents, LATENT)


def test_a_damaged_stage_is_replaced_when_it_is_written_again(tmp_path):
    folder = write(tmp_path)
    (folder / "thumb.jpg").unlink()
    assert write(tmp_path) == folder
    assert store.is_intact(folder)


def test_a_linked_stage_shares_its_files_and_outlives_its_first_run(tmp_path):
    old, new = store.create_run(tmp_path), store.create_run(tmp_path)
    folder = write(old)
    there = store.link_stage(folder, new, 1, KEY)
    assert os.path.samefile(folder / "picture.png", there / "picture.png")
    assert os.path.samefile(folder / "tiles" / "0-0-0.png", there / "tiles" / "0-0-0.png")
    for path in sorted(old.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert np.array_equal(store.read_stage(there).latents, LATENT)


def test_stages_are_copied_where_they_cannot_be_linked(tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(files.os, "link", refuse)
    old, new = store.create_run(tmp_path), store.create_run(tmp_path)
    there = store.link_stage(write(old), new, 1, KEY)
    assert np.array_equal(store.read_stage(there).latents, LATENT)


def test_two_workers_can_write_the_same_stage(tmp_path):
    assert write(tmp_path) == write(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def save_photo(folder, name="photo.png", size=(6, 4), **more):
    """Save a picture with metadata, as a photo of a user has it."""
    folder.mkdir(exist_ok=True)
    Image.new("RGB", size, "teal").save(folder / name, comment=b"secret", **more)
    return folder / name


def test_an_image_is_stored_as_pixels_alone_and_named_by_their_digest(tmp_path):
    taken = save_photo(tmp_path / "home", "photo.jpg", icc_profile=b"profile")
    kept = store.store_image(tmp_path, taken)
    digest = picture.digest(taken)
    assert kept.name == f"upload-{digest[7:]}.png"
    assert picture.digest(kept) == digest
    again = Image.open(kept)
    assert (again.mode, again.size, again.info) == ("RGB", (6, 4), {})
    assert store.find_image(tmp_path, digest) == kept
    assert store.find_image(tmp_path, "sha256:" + "0" * 64) is None


def test_an_image_that_another_run_stores_is_linked(tmp_path):
    old, new = store.create_run(tmp_path), store.create_run(tmp_path)
    kept = store.store_image(old, save_photo(tmp_path / "home"))
    again = store.store_image(new, kept)
    assert os.path.samefile(kept, again)
    assert store.store_image(new, kept) == again


def test_a_file_that_only_has_the_name_of_a_stored_image_is_encoded_again(tmp_path):
    run = store.create_run(tmp_path / "runs")
    taken = save_photo(tmp_path / "home", pnginfo=None)
    named = taken.rename(taken.with_name(f"upload-{picture.digest(taken)[7:]}.png"))
    assert not os.path.samefile(store.store_image(run, named), named)


def test_a_damaged_stored_image_is_ignored_and_replaced(tmp_path):
    kept = store.store_image(tmp_path, taken := save_photo(tmp_path / "home"))
    kept.write_bytes(b"half")
    assert store.find_image(tmp_path, picture.digest(taken)) is None
    assert store.store_image(tmp_path, taken) == kept
    assert picture.digest(kept) == picture.digest(taken)
