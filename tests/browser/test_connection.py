"""What crosses the wire: lost connections, bytes, requests, and what two visitors see of each other."""

import re
import socket
import threading
from contextlib import suppress

import pytest

from engine import Recipe, generate
from engine.recipe.recipe import SETTINGS
from engine.runs import store
from tests.support.page_queries import (
    expect,
    expect_done,
    finished_cards,
    press_button,
    press_generate,
    set_number,
    status_line,
)
from tests.support.run_results import latent_bytes, stage_done_events
from ui.text import words

pytestmark = pytest.mark.browser

DRAWING = "document.querySelector('#curves svg')?.outerHTML"


class Wire:
    """A proxy between a browser and a server that can be cut."""

    def __init__(self, port: int) -> None:
        self.port, self.cut = port, False
        self.pairs: list[socket.socket] = []
        self.ear = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ear.getsockname()[1]}/"

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self.ear.accept()
            except OSError:
                return
            if self.cut:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.port))
            self.pairs += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            end.close()

    def lose(self) -> None:
        self.cut = True
        for end in self.pairs:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.pairs.clear()

    def mend(self) -> None:
        self.cut = False

    def close(self) -> None:
        self.ear.close()
        self.lose()


@pytest.fixture
def wire(running_app):
    made = Wire(int(running_app.url.rstrip("/").rsplit(":", 1)[1]))
    yield made
    made.close()


@pytest.mark.slow
def test_a_cut_wire_loses_neither_settings_nor_run(running_app, wire, open_page, model, tmp_path):
    page = open_page(wire.url)
    page.get_by_label(words.PROMPT_LABEL).fill("a green tree")
    set_number(page, "alpha1", 2)
    expect(status_line(page)).to_contain_text("128 → 256")
    running_app.gate.close()
    press_generate(page)
    running_app.gate.allow(6)
    expect(finished_cards(page)).to_have_count(1)
    wire.lose()
    page.get_by_text(re.compile("connection", re.I)).first.wait_for()
    wire.mend()
    expect(finished_cards(page)).to_have_count(1)
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("2")
    running_app.gate.open()
    expect_done(page)
    (run,) = running_app.runs()
    recipe = store.read_stage(store.find_stage(run, 2)[1]).record["recipe"]
    whole = Recipe(**{k: v for k, v in recipe.items() if k not in ("version", "model")})
    last = stage_done_events(generate(whole, model, out=tmp_path / "whole"))[-1]
    assert store.read_stage(store.find_stage(run, 2)[1]).latents.tobytes() == latent_bytes(last)


@pytest.mark.slow
def test_a_run_costs_little_and_each_file_is_fetched_once(running_app, open_page):
    page = open_page(running_app.url)
    carrier = page.context.new_cdp_session(page)
    carrier.send("Network.enable")
    carried, fetched = [], []
    carrier.on("Network.loadingFinished", lambda told: carried.append(told["encodedDataLength"]))
    carrier.on("Network.dataReceived", lambda told: carried.append(told["encodedDataLength"]))
    page.on("request", lambda asked: fetched.append(asked.url) if "/file=" in asked.url else None)
    set_number(page, "scale_stages", 3)
    expect(status_line(page)).to_contain_text("128 → 256 → 512")
    press_generate(page)
    expect_done(page, 3)
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert 0 < sum(carried) < 3_000_000
    assert fetched
    assert len(fetched) == len(set(fetched))
    assert not [url for url in fetched if url.endswith(store.PICTURE_FILE)]


def test_a_slider_moves_with_one_request(running_app, open_page):
    page = open_page(running_app.url)
    page.locator("#curves svg").wait_for()
    before, asked = page.evaluate(DRAWING), []
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    slider = page.get_by_label(re.compile("range slider for Layout release"))
    slider.focus()
    with page.expect_request(lambda request: request.method == "POST"):
        slider.press("ArrowRight")
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("3.1")
    page.wait_for_function(f"before => {DRAWING} !== before", arg=before)
    assert len(asked) == 1, asked


def test_presses_are_answered_in_turn(running_app, open_page):
    page, held, came_after = open_page(running_app.url), [], []

    def heard(route):
        came_after.append(released := bool(came_after) and not held)
        route.continue_() if released else held.append(route)

    page.route("**/gradio_api/run/**", heard)
    with page.expect_request("**/gradio_api/run/**"):
        page.get_by_label(re.compile("range slider for Layout release")).press("ArrowRight")
    press_button(page, words.NEW_SEED)
    page.evaluate("fetch('theme.css').then((answer) => answer.text())")  # Sent after the press, and answered.
    seed = page.get_by_label(SETTINGS["seed"].label).input_value()
    held.pop().continue_()
    expect(page.get_by_label(SETTINGS["seed"].label)).not_to_have_value(seed)
    assert came_after[:2] == [False, True]


UNANSWERED = """
const send = window.fetch.bind(window);
window.sent = [];
window.fetch = (asked, how) => {
  const name = String(asked).split("/gradio_api/run/test-")[1];
  if (!name) return send(asked, how);
  window.sent.push(name);
  const begun = (body) => { window.finish = () => body.close(); };
  return Promise.resolve(new Response(new ReadableStream({ start: begun })));
};
"""
"""Beneath the page's own scripts: answers that begin, and end when the last of them is let."""
ASK = """(name) => {
  window.fetch(`/gradio_api/run/test-${name}`);
  return fetch("theme.css").then(() => window.sent);
}"""


def test_a_press_is_sent_when_the_one_before_is_answered_in_full_or_not_for_long(running_app, open_page):
    page = open_page(running_app.url)
    page.clock.install()
    page.add_init_script(UNANSWERED)
    page.reload()
    page.locator("#sizes").get_by_text("px").wait_for()
    assert page.evaluate(ASK, "first") == ["first"]
    assert page.evaluate(ASK, "second") == ["first"]
    page.evaluate("window.finish()")
    page.wait_for_function("window.sent.length == 2")
    assert page.evaluate(ASK, "third") == ["first", "second"]
    page.clock.fast_forward(5000)
    page.wait_for_function("window.sent.length == 3")


def test_two_visitors_see_nothing_of_each_other(running_app, open_page):
    first, heard = open_page(running_app.url), []
    press_generate(first)
    expect_done(first)
    (run,) = running_app.runs()
    # A page of its own: of one that is left, answers under way could not be read any more.
    second = open_page(running_app.url).context.new_page()
    second.on("response", lambda answer: heard.append(answer))
    second.goto(running_app.url)
    second.locator("#sizes").get_by_text("px").wait_for()
    assert run.name not in second.content()
    answers = tuple(heard)  # More may come meanwhile.
    kinds = [answer.headers.get("content-type", "") for answer in answers]
    texts = [
        answer.text()
        for answer, kind in zip(answers, kinds, strict=True)
        if ("text/html" in kind or "json" in kind) and answer.ok
    ]
    assert texts
    assert not [text for text in texts if run.name in text]
    expect(second.locator(".st-earlier-run")).to_have_count(0)


@pytest.mark.parametrize("name", ["f" * 32, "../../etc/passwd", "", 7, None])
def test_a_guessed_run_and_an_expired_one_are_the_same(running_app, name):
    assert running_app.services.run_progress(name) is None
