"""Malformed calls on a real server: they are refused, and the log has no traceback of them."""

import httpx
import pytest

from ui.text import refusals
from ui.web import new_sessions
from ui.web.calls import MAX_BODY_BYTES, MAX_VALUES


@pytest.fixture
def post(running_app, capfd):
    """A function that posts a call and returns status and detail of the answer; no traceback may be printed."""

    def post_call(path, **values):
        answer = httpx.post(f"{running_app.url}gradio_api/{path}", **values)
        return answer.status_code, answer.json()["detail"]

    yield post_call
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("path", ["run/predict", "api/predict/", "queue/join"])
def test_a_call_with_too_few_values_is_refused(running_app, post, path):
    function = next(function for function in running_app.demo.fns.values() if len(function.inputs) > 1)
    sentence = refusals.WRONG_VALUE_COUNT.format(needed=len(function.inputs), count=1)
    values = {"fn_index": function._id, "data": [1], "session_hash": "a"}
    assert post(path, json=values) == (422, sentence)


@pytest.mark.parametrize(
    "values",
    [{"fn_index": 100000, "data": []}, {"fn_index": "x", "data": []}, {"fn_index": [1], "data": []}, {}],
)
def test_a_call_of_no_function_is_refused(post, values):
    assert post("run/predict", json=values) == (404, refusals.NO_SUCH_FUNCTION)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_call_that_is_no_json_object_is_refused(post, body):
    assert post("run/predict", content=body) == (422, refusals.CALL_NOT_JSON)


@pytest.mark.parametrize(
    ("path", "values"),
    [("call/v2/nothing", {}), ("call/v2/plan", {"no_such_field": 1}), ("call/v2/read", {})],
)
def test_a_call_by_name_with_wrong_arguments_is_refused(post, path, values):
    assert post(path, json=values) == (422, refusals.WRONG_ARGUMENTS)


@pytest.mark.parametrize("path", ["run/predict", "call/v2/plan", "cancel"])
def test_a_call_that_is_too_large_is_refused(post, path):
    body = b'{"data": ["' + b"x" * MAX_BODY_BYTES + b'"]}'
    assert post(path, content=body) == (413, refusals.CALL_TOO_LARGE.format(limit=1))


@pytest.mark.parametrize("path", ["run/predict", "reset", "cancel", "call/v2/plan"])
@pytest.mark.parametrize(
    "body",
    [
        b"1e400",
        b'{"data": [1e400]}',
        b'{"data": NaN}',
        rb'{"data": ["\ud800"]}',
        b'{"a":' * 50_000,
        b'{"session_hash": "\xff"}',
    ],
)
def test_values_that_no_answer_could_contain_are_refused(post, path, body):
    assert post(path, content=body) == (422, refusals.CALL_NOT_JSON)


@pytest.mark.parametrize("address", ["http://10.0.0.1/a.png", " HTTPS://example.invalid/a.png", "ftp://a/b"])
@pytest.mark.parametrize("path", ["run/read", "queue/join", "call/read", "call/v2/read"])
def test_a_file_on_another_server_is_refused(post, path, address):
    file = {"path": address, "meta": {"_type": "gradio.FileData"}}
    for values in ({"data": [file]}, {"picture": file}, {"data": [[{"image": file}]]}):
        assert post(path, json=values | {"session_hash": "a"}) == (422, refusals.FILE_ELSEWHERE)


def test_a_call_of_too_many_values_is_refused(post):
    sentence = refusals.TOO_MANY_VALUES.format(limit=MAX_VALUES)
    assert post("run/predict", json={"fn_index": 1, "data": [[[]] * MAX_VALUES]}) == (422, sentence)


def test_a_session_hash_that_is_too_long_is_refused(post):
    assert post("run/predict", json={"fn_index": 0, "data": [], "session_hash": "a" * 101})[0] == 422


def test_one_address_begins_so_many_sessions_only(post, monkeypatch):
    monkeypatch.setattr(new_sessions, "MAX_NEW_SESSIONS", 2)
    headers = {"X-Forwarded-For": "203.0.113.99"}
    answers = [
        post("run/predict", json={"fn_index": 100000, "session_hash": name}, headers=headers)
        for name in ("a", "b", "c", "a")
    ]
    found, refused = (404, refusals.NO_SUCH_FUNCTION), (429, refusals.TOO_MANY_SESSIONS)
    assert answers == [found, found, refused, found]
