"""A pytest plugin with the app on a real server over a tiny model, and pages of it in Chromium."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.catalogue.entries import Defaults, ModelEntry
from engine.serving.model_pool import ModelPool
from ui.session.services import Services, open_services
from ui.studio import build_studio
from ui.theme import launch_arguments

DEFAULTS = Defaults(4, 3.0, "ddim", (1.0, 2.0))
# When an expectation gives up. Nothing waits that long unless it fails.
TIMEOUT_MS = 30_000


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
def launch_app(services: Services) -> Iterator[tuple[str, object]]:
    """Run the app over these services on a free port; yield its address and its Gradio Blocks."""
    demo = build_studio(services)
    demo.queue(max_size=200)
    where = {"server_name": "127.0.0.1", "server_port": free_port()}
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **where, **launch_arguments(services))
    try:
        yield url, demo
    finally:
        services.queue.close()
        demo.close()


@pytest.fixture
def running_app(tmp_path, tiny_folder):
    """A new running app for one test."""
    with serve_app(tmp_path / "runs", tiny_folder) as app:
        yield app


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """A function that opens a page in a new browser context; errors of its scripts fail the test."""
    contexts, errors = [], []

    def open_url(url: str, **settings):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(f"a dialog: {dialog.message}") or dialog.dismiss())
        page.goto(url)
        page.locator("#sizes").get_by_text("px").wait_for()
        return page

    yield open_url
    for context in contexts:
        context.close()
    assert not errors, errors
