"""What the name of a run, which is part of the URL of its pictures, does not allow another browser."""

from types import SimpleNamespace

import gradio as gr
import pytest

from engine import Finished
from engine.runs.events import Stopped
from tests.support.waiting import run_async
from ui.studio import build_studio
from ui.text import words


class Browser:
    """A page in a browser with a secret of its own, which calls the handlers as the page's script does."""

    def __init__(self, services, name):
        self.handlers = {each.name: each.fn for each in build_studio(services).fns.values()}
        self.page = self.handlers["on_change"].__self__.page
        source = SimpleNamespace(
            client=SimpleNamespace(host="203.0.113.7"),
            headers={"x-studio-owner": name * 32},
            base_url="http://studio.test/",
            query_params={},
        )
        self.request = gr.Request(source, session_hash=f"page of {name}")
        self.values = {widget: widget.value for widget in self.page.widgets.values()}

    def update(self, outputs):
        """Take a handler's answer as the page does, and return it."""
        if self.page.browser_state in outputs:
            self.values[self.page.browser_state] = outputs[self.page.browser_state]
        return outputs

    def open(self, **stored):
        return self.update(self.handlers["on_load"](stored, self.request))

    def generate(self, **values):
        chosen = {self.page.widgets[name]: value for name, value in values.items()}
        return self.update(self.handlers["on_generate"](self.values | chosen, self.request))

    def act(self, **action):
        return self.update(self.handlers["on_action"](self.values, self.request, gr.EventData(None, action)))

    def stop(self, stored=None):
        stored = self.values[self.page.browser_state] if stored is None else stored
        return self.handlers["on_stop"](stored, self.request)

    def shown(self, outputs):
        """Return the value of the stages panel in an answer."""
        return outputs[self.page.stages]


@pytest.fixture
def owner(services):
    owner = Browser(services, "a")
    owner.open()
    return owner


@pytest.fixture
def stranger(services):
    return Browser(services, "b")


@pytest.fixture
def finished_run(services, owner):
    owner.generate(prompt="a red house", scales="1, 2")
    name = owner.values[owner.page.browser_state]["active"]
    assert list(services.queue.follow(name))[-1] == Finished(2)
    run_async(anext(owner.handlers["on_follow_run"](owner.request)))
    return name


def test_the_owner_finds_the_run_again_in_a_new_page(owner, finished_run):
    owner.request.session_hash = "another page"
    panel = owner.shown(owner.open(recipe={"prompt": "a"}, run=finished_run, runs=[finished_run]))
    assert (panel["run"], [each["run"] for each in panel["earlier"]]) == (finished_run, [finished_run])


def test_a_stranger_does_not_see_the_run(stranger, finished_run):
    panel = stranger.shown(stranger.open(recipe={"prompt": "a"}, run=finished_run, runs=[finished_run]))
    assert panel["run"] == ""
    assert panel["earlier"] == panel["here"] == []
    assert finished_run not in repr(panel)


@pytest.mark.parametrize("do", ["look", "use", "continue", "grow", "labelled", "dive", "forget"])
def test_no_action_of_a_stranger_reaches_the_run(services, stranger, owner, finished_run, do):
    stranger.open(recipe={"prompt": "a green tree"}, runs=[finished_run])
    panel = stranger.shown(stranger.act(do=do, run=finished_run, stage=1))
    assert finished_run not in repr(panel)
    assert services.queue.active_runs() == ()
    assert services.run_folder(finished_run, "a" * 32)
    assert "a red house" not in repr(stranger.values)


def test_a_stranger_cannot_stop_the_run(services, stranger, owner):
    owner.generate(prompt="a red house", scales="1, 2")
    name = owner.values[owner.page.browser_state]["active"]
    stranger.open(run=name, runs=[name])
    stranger.stop({"active": name})
    stranger.act(do="stop_here", run=name, stage=1)
    assert list(services.queue.follow(name))[-1] == Finished(2)


def test_stop_stops_the_run_that_the_page_showed_when_it_was_pressed(services, owner):
    owner.generate(prompt="a red house", scales="1, 2")
    name = owner.values[owner.page.browser_state]["active"]
    owner.stop({"active": "0" * 32})
    assert not (services.cache.root / name / "stop").exists()
    owner.stop()
    assert isinstance(list(services.queue.follow(name))[-1], Stopped)


def test_generate_does_nothing_before_the_page_is_filled(services):
    browser = Browser(services, "c")
    assert list(browser.generate(prompt="a red house")) == [browser.page.stages]
    assert services.queue.active_runs() == ()
    browser.open()
    browser.generate(prompt="a red house", scales="1")
    assert browser.values[browser.page.browser_state]["active"]


def test_generate_is_enabled_by_the_first_answer(owner):
    assert owner.page.generate_button.interactive is False
    assert owner.open()[owner.page.generate_button]["interactive"] is True


def test_a_session_has_few_exports_waiting(owner, finished_run):
    for _ in range(4):
        panel = owner.shown(owner.act(do="labelled", run=finished_run))
        assert panel["status"]["text"] == words.EXPORT_IN_PROGRESS
    assert owner.shown(owner.act(do="labelled", run=finished_run))["status"]["text"] == words.TOO_MANY_EXPORTS


def test_a_second_request_for_exports_of_a_session_leaves_them_to_the_first(owner, finished_run):
    owner.act(do="labelled", run=finished_run)
    owner.act(do="labelled", run=finished_run)

    async def make_all():
        first = owner.handlers["on_make_export"](owner.request)
        made = await anext(first)
        second = [outputs async for outputs in owner.handlers["on_make_export"](owner.request)]
        return made, second, [outputs async for outputs in first]

    made, second, rest = run_async(make_all())
    assert [len(outputs) for outputs in second] == [1]
    assert [len(outputs) > 1 for outputs in (made, *rest)] == [True, True, False]
