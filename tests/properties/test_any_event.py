"""What a browser sends may be anything: it is taken, or refused in words; nothing raises."""

import gradio as gr
import pytest

from engine.serving.model_pool import ModelPool
from tests.support.running_app import tiny_entry
from ui.handlers.actions import ActionHandlers
from ui.session.services import open_services
from ui.studio import build_studio

ANYTHING = (
    [], {}, ["x"], {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, "x", "", "a" * 3000,
    "\ud800", float("nan"), float("inf"), 10**400, -1, True, None,
)  # fmt: skip


@pytest.fixture
def presses(tmp_path, tiny_folder):
    """What answers to presses, with what the page gives it."""
    services = open_services(tmp_path, ModelPool([tiny_entry(tiny_folder)], "cpu", "float32"), age=86400)
    found = build_studio(services).fns.values()
    yield [each for each in found if each.inputs_as_dict and not each.preprocess]
    services.queue.close()


def named(presses, name):
    return next(press for press in presses if press.name == name)


def answer(press, given, asked=None):
    more = [gr.EventData(None, asked)] if press.name == "on_action" else []
    return press.fn(given, gr.Request(session_hash=""), *more)


def shown(press):
    return {each: getattr(each, "value", None) for each in press.inputs}


@pytest.mark.parametrize("anything", ANYTHING, ids=lambda value: repr(value)[:12])
def test_each_control_may_hold_it(presses, anything):
    press = named(presses, "on_change")
    for control in press.inputs:
        assert answer(press, shown(press) | {control: anything})


@pytest.mark.parametrize("anything", ANYTHING, ids=lambda value: repr(value)[:12])
def test_every_press_may_bring_it(presses, anything):
    assert len(presses) > 10
    for press in presses:
        assert answer(press, dict.fromkeys(press.inputs, anything), anything)


@pytest.mark.parametrize(
    "act", [name.removeprefix("do_") for name in dir(ActionHandlers) if name.startswith("do_")]
)
def test_every_act_may_be_about_it(presses, act):
    press = named(presses, "on_action")
    for anything in ANYTHING:
        about = dict.fromkeys(("run", "stage", "of", "fit", "place"), anything)
        assert answer(press, shown(press), {"do": act} | about)
