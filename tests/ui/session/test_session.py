from pathlib import Path

import pytest

from ui.session import session as session_module
from ui.session.client import Client
from ui.session.session import Sessions

PICTURE = Path("picture.png")


@pytest.fixture
def sessions(monkeypatch):
    """Sessions of which five are kept, and three of one address."""
    monkeypatch.setattr(session_module, "MAX_SESSIONS", 5)
    monkeypatch.setattr(session_module, "MAX_SESSIONS_PER_ADDRESS", 3)
    return Sessions()


def test_a_page_keeps_its_session(sessions):
    assert sessions.get(Client("page", "a" * 32)) is sessions.get(Client("page", "a" * 32))


def test_the_hash_of_a_session_alone_does_not_open_it(sessions):
    mine = sessions.get(Client("page", "a" * 32))
    assert sessions.get(Client("page", "b" * 32)) is not mine
    assert sessions.get(Client("page")) is not mine
    assert sessions.find(Client("page", "c" * 32)) is None


def test_requests_that_only_look_create_no_session(sessions):
    assert sessions.find(Client("page")) is None
    assert sessions.find(Client("page")) is None


def test_callers_without_a_session_share_nothing(sessions):
    assert sessions.get(Client()) is not sessions.get(Client())
    assert sessions.find(Client()) is None


def test_a_session_with_a_picture_outlasts_any_number_of_empty_ones(sessions):
    mine = sessions.get(Client("mine"))
    mine.images["sha256:0"] = PICTURE
    for n in range(20):
        sessions.get(Client(str(n)))
    assert sessions.find(Client("mine")) is mine
    assert sessions.find(Client("15")) is None
    assert sessions.find(Client("19")) is not None


def test_an_address_with_many_sessions_loses_its_own(sessions):
    other = sessions.get(Client("other", address="203.0.113.1"))
    for n in range(20):
        sessions.get(Client(str(n), address="203.0.113.2")).images["sha256:0"] = PICTURE
    assert sessions.find(Client("other", address="203.0.113.1")) is other
    assert [n for n in range(20) if sessions.find(Client(str(n)))] == [17, 18, 19]


def test_if_all_sessions_hold_something_the_least_recently_used_one_is_dropped(sessions):
    for n in range(5):
        sessions.get(Client(str(n))).images["sha256:0"] = PICTURE
    sessions.get(Client("0"))
    sessions.get(Client("5"))
    assert [n for n in range(6) if sessions.find(Client(str(n)))] == [0, 2, 3, 4, 5]
