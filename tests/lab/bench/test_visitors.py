"""The visitors of the benchmark find the functions of the page and get their pictures."""

import httpx

from lab.bench import visitors
from lab.bench.visitors import find_picture, make_prompts, measure, read_config, summarize
from tests.support.waiting import run_async

RUN = "5e" * 16


def test_times_are_summarized_as_percentiles():
    assert summarize([1.0] * 18 + [2.0, 4.0]) == {"count": 20, "p50": 1.0, "p95": 2.1, "max": 4.0}
    assert summarize([]) == {"count": 0}


def test_the_last_picture_of_a_run_is_found_in_its_events():
    path = f"/runs/{RUN}/stage-{{}}-{RUN}"
    events = "".join(
        f'data: [["replace", ["picture"], {{"url": "http://host{path.format(stage)}/{file}"}}]]\n\n'
        for stage, file in ((1, "picture.png"), (2, "picture.png"), (2, "thumb.jpg"))
    )
    assert find_picture(events) == f"http://host/runs/{RUN}/stage-2-{RUN}/picture.png"
    assert find_picture('{"url": "http://host/assets/example/stage-1/picture.png"}') is None


def test_all_prompts_differ():
    prompts = list(make_prompts())
    assert len(set(prompts)) == len(prompts) == 12 * 8 * 6 * 6


def test_the_functions_of_the_page_are_found(running_app):
    config = httpx.get(f"{running_app.url}config").json()
    page = read_config(config)
    names = [
        each["api_name"].rstrip("_0123456789")
        for each in (page.load, page.change, page.generate, page.follow)
    ]
    assert names == ["on_load", "on_change", "on_generate", "on_follow_run"]
    assert {page.slider, page.prompt, *page.settings} <= set(page.generate["inputs"])
    assert page.button in page.generate["outputs"]


def test_each_visitor_gets_a_picture(running_app):
    measured = run_async(measure(running_app.url, 2)).summary()
    assert (measured["http_errors"], measured["without_picture"]) == (0, 0)
    assert measured["page_seconds"]["count"] == 2
    assert measured["slider_seconds"]["count"] == 12
    assert measured["press_to_picture_seconds"]["count"] == 2
    assert len(running_app.runs()) == 2


def test_a_visitor_without_a_place_in_the_queue_tries_again(running_app, monkeypatch):
    monkeypatch.setattr(visitors, "RETRY_SECONDS", 0)
    monkeypatch.setattr(visitors, "MAX_PRESSES", 3)
    running_app.services.queue.max_waiting = -1  # Not even one run has a place.
    measured = run_async(measure(running_app.url, 1)).summary()
    assert (measured["refusals"], measured["without_picture"], measured["http_errors"]) == (3, 1, 0)
