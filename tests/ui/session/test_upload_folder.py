import os

import pytest

from ui.session import upload_folder
from ui.session.upload_folder import MIN_FILE_BYTES, UploadFolder

NAME = "0123456789abcdef" * 4
OTHER_NAME = "fedcba9876543210" * 4


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


def write(file, size=10):
    """Write a file of so many bytes, with its folder."""
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(bytes(size))


def test_the_size_is_that_of_all_files_and_of_what_was_added_since(path):
    write(path / NAME / "a.png", 10_000)
    write(path / "tmp1", 1)
    folder = UploadFolder()
    assert folder.measure() == 10_000 + MIN_FILE_BYTES
    folder.add(500)
    write(path / "tmp2", 500)
    assert folder.measure() == folder.size == 10_000 + MIN_FILE_BYTES + 500


def test_a_folder_that_does_not_exist_is_empty(path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(path / "none"))
    folder = UploadFolder(is_own=True)
    folder.remove_old()
    assert folder.measure() == 0


def test_old_uploads_and_empty_folders_are_removed_and_nothing_else(path):
    write(path / NAME / "a.png")
    write(path / "notes" / "a.txt")
    (path / OTHER_NAME).mkdir()
    folder = UploadFolder(is_own=True)
    folder.remove_old(max_age=3600)
    assert (path / NAME / "a.png").exists()
    folder.remove_old(max_age=-1)
    assert sorted(os.listdir(path)) == ["notes"]
    assert (path / "notes" / "a.txt").exists()


def test_an_upload_that_was_never_finished_is_removed_after_ten_minutes(path, monkeypatch):
    write(path / "tmp1")
    folder = UploadFolder(is_own=True)
    folder.remove_old()
    assert (path / "tmp1").exists()
    monkeypatch.setattr(upload_folder, "MAX_UNFINISHED_AGE", -1)
    folder.remove_old()
    assert os.listdir(path) == []


def test_nothing_is_removed_from_a_folder_that_other_apps_use(path):
    write(path / NAME / "a.png")
    UploadFolder().remove_old(max_age=-1)
    assert (path / NAME / "a.png").exists()
