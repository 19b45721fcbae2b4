"""Anything that a browser sends is accepted or refused in words, and never raises."""

import inspect

import gradio as gr
import pytest

from engine.serving.model_pool import ModelPool
from tests.support.running_app import renew_services, tiny_entry
from tests.support.waiting import run_async
from ui.handlers.actions import ActionHandlers
from ui.session.services import open_services
from ui.studio import build_studio

ANYTHING = (
    [], {}, ["x"], {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, "x", "", "a" * 3000,
    "\ud800", float("nan"), float("inf"), 10**400, -1, True, None,
)  # fmt: skip


@pytest.fixture(scope="module")
def services_and_page(tmp_path_factory, tiny_folder):
    """Services, and the page that was built with them."""
    pool = ModelPool([tiny_entry(tiny_folder)], "cpu", "float32")
    services = open_services(tmp_path_factory.mktemp("runs"), pool, max_age=86400)
    return services, build_studio(services)


@pytest.fixture
def page_handlers(services_and_page, tmp_path):
    """The page's handlers of user events, each with the components that are its inputs."""
    services, page = services_and_page
    renew_services(services, tmp_path)
    yield [each for each in page.fns.values() if each.inputs_as_dict and not each.preprocess]
    services.queue.close()


def find_handler(page_handlers, name):
    return next(handler for handler in page_handlers if handler.name == name)


def call_handler(handler, values, action=None):
    """Call a handler with values of its inputs, and with the data of its event if it takes some; return its outputs."""
    more = [gr.EventData(None, action)] if "event" in inspect.signature(handler.fn).parameters else []
    outputs = handler.fn(values, gr.Request(session_hash=""), *more)
    return run_async(outputs) if inspect.iscoroutine(outputs) else outputs


def initial_values(handler):
    """Return the values of a handler's inputs on a new page."""
    return {each: getattr(each, "value", None) for each in handler.inputs}


@pytest.mark.parametrize("anything", ANYTHING, ids=lambda value: repr(value)[:12])
def test_each_input_accepts_any_value(page_handlers, anything):
    handler = find_handler(page_handlers, "on_change")
    for component in handler.inputs:
        assert call_handler(handler, initial_values(handler) | {component: anything})


@pytest.mark.parametrize("anything", ANYTHING, ids=lambda value: repr(value)[:12])
def test_every_handler_accepts_any_value_in_all_its_inputs(page_handlers, anything):
    assert len(page_handlers) > 10
    for handler in page_handlers:
        assert call_handler(handler, dict.fromkeys(handler.inputs, anything), anything)


@pytest.mark.parametrize(
    "action", [name.removeprefix("do_") for name in dir(ActionHandlers) if name.startswith("do_")]
)
def test_every_action_accepts_any_value_in_its_fields(page_handlers, action):
    handler = find_handler(page_handlers, "on_action")
    for anything in ANYTHING:
        fields = dict.fromkeys(("run", "stage", "of", "fit", "place"), anything)
        assert call_handler(handler, initial_values(handler), {"do": action} | fields)
