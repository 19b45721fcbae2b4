"""A file or folder is written whole or not at all."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from engine.paths import ROOT
from engine.runs import files
from engine.runs.files import link_or_copy, write_atomically, write_folder_atomically


def half(path):
    """Write half of a file, then fail."""
    path.write_bytes(b"half")
    raise OSError(28, "No space left on device")


def text(content):
    return lambda path: path.write_text(content)


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_is_written_and_replaced_whole(tmp_path):
    path = tmp_path / "a.txt"
    assert write_atomically(path, text("old")) == path
    write_atomically(path, text("new"))
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("before", [None, "old"])
@pytest.mark.parametrize("fault", [OSError, ValueError, KeyboardInterrupt])
def test_a_failed_write_leaves_what_was_there_before(before, fault, tmp_path):
    path = tmp_path / "a.txt"
    if before:
        path.write_text(before)

    def fail(partial):
        partial.write_bytes(b"half")
        raise fault("in the middle")

    with pytest.raises(fault, match="in the middle"):
        write_atomically(path, fail)
    assert names(tmp_path) == (["a.txt"] if before else [])
    assert not before or path.read_text() == before


def test_the_old_content_is_there_until_the_new_one_is_on_the_disk(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")
    flushed = []

    def flush(partial):
        flushed.append((partial.read_text(), path.read_text()))

    monkeypatch.setattr(files, "flush_to_disk", flush)
    write_atomically(path, text("new"))
    assert flushed == [("new", "old")]
    write_atomically(path, text("newer"), flush=False)
    assert flushed == [("new", "old")]
    assert path.read_text() == "newer"


def test_a_disk_that_fails_while_it_is_flushed_keeps_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(OSError, match="Input/output"):
        write_atomically(path, text("new"))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_process_that_is_killed_in_the_middle_leaves_the_old_content(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    code = f"""
import os, signal
from pathlib import Path
from engine.runs.files import write_atomically
def save(path):
    path.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
write_atomically(Path({str(path)!r}), save)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert path.read_text() == "old"


def test_a_file_gets_the_usual_mode(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    written = write_atomically(tmp_path / "a.txt", text("new"))
    assert written.stat().st_mode == plain.stat().st_mode


def test_a_folder_appears_whole(tmp_path):
    folder = tmp_path / "stage"
    seen = []

    def last(path):
        seen.append(folder.exists())
        path.write_text("c")

    saves = {"a": text("a"), "tiles/b": text("b"), "tiles/c": last}
    assert write_folder_atomically(folder, saves, os.path.isdir) == folder
    assert seen == [False]
    assert names(tmp_path) == ["stage", "stage/a", "stage/tiles", "stage/tiles/b", "stage/tiles/c"]
    assert (folder / "tiles" / "c").read_text() == "c"


def test_every_file_and_folder_is_on_the_disk_before_the_folder_has_its_name(tmp_path, monkeypatch):
    folder, flushed = tmp_path / "stage", []
    monkeypatch.setattr(files, "flush_to_disk", lambda path: flushed.append((path.name, folder.exists())))
    write_folder_atomically(folder, {"a": text("a"), "tiles/b": text("b")}, os.path.isdir)
    *before, above = flushed
    assert [name for name, _ in before[:3]] == ["a", "b", "tiles"]
    assert before[3][0].startswith(".stage.")
    assert not any(exists for _, exists in before)
    assert above == (tmp_path.name, True)


def test_a_folder_that_cannot_be_completed_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="No space"):
        write_folder_atomically(tmp_path / "stage", {"a": text("a"), "tiles/b": half}, os.path.isdir)
    assert names(tmp_path) == []


@pytest.mark.parametrize(("is_intact", "content"), [(True, "old"), (False, "new")])
def test_a_folder_of_the_same_name_is_replaced_only_if_it_is_broken(is_intact, content, tmp_path):
    folder = tmp_path / "stage"
    write_folder_atomically(folder, {"a": text("old")}, os.path.isdir)
    write_folder_atomically(folder, {"a": text("new")}, lambda _: is_intact)
    assert (folder / "a").read_text() == content
    assert names(tmp_path) == ["stage", "stage/a"]


def test_the_files_of_a_folder_are_read_only_but_not_those_it_links(tmp_path):
    source = tmp_path / "source"
    source.write_text("content")
    files = {"a": text("a"), "link": partial(link_or_copy, source)}
    folder = write_folder_atomically(tmp_path / "stage", files, os.path.isdir)
    assert (folder / "a").stat().st_mode & 0o222 == 0
    assert source.stat().st_mode & 0o200
    write_atomically(folder / "a", text("new"))
    assert (folder / "a").read_text() == "new"


def test_a_file_is_linked_or_else_copied(tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.write_text("content")
    link_or_copy(source, tmp_path / "link")
    assert os.path.samefile(source, tmp_path / "link")
    monkeypatch.setattr(files.os, "link", lambda *_: (_ for _ in ()).throw(OSError(18, "cross-device link")))
    link_or_copy(source, tmp_path / "copy")
    assert not os.path.samefile(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "content"
