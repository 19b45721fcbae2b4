"""How many new sessions a client may begin within an hour."""

import pytest

from ui.web.new_sessions import MAX_CLIENTS, MAX_NEW_SESSIONS, PERIOD, NewSessions

CLIENT, OTHER = "203.0.113.7", "203.0.113.8"


@pytest.fixture
def time():
    """A list with the time in seconds."""
    return [0.0]


@pytest.fixture
def sessions(time):
    sessions = NewSessions(lambda: time[0])
    assert all(sessions.accept(CLIENT, f"session {number}") for number in range(MAX_NEW_SESSIONS))
    return sessions


def test_one_session_too_many_is_refused_and_the_others_go_on(sessions):
    assert not sessions.accept(CLIENT, "one more")
    assert sessions.accept(CLIENT, "session 0")


def test_other_clients_and_unknown_ones_are_not_affected(sessions):
    assert sessions.accept(OTHER, "one more")
    assert all(sessions.accept("", f"session {number}") for number in range(2 * MAX_NEW_SESSIONS))


def test_after_an_hour_new_sessions_are_accepted(sessions, time):
    time[0] = PERIOD
    assert sessions.accept(CLIENT, "one more")


def test_only_the_last_clients_are_remembered(sessions):
    for number in range(MAX_CLIENTS):
        assert sessions.accept(f"client {number}", "session")
    assert sessions.accept(CLIENT, "one more")
