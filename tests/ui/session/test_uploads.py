"""What browsers hand over: what is opened of it, and what is kept."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from engine.errors import BadRecipe
from engine.recipe import images
from ui.session.uploads import MAX_AGE, PREFIX, Uploads, find_upload


@pytest.fixture
def upload():
    """A file where Gradio puts uploads."""
    Path(get_upload_folder()).mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=get_upload_folder(), suffix=".png") as file:
        yield Path(file.name)


def test_an_upload_is_opened(upload):
    assert find_upload(str(upload)) == upload.resolve()


def test_no_other_file_is_opened_by_whatever_name(upload, photo, tmp_path):
    way_out = upload.with_name(f"{upload.stem}-link.png")
    way_out.symlink_to(photo)
    try:
        for path in (
            photo,
            way_out,
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
        way_out.unlink()


def test_a_picture_is_kept_as_its_pixels_and_nothing_else(photo, tmp_path):
    told = tmp_path / "told.jpg"
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    Image.open(photo).save(told, exif=exif, comment=b"who I am")
    uploads = Uploads()
    kept = uploads.store(told)
    assert images.digest(kept) == images.digest(told)
    with Image.open(kept) as ours:
        assert (ours.format, ours.info, dict(ours.getexif())) == ("PNG", {}, {})


def test_a_kept_picture_stays_when_the_upload_goes(photo):
    uploads, given = Uploads(), Path(photo)
    kept, same = uploads.store(given), images.digest(given)
    given.unlink()
    assert images.digest(kept) == same


def kept_in(uploads):
    return set(uploads.folder.rglob("*.png"))


def pictures(folder, count):
    paths = [folder / f"{n}.png" for n in range(count)]
    for n, path in enumerate(paths):
        Image.new("RGB", (64, 64), (50 + n, 0, 0)).save(path)
    return paths


def test_the_oldest_make_room_for_a_new_one(tmp_path):
    one, two, three = pictures(tmp_path, 3)
    uploads = Uploads()
    first, second = uploads.store(one), uploads.store(two)
    uploads.max_bytes = int(2.5 * first.stat().st_size)
    third = uploads.store(three)
    assert kept_in(uploads) == {second, third}


def test_the_same_picture_takes_room_once(tmp_path):
    (one,) = pictures(tmp_path, 1)
    uploads = Uploads()
    assert uploads.store(one) == uploads.store(one)
    assert len(kept_in(uploads)) == 1


def test_who_drops_much_loses_what_is_theirs(tmp_path):
    one, two, three, four = pictures(tmp_path, 4)
    uploads = Uploads()
    modest, first = uploads.store(one, "modest"), uploads.store(two, "greedy")
    uploads.max_bytes = int(3.5 * modest.stat().st_size)
    second, third = uploads.store(three, "greedy"), uploads.store(four, "greedy")
    assert kept_in(uploads) == {modest, second, third}
    assert not first.exists()


def test_what_a_waiting_run_needs_stays(tmp_path):
    one, two, three = pictures(tmp_path, 3)
    needed = []
    uploads = Uploads(max_bytes=1, needed_paths=lambda: needed)
    needed.append(uploads.store(one))
    uploads.store(two)
    newest = uploads.store(three)
    assert kept_in(uploads) == {*needed, newest}


def aged(path):
    then = path.stat().st_mtime - MAX_AGE - 60
    os.utime(path, (then, then))


def test_none_is_kept_for_longer_than_a_day(tmp_path):
    one, two = pictures(tmp_path, 2)
    uploads = Uploads()
    aged(uploads.store(one))
    new = uploads.store(two)
    assert kept_in(uploads) == {new}
    aged(new)
    uploads.sweep()
    assert kept_in(uploads) == set()


def test_what_another_process_left_behind_goes_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr("ui.session.uploads.gettempdir", lambda: str(tmp_path))
    old, new = tmp_path / f"{PREFIX}old", tmp_path / f"{PREFIX}new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "a.png").touch()
    aged(old / "a.png")
    aged(old)
    Uploads().sweep()
    assert (old.exists(), new.exists()) == (False, True)


def test_a_file_that_is_no_picture_leaves_nothing(tmp_path):
    uploads = Uploads()
    (tmp_path / "no.png").write_bytes(b"no")
    with pytest.raises(BadRecipe):
        uploads.store(tmp_path / "no.png")
    assert kept_in(uploads) == set()
