"""A run that starts while the page still listens to the one before."""

import asyncio
import threading
from collections.abc import AsyncIterator

import gradio as gr
import pytest

from tests.support.page_queries import (
    expect_done,
    expect_runs_done,
    finished_cards,
    press_generate,
    set_number,
)
from tests.support.running_app import serve_app
from ui.handlers.page import PageHandlers
from ui.page import Outputs

pytestmark = pytest.mark.browser


@pytest.fixture
def slow_listeners(monkeypatch):
    """Keeps every listener open after its last event, until the event that this returns is set."""
    over, on_follow_run = threading.Event(), PageHandlers.on_follow_run

    async def follow_slowly(self, request: gr.Request) -> AsyncIterator[Outputs]:
        async for outputs in on_follow_run(self, request):
            yield outputs
        await asyncio.to_thread(over.wait)

    monkeypatch.setattr(PageHandlers, "on_follow_run", follow_slowly)
    yield over
    over.set()


def test_a_second_run_is_shown_while_the_listener_of_the_first_is_open(
    slow_listeners, tmp_path, tiny_folder, open_page
):
    with serve_app(tmp_path / "runs", tiny_folder) as app:
        page = open_page(app.url)
        press_generate(page)
        expect_done(page)
        set_number(page, "seed", 7)
        press_generate(page)
        expect_runs_done(page, 2)
        assert finished_cards(page).count() == 2
        slow_listeners.set()
