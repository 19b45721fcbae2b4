"""A pytest plugin with the app on a real server over a tiny model, and pages of it in Chromium."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import pytest

from engine.catalogue.entries import Defaults, ModelEntry, Quality
from engine.serving.model_pool import ModelPool
from ui.session.services import Services, open_services
from ui.studio import build_studio
from ui.theme import launch_arguments
from ui.web.settings import WebSettings

QUALITIES = {"draft": Quality(4, 0.5, dilated=False), "standard": Quality(4, 0.5), "fine": Quality(4)}
DEFAULTS = Defaults(4, 3.0, "ddim", (1.0, 2.0), qualities=QUALITIES)
# When an expectation gives up. Nothing waits that long unless it fails.
TIMEOUT_MS = 30_000
VIEWPORT = {"width": 1280, "height": 800}


class Gate:
    """Holds back calls of a network while it is closed; it is open at first."""

    def __init__(self, network) -> None:
        self.network, self.forward = network, network.forward
        self.permits = threading.Semaphore(0)
        self.closed, self.calls = False, 0
        network.forward = self

    def __call__(self, *args, **kwargs):
        if self.closed:
            self.permits.acquire()
        self.calls += 1
        return self.forward(*args, **kwargs)

    def close(self) -> None:
        self.closed = True

    def allow(self, calls: int) -> None:
        """Let so many calls through a closed gate."""
        self.permits.release(calls)

    def open(self) -> None:
        self.closed = False
        self.permits.release(10**6)

    def remove(self) -> None:
        """Open the gate and give the network its own forward() back."""
        self.open()
        self.network.forward = self.forward


@dataclass
class RunningApp:
    """A running app and its parts."""

    url: str
    services: Services
    demo: object  # Its Gradio Blocks.
    gate: Gate  # Holds back its network.

    def runs(self) -> list[Path]:
        return self.services.cache.runs()


def free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tiny_entry(folder: Path, **more) -> ModelEntry:
    """Make a catalogue entry for the tiny model in this folder."""
    return ModelEntry(
        **{"name": "tiny", "title": "Tiny", "source": str(folder), "family": "sdxl", "defaults": DEFAULTS}
        | more
    )


@pytest.fixture
def services(tmp_path: Path, tiny_folder: Path) -> Iterator[Services]:
    """The services of an app over a tiny model, without a server."""
    pool = ModelPool([tiny_entry(tiny_folder)], "cpu", "float32")
    services = open_services(tmp_path / "runs", pool, max_age=86400)
    yield services
    services.queue.close()


@contextmanager
def serve_app(root: Path, model: Path | ModelEntry, **more) -> Iterator[RunningApp]:
    """Run an app whose model, from a folder or a catalogue entry, is loaded already."""
    entry = model if isinstance(model, ModelEntry) else tiny_entry(model)
    pool = ModelPool([entry], "cpu", "float32")
    gate = Gate(pool.model().unet)
    services = open_services(root, pool, **{"max_age": 86400.0} | more)
    with launch_app(services) as (url, demo):
        try:
            yield RunningApp(url, services, demo, gate)
        finally:
            gate.remove()


@contextmanager
def launch_app(services: Services, web: WebSettings | None = None) -> Iterator[tuple[str, object]]:
    """Run the app over these services on a free port; yield its address and its Gradio Blocks."""
    demo = build_studio(services)
    demo.queue(max_size=200)
    where = {"server_name": "127.0.0.1", "server_port": free_port()}
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **where, **launch_arguments(services, web))
    try:
        yield url, demo
    finally:
        services.queue.close()
        demo.close()


def renew_services(services: Services, root: Path) -> None:
    """Give services an empty folder of runs, and no sessions and uploads; the loaded models stay.

    The handlers of a page hold the object, whose class is frozen, so its fields are replaced in place.
    """
    vars(services).update(vars(open_services(root, services.pool, max_age=86400.0)))


@contextmanager
def with_new_services(app: RunningApp, root: Path) -> Iterator[RunningApp]:
    """Renew the services of a running app, whose runs are then in this folder."""
    services = app.services
    renew_services(services, root)
    gr.set_static_paths([services.cache.root])
    gate = Gate(services.pool.model().unet)
    try:
        yield RunningApp(app.url, services, app.demo, gate)
    finally:
        gate.remove()
        services.queue.close()


@pytest.fixture(scope="session")
def shared_app(tmp_path_factory, tiny_folder):
    """The app that the tests of a worker use in turn, because building and starting an app takes long."""
    with serve_app(tmp_path_factory.mktemp("app") / "runs", tiny_folder) as app:
        yield app


@pytest.fixture
def running_app(tmp_path, shared_app):
    """A running app for one test, without runs, sessions and uploads of other tests."""
    with with_new_services(shared_app, tmp_path / "runs") as app:
        yield app


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()


class SharedContext:
    """A browser context in which the tests of a worker open their pages in turn.

    A page in a new context starts two processes and compiles all scripts. A page that another page has opened
    uses its process and the compiled scripts, which takes less than half the time.
    """

    def __init__(self, browser, url: str) -> None:
        self.url = url
        self.context = browser.new_context(viewport=VIEWPORT)
        self.opener = self.context.new_page()
        self.opener.goto(f"{url}theme.css")  # A small file of the app.

    def open_blank_page(self):
        """Open a blank page; nothing that earlier pages stored is left."""
        self.opener.evaluate("localStorage.clear()")
        self.context.clear_cookies()
        with self.context.expect_page() as opened:
            self.opener.evaluate("void window.open('about:blank')")
        return opened.value

    def close_pages(self) -> None:
        """Close all pages but the one that opens them."""
        for page in self.context.pages:
            if page != self.opener:
                page.close()


@pytest.fixture(scope="session")
def shared_context(browser, shared_app):
    """The browser context that tests use in turn for pages of the shared app."""
    return SharedContext(browser, shared_app.url)


@pytest.fixture
def open_page(browser, request):
    """A function that opens a page without stored state; errors of its scripts fail the test.

    The first page of the running app is in the worker's shared context, all others are in new contexts. A test
    that changes the context, as page.clock does, asks for own_context.
    """
    shared = request.getfixturevalue("shared_context") if "running_app" in request.fixturenames else None
    contexts, pages, errors = [], [], []

    def open_blank_page(url, own_context, settings):
        if shared and not pages and not own_context and not settings and url.startswith(shared.url):
            return shared.open_blank_page()
        context = browser.new_context(**{"viewport": VIEWPORT} | settings)
        contexts.append(context)
        return context.new_page()

    def open_url(url: str, own_context: bool = False, **settings):
        page = open_blank_page(url, own_context, settings)
        pages.append(page)
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(f"a dialog: {dialog.message}") or dialog.dismiss())
        page.goto(url)
        page.locator("#sizes").get_by_text("px").wait_for()
        return page

    yield open_url
    for context in contexts:
        context.close()
    if shared:
        shared.close_pages()
    assert not errors, errors
