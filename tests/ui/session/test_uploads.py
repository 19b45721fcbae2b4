"""Tests of uploads: which files are opened, how images are stored and when they are removed."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from engine.errors import BadRecipe
from engine.recipe import images
from ui.session.uploads import FOLDER_PREFIX, MAX_AGE, Uploads, find_upload


@pytest.fixture
def upload():
    """The path of an empty file in Gradio's upload folder."""
    Path(get_upload_folder()).mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=get_upload_folder(), suffix=".png") as file:
        yield Path(file.name)


def test_a_file_in_the_upload_folder_is_found(upload):
    assert find_upload(str(upload)) == upload.resolve()


def test_every_other_path_is_refused(upload, photo, tmp_path):
    outside_link = upload.with_name(f"{upload.stem}-link.png")
    outside_link.symlink_to(photo)
    try:
        for path in (
            photo,
            outside_link,
            upload.parent,
            upload.parent / ".." / "x",
            "/etc/passwd",
            "",
            None,
            7,
            "\0",
        ):
            with pytest.raises(BadRecipe):
                find_upload(path)
    finally:
        outside_link.unlink()


def test_an_image_is_stored_without_its_metadata(photo, tmp_path):
    tagged = tmp_path / "tagged.jpg"
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    Image.open(photo).save(tagged, exif=exif, comment=b"who I am")
    uploads = Uploads()
    stored = uploads.store(tagged)
    assert images.digest(stored) == images.digest(tagged)
    with Image.open(stored) as image:
        assert (image.format, image.info, dict(image.getexif())) == ("PNG", {}, {})


def test_a_stored_image_stays_when_the_upload_is_removed(photo):
    uploads, uploaded = Uploads(), Path(photo)
    stored, digest = uploads.store(uploaded), images.digest(uploaded)
    uploaded.unlink()
    assert images.digest(stored) == digest


def stored_images(uploads):
    """Return the paths of all stored images."""
    return set(uploads.folder.rglob("*.png"))


def save_images(folder, count):
    """Save so many different images and return their paths."""
    paths = [folder / f"{n}.png" for n in range(count)]
    for n, path in enumerate(paths):
        Image.new("RGB", (64, 64), (50 + n, 0, 0)).save(path)
    return paths


def test_the_oldest_image_is_removed_if_a_new_one_does_not_fit(tmp_path):
    one, two, three = save_images(tmp_path, 3)
    uploads = Uploads()
    first, second = uploads.store(one), uploads.store(two)
    uploads.max_bytes = int(2.5 * first.stat().st_size)
    third = uploads.store(three)
    assert stored_images(uploads) == {second, third}


def test_the_same_image_is_stored_once(tmp_path):
    (one,) = save_images(tmp_path, 1)
    uploads = Uploads()
    assert uploads.store(one) == uploads.store(one)
    assert len(stored_images(uploads)) == 1


def test_the_session_with_the_most_bytes_loses_its_own_oldest_image(tmp_path):
    one, two, three, four = save_images(tmp_path, 4)
    uploads = Uploads()
    modest, first = uploads.store(one, "modest"), uploads.store(two, "greedy")
    uploads.max_bytes = int(3.5 * modest.stat().st_size)
    second, third = uploads.store(three, "greedy"), uploads.store(four, "greedy")
    assert stored_images(uploads) == {modest, second, third}
    assert not first.exists()


def test_an_image_that_a_waiting_run_needs_is_not_removed(tmp_path):
    one, two, three = save_images(tmp_path, 3)
    needed = []
    uploads = Uploads(max_bytes=1, needed_paths=lambda: needed)
    needed.append(uploads.store(one))
    uploads.store(two)
    newest = uploads.store(three)
    assert stored_images(uploads) == {*needed, newest}


def make_old(path):
    """Set the modification time of a file or folder back by more than MAX_AGE."""
    modified = path.stat().st_mtime - MAX_AGE - 60
    os.utime(path, (modified, modified))


def test_an_image_older_than_a_day_is_removed(tmp_path):
    one, two = save_images(tmp_path, 2)
    uploads = Uploads()
    make_old(uploads.store(one))
    new = uploads.store(two)
    assert stored_images(uploads) == {new}
    make_old(new)
    uploads.sweep()
    assert stored_images(uploads) == set()


def test_an_old_folder_of_another_process_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("ui.session.uploads.gettempdir", lambda: str(tmp_path))
    old, new = tmp_path / f"{FOLDER_PREFIX}old", tmp_path / f"{FOLDER_PREFIX}new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "a.png").touch()
    make_old(old / "a.png")
    make_old(old)
    Uploads().sweep()
    assert (old.exists(), new.exists()) == (False, True)


def test_a_file_that_is_no_image_is_refused_and_not_stored(tmp_path):
    uploads = Uploads()
    (tmp_path / "no.png").write_bytes(b"no")
    with pytest.raises(BadRecipe):
        uploads.store(tmp_path / "no.png")
    assert stored_images(uploads) == set()
