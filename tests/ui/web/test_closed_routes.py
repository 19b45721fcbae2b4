import httpx
import pytest

from tests.support.running_app import launch_app
from ui.web.closed_routes import is_closed

CLOSED = (
    "openapi.json", "docs", "redoc", "monitoring", "monitoring/summary", "gradio_api/dev/reload",
    "gradio_api/profiling/summary", "gradio_api/runs", "gradio_api/run-history/buckets",
    "gradio_api/deep_link?session_hash=a", "gradio_api/proxy=https://example.org", "gradio_api/vibe-code",
    "gradio_api/undo-vibe-edit/", "openapi.json%0A", "gradio_api/file=https://example.org/x.png",
    "gradio_api/file/http://example.org/x.png", "gradio_api/token", "login/",
)  # fmt: skip
OPEN = ("", "config", "gradio_api/info", "theme.css", "gradio_api/startup-events", "robots.txt")


@pytest.mark.parametrize("path", CLOSED)
def test_routes_that_nobody_needs_are_closed(running_app, path):
    assert httpx.get(f"{running_app.url}{path}").status_code == 404


@pytest.mark.parametrize("path", OPEN)
def test_routes_of_the_page_are_open(running_app, path):
    assert httpx.get(f"{running_app.url}{path}").status_code == 200


def test_paths_with_control_characters_are_closed():
    assert is_closed("/\n")
    assert is_closed("/config\n")
    assert not is_closed("/gradio_api/file=/Ä 👩\u200d🎨.png")


def test_a_route_that_begins_like_a_closed_one_is_open():
    assert not is_closed("/gradio_api/run/predict")
    assert not is_closed("/gradio_api/login_check")


def test_gradio_starts_no_workers_that_would_answer_around_the_middleware(services, monkeypatch):
    monkeypatch.setenv("GRADIO_NUM_WORKERS", "1")
    with launch_app(services) as (_, demo):
        assert not hasattr(demo, "_static_worker_pool")
