"""Whether a run counts as watched, on a real server: only if what is sent about it reaches somebody."""

import json
import threading

import httpx
import pytest

from engine import errors
from tests.support.waiting import wait_until
from ui.web.watch_streams import stream_name

RECIPE = {"prompt": "a green tree", "scales": [1, 2], "steps": 4}


@pytest.mark.parametrize(
    ("method", "path", "query", "name"),
    [
        ("GET", "/gradio_api/queue/data", b"session_hash=abc", "abc"),
        ("GET", "/studio/gradio_api/queue/data", b"session_hash=abc", "abc"),
        ("GET", "/gradio_api/call/generate/123", b"", "123"),
        ("GET", "/gradio_api/call/v2/generate/123", b"", "123"),
        ("GET", "/gradio_api/queue/data", b"", None),
        ("POST", "/gradio_api/call/v2/generate", b"", None),
        ("GET", "/gradio_api/heartbeat/abc", b"", None),
    ],
)
def test_streams_are_named_by_the_session_or_the_call(method, path, query, name):
    scope = {"type": "http", "method": method, "path": path, "query_string": query}
    assert stream_name(scope) == name


def post_generate(app, address):
    """Start a run by the API for a client of an address, and return the id of the call."""
    answer = httpx.post(
        f"{app.url}gradio_api/call/v2/generate", json=RECIPE, headers={"X-Forwarded-For": address}
    )
    return answer.json()["event_id"]


def test_a_run_that_nobody_reads_is_stopped_and_one_that_is_read_goes_on(running_app):
    queue = running_app.services.queue
    running_app.gate.close()
    unread = post_generate(running_app, "10.0.0.1")
    wait_until(lambda: len(running_app.runs()) == 1)
    read = post_generate(running_app, "10.0.0.2")
    wait_until(lambda: len(running_app.runs()) == 2)
    assert unread != read
    events, is_open = [], threading.Event()

    def read_stream():
        with httpx.stream("GET", f"{running_app.url}gradio_api/call/generate/{read}", timeout=60) as answer:
            for line in answer.iter_lines():
                events.append(line)
                is_open.set()

    reader = threading.Thread(target=read_stream)
    reader.start()
    assert is_open.wait(30)
    clock, late = queue.clock, queue.unwatched_seconds + 1
    queue.clock = lambda: clock() + late
    first, second = (queue._entries[name] for name in list(queue._entries))
    wait_until(lambda: second.place.last_watched > first.place.last_watched + late / 2)
    running_app.gate.open()
    reader.join()
    assert '"kind": "Finished"' in "".join(events)
    assert type(first.log.events_since()[0][-1]).__name__ == "Stopped"


def test_one_address_cannot_fill_the_queue(running_app):
    running_app.gate.close()
    for _ in range(13):
        post_generate(running_app, "10.0.0.1")
    wait_until(lambda: len(running_app.runs()) == running_app.services.queue.max_per_client)
    post_generate(running_app, "10.0.0.2")
    wait_until(lambda: len(running_app.runs()) == running_app.services.queue.max_per_client + 1)
    refused = post_generate(running_app, "10.0.0.1")
    answer = httpx.get(f"{running_app.url}gradio_api/call/generate/{refused}", timeout=60).text
    limit = running_app.services.queue.max_per_client
    assert json.dumps(errors.TOO_MANY_RUNS_OF_CLIENT.format(limit=limit))[1:-1] in answer
