"""The app below a path: behind a proxy that strips the path, and mounted in another app."""

import threading
from urllib.parse import urlsplit

import fastapi
import gradio as gr
import pytest
import uvicorn

from engine.paths import ASSETS
from engine.serving.model_pool import ModelPool
from tests.support.page_queries import expect, expect_runs_done, finished_cards, press_generate, status_line
from tests.support.prefix_proxy import serve_below
from tests.support.running_app import free_port, serve_app, tiny_entry
from ui.session.services import open_services
from ui.studio import build_studio
from ui.theme import launch_arguments

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EXAMPLE = ASSETS / "example"
# Arguments of launch() that mount_gradio_app() does not have, because the other app decides.
LAUNCH_ONLY = {"run_history", "num_workers", "state_session_capacity"}


@pytest.fixture
def app_behind_proxy(tmp_path, tiny_folder, monkeypatch):
    """The URL of an app behind a proxy that strips /x, which the app knows as its root path."""
    monkeypatch.setenv("GRADIO_ROOT_PATH", "/x")
    with (
        serve_app(tmp_path / "runs", tiny_folder, example=EXAMPLE) as app,
        serve_below("/x", urlsplit(app.url).port) as url,
    ):
        yield url


@pytest.fixture
def mounted_app(tmp_path, tiny_folder):
    """The URL of an app that is mounted in another one at /x."""
    pool = ModelPool([tiny_entry(tiny_folder)], "cpu", "float32")
    pool.model()
    services = open_services(tmp_path / "runs", pool, max_age=86400.0, example=EXAMPLE)
    arguments = {name: value for name, value in launch_arguments(services).items() if name not in LAUNCH_ONLY}
    demo = build_studio(services).queue()
    port = free_port()
    # Without root_path, Gradio leaves the path out of the URLs of files in its answers.
    outer = gr.mount_gradio_app(fastapi.FastAPI(), demo, "/x", root_path="/x", **arguments)
    server = uvicorn.Server(uvicorn.Config(outer, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}/x/"
    server.should_exit = True
    services.queue.close()
    thread.join(10)


@pytest.mark.parametrize("fixture", ["app_behind_proxy", "mounted_app"])
def test_the_panel_works_below_a_path(fixture, request, open_page):
    url = request.getfixturevalue(fixture)
    page, requested = open_page(url), []
    page.on("request", lambda each: requested.append(each.url))
    page.reload()
    expect(finished_cards(page)).to_have_count(3)
    expect(status_line(page)).to_contain_text("128 → 256")
    page.wait_for_function("[...document.images].every((image) => image.complete && image.naturalWidth)")
    press_generate(page)
    expect_runs_done(page, 1)
    own = [each for each in requested if each.startswith(url.removesuffix("/x/"))]
    assert any("/panel/" in each for each in own)
    assert [each for each in own if not each.startswith(url)] == []
