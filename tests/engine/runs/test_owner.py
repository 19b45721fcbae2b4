import pytest

from engine.runs.owner import OWNER_FILE, is_owner, set_owner

SECRET, OTHER = "a" * 32, "b" * 32


def test_only_the_secret_of_the_owner_owns_a_run(tmp_path):
    set_owner(tmp_path, SECRET)
    assert is_owner(tmp_path, SECRET)
    assert not is_owner(tmp_path, OTHER)


def test_the_secret_itself_is_not_on_the_disk(tmp_path):
    set_owner(tmp_path, SECRET)
    assert SECRET not in (tmp_path / OWNER_FILE).read_text()


def test_the_first_owner_of_a_run_stays(tmp_path):
    set_owner(tmp_path, SECRET)
    set_owner(tmp_path, OTHER)
    assert is_owner(tmp_path, SECRET)


def test_a_run_of_an_earlier_version_belongs_to_the_first_that_asks(tmp_path):
    assert is_owner(tmp_path, SECRET)
    assert not is_owner(tmp_path, OTHER)


def test_an_empty_secret_owns_nothing(tmp_path):
    assert not is_owner(tmp_path, "")
    assert not (tmp_path / OWNER_FILE).exists()


@pytest.mark.parametrize("content", [b"", b"\xff", b"0" * 64])
def test_a_damaged_file_of_the_owner_gives_the_run_to_nobody(tmp_path, content):
    (tmp_path / OWNER_FILE).write_bytes(content)
    assert not is_owner(tmp_path, SECRET)


def test_a_run_that_is_gone_has_no_owner(tmp_path):
    assert not is_owner(tmp_path / "gone", SECRET)
