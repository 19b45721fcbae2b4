"""A real page on a real server over a tiny model, whose network waits at a gate. A pytest plugin."""

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
TIMEOUT_MS = 30_000
"""Milliseconds until an expectation gives up; nothing waits that long when all is well."""


class Gate:
    """Lets calls of the network through; open unless it is closed."""

    def __init__(self, network) -> None:
        self.network, self.forward = network, network.forward
        self.let = threading.Semaphore(0)
        self.closed, self.calls = False, 0
        network.forward = self

    def __call__(self, *given, **more):
        if self.closed:
            self.let.acquire()
        self.calls += 1
        return self.forward(*given, **more)

    def close(self) -> None:
        self.closed = True

    def pass_(self, network_calls: int) -> None:
        self.let.release(network_calls)

    def open(self) -> None:
        self.closed = False
        self.let.release(10**6)

    def leave(self) -> None:
        self.open()
        self.network.forward = self.forward


@dataclass
class RunningApp:
    """A running app."""

    url: str
    services: Services
    demo: object
    gate: Gate

    def runs(self) -> list[Path]:
        return self.services.cache.runs()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tiny_entry(folder: Path, **more) -> ModelEntry:
    return ModelEntry(
        **{"name": "tiny", "title": "Tiny", "source": str(folder), "family": "sdxl", "defaults": DEFAULTS}
        | more
    )


@contextmanager
def serve_app(root: Path, model: Path | ModelEntry, **more) -> Iterator[RunningApp]:
    """An app over a folder's model, or a catalogue entry, that is loaded already."""
    entry = model if isinstance(model, ModelEntry) else tiny_entry(model)
    pool = ModelPool([entry], "cpu", "float32")
    gate = Gate(pool.model().unet)
    services = open_services(root, pool, **{"age": 86400.0} | more)
    with launch_app(services) as (url, demo):
        try:
            yield RunningApp(url, services, demo, gate)
        finally:
            gate.leave()


@contextmanager
def launch_app(services: Services) -> Iterator[tuple[str, object]]:
    """A house's app on a port of its own: its address, and itself."""
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
    """An app of its own for a test."""
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
    """Opens a page in a browser of its own; faults of its scripts fail the test."""
    contexts, faults = [], []

    def opened(url: str, **how):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.on("dialog", lambda dialog: faults.append(f"a dialog: {dialog.message}") or dialog.dismiss())
        page.goto(url)
        page.locator("#sizes").get_by_text("px").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not faults, faults
