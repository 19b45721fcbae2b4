"""The connection between page and server: losses of it, bytes, requests, and what sessions may see."""

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

CURVES_HTML = "document.querySelector('#curves svg')?.outerHTML"


class Proxy:
    """A proxy between a browser and a server, whose connections a test can cut."""

    def __init__(self, port: int) -> None:
        self.port, self.is_cut = port, False
        self.sockets: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/"

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.is_cut:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.port))
            self.sockets += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            end.close()

    def cut(self) -> None:
        """Close all connections and accept no new ones."""
        self.is_cut = True
        for end in self.sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.sockets.clear()

    def restore(self) -> None:
        """Accept connections again."""
        self.is_cut = False

    def close(self) -> None:
        self.listener.close()
        self.cut()


@pytest.fixture
def proxy(running_app):
    """A proxy in front of the running app."""
    made = Proxy(int(running_app.url.rstrip("/").rsplit(":", 1)[1]))
    yield made
    made.close()


@pytest.mark.slow
def test_a_lost_connection_loses_neither_settings_nor_run(running_app, proxy, open_page, model, tmp_path):
    page = open_page(proxy.url)
    page.get_by_label(words.PROMPT_LABEL).fill("a green tree")
    set_number(page, "alpha1", 2)
    expect(status_line(page)).to_contain_text("128 → 256")
    running_app.gate.close()
    press_generate(page)
    running_app.gate.allow(6)
    expect(finished_cards(page)).to_have_count(1)
    proxy.cut()
    page.get_by_text(re.compile("connection", re.I)).first.wait_for()
    proxy.restore()
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
def test_a_run_transfers_few_bytes_and_each_file_once(running_app, open_page):
    page = open_page(running_app.url)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    received, fetched = [], []
    devtools.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    devtools.on("Network.dataReceived", lambda event: received.append(event["encodedDataLength"]))
    page.on("request", lambda request: fetched.append(request.url) if "/file=" in request.url else None)
    set_number(page, "scale_stages", 3)
    expect(status_line(page)).to_contain_text("128 → 256 → 512")
    press_generate(page)
    expect_done(page, 3)
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert 0 < sum(received) < 3_000_000
    assert fetched
    assert len(fetched) == len(set(fetched))
    assert not [url for url in fetched if url.endswith(store.PICTURE_FILE)]


def test_moving_a_slider_sends_one_request(running_app, open_page):
    page = open_page(running_app.url)
    page.locator("#curves svg").wait_for()
    before, posted = page.evaluate(CURVES_HTML), []
    page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    slider = page.get_by_label(re.compile(f"range slider for {re.escape(SETTINGS['alpha1'].label)}"))
    slider.focus()
    with page.expect_request(lambda request: request.method == "POST"):
        slider.press("ArrowRight")
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("3.1")
    page.wait_for_function(f"before => {CURVES_HTML} !== before", arg=before)
    assert len(posted) == 1, posted


def test_requests_are_answered_in_order(running_app, open_page):
    page = open_page(running_app.url)
    held = []  # The first request, until the test lets it go on.
    came_after_release = []  # Of each request: whether it came when the first one had been let go on.

    def hold_first(route):
        is_released = bool(came_after_release) and not held
        came_after_release.append(is_released)
        if is_released:
            route.continue_()
        else:
            held.append(route)

    page.route("**/gradio_api/run/**", hold_first)
    with page.expect_request("**/gradio_api/run/**"):
        page.get_by_label(re.compile(f"range slider for {re.escape(SETTINGS['alpha1'].label)}")).press(
            "ArrowRight"
        )
    press_button(page, words.NEW_SEED)
    page.evaluate("fetch('theme.css').then((answer) => answer.text())")  # A request after the press.
    seed = page.get_by_label(SETTINGS["seed"].label).input_value()
    held.pop().continue_()
    expect(page.get_by_label(SETTINGS["seed"].label)).not_to_have_value(seed)
    assert came_after_release[:2] == [False, True]


# Replaces fetch() before the page's own scripts load: answers to "test-" requests begin at once and end when
# window.finish() is called, which ends the one that began last.
UNFINISHED_ANSWERS = """
const send = window.fetch.bind(window);
window.sent = [];
window.fetch = (address, options) => {
  const name = String(address).split("/gradio_api/run/test-")[1];
  if (!name) return send(address, options);
  window.sent.push(name);
  const begun = (body) => { window.finish = () => body.close(); };
  return Promise.resolve(new Response(new ReadableStream({ start: begun })));
};
"""
# Sends a "test-" request; returns the names of those that have really been sent after another request is done.
SEND = """(name) => {
  window.fetch(`/gradio_api/run/test-${name}`);
  return fetch("theme.css").then(() => window.sent);
}"""


def test_a_request_is_sent_once_the_one_before_is_answered_in_full_or_takes_too_long(running_app, open_page):
    page = open_page(running_app.url, own_context=True)
    page.clock.install()
    page.add_init_script(UNFINISHED_ANSWERS)
    page.reload()
    page.locator("#sizes").get_by_text("px").wait_for()
    assert page.evaluate(SEND, "first") == ["first"]
    assert page.evaluate(SEND, "second") == ["first"]
    page.evaluate("window.finish()")
    page.wait_for_function("window.sent.length == 2")
    assert page.evaluate(SEND, "third") == ["first", "second"]
    page.clock.fast_forward(5000)
    page.wait_for_function("window.sent.length == 3")


def test_two_browsers_see_nothing_of_each_other(running_app, open_page):
    first, responses = open_page(running_app.url), []
    press_generate(first)
    expect_done(first)
    (run,) = running_app.runs()
    # A new tab: the bodies of responses cannot be read once their page has been left.
    second = open_page(running_app.url).context.new_page()
    second.on("response", lambda response: responses.append(response))
    second.goto(running_app.url)
    second.locator("#sizes").get_by_text("px").wait_for()
    assert run.name not in second.content()
    answers = tuple(responses)  # A copy, as more may arrive.
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
def test_an_unknown_run_has_no_progress(running_app, name):
    assert running_app.services.run_progress(name, "a" * 32) is None
