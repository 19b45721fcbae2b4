"""Tests of the route that serves the modules of the stages panel."""

import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ui.panels import modules


@pytest.fixture
def client():
    return TestClient(Starlette(routes=[modules.modules_route()]))


@pytest.fixture
def other_modules(monkeypatch, tmp_path):
    """A folder that takes the place of the modules' folder; it has one module."""
    monkeypatch.setattr(modules, "MODULES_FOLDER", tmp_path)
    (tmp_path / "main.js").write_text("export {};")
    modules.read_modules.cache_clear()
    yield tmp_path
    modules.read_modules.cache_clear()


def test_every_module_is_served_as_javascript_that_a_browser_may_keep(client):
    names = [path.name for path in modules.MODULES_FOLDER.glob("*.js")]
    assert modules.MAIN_MODULE in names
    for name in names:
        answer = client.get(f"{modules.modules_path()}/{name}")
        assert answer.content == (modules.MODULES_FOLDER / name).read_bytes()
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("name", ["other.js", "..%2Fload_panel.js", "../load_panel.js", ""])
def test_nothing_else_is_served(client, name):
    assert client.get(f"{modules.modules_path()}/{name}").status_code == 404


def test_another_version_is_not_served(client):
    assert client.get(f"/panel/{'0' * 16}/{modules.MAIN_MODULE}").status_code == 404


def test_a_changed_module_changes_the_url_of_all(other_modules):
    before = modules.main_module_for_browser()["url"]
    (other_modules / "dom.js").write_text("export const one = 1;")
    modules.read_modules.cache_clear()
    after = modules.main_module_for_browser()["url"]
    assert re.fullmatch(r"/panel/[0-9a-f]{16}/main\.js", after)
    assert before != after
