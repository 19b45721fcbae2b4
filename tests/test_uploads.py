"""What browsers hand over: what is opened of it, and what is kept."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from engine import picture
from engine.errors import BadRecipe
from tests.toys import patches
from ui.uploads import LONGEST, Uploads, uploaded


@pytest.fixture
def upload():
    """A file where Gradio puts uploads."""
    Path(get_upload_folder()).mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=get_upload_folder(), suffix=".png") as file:
        yield Path(file.name)


def test_an_upload_is_opened(upload):
    assert uploaded(str(upload)) == upload.resolve()


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
                uploaded(path)
    finally:
        way_out.unlink()


def test_a_picture_is_kept_as_its_pixels_and_nothing_else(photo, tmp_path):
    told = tmp_path / "told.jpg"
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    Image.open(photo).save(told, exif=exif, comment=b"who I am")
    uploads = Uploads()
    kept = uploads.keep(told)
    assert picture.digest(kept) == picture.digest(told)
    with Image.open(kept) as ours:
        assert (ours.format, ours.info, dict(ours.getexif())) == ("PNG", {}, {})


def test_a_kept_picture_stays_when_the_upload_goes(photo):
    uploads, given = Uploads(), Path(photo)
    kept, same = uploads.keep(given), picture.digest(given)
    given.unlink()
    assert picture.digest(kept) == same


def test_the_oldest_make_room_for_a_new_one(tmp_path):
    one = patches(tmp_path / "a.png", 64, 64)
    uploads = Uploads()
    size = uploads.keep(one).stat().st_size
    uploads.most = 2 * size
    first, second, third = (uploads.keep(one) for _ in range(3))
    assert set(uploads.folder.iterdir()) == {second, third}
    assert not first.exists()


def test_none_is_kept_for_longer_than_a_day(photo):
    uploads = Uploads()
    old = uploads.keep(photo)
    then = old.stat().st_mtime - LONGEST - 60
    os.utime(old, (then, then))
    new = uploads.keep(photo)
    assert list(uploads.folder.iterdir()) == [new]


def test_a_file_that_is_no_picture_leaves_nothing(tmp_path):
    uploads = Uploads()
    (tmp_path / "no.png").write_bytes(b"no")
    with pytest.raises(BadRecipe):
        uploads.keep(tmp_path / "no.png")
    assert list(uploads.folder.iterdir()) == []
