"""What happens on one page at the same moment happens in turn."""

import threading

import gradio as gr
import pytest

from engine import Recipe
from engine.runs import store
from engine.serving.model_pool import ModelPool
from tests.support.running_app import tiny_entry
from ui.actions import runs
from ui.actions.replan import set_recipe
from ui.handlers.actions import ActionHandlers
from ui.handlers.prompt import PromptHandlers
from ui.session.services import Services, open_services
from ui.session.session import Session
from ui.studio import build_studio


class Asked:
    """A lock that tells when the second thread asks for it."""

    def __init__(self, lock, second_came):
        self.lock, self.second_came = lock, second_came

    def __enter__(self):
        if threading.current_thread().name == "second":
            self.second_came.set()
        self.lock.acquire()

    def __exit__(self, *fault):
        self.lock.release()


@pytest.fixture
def services(tmp_path, tiny_folder):
    return open_services(tmp_path, ModelPool([tiny_entry(tiny_folder)], "cpu", "float32"), age=86400)


def handler(services, name):
    return next(each.fn for each in build_studio(services).fns.values() if each.name == name)


def test_a_handler_waits_until_another_of_its_page_is_done(services, monkeypatch):
    on_change, request = handler(services, "on_change"), gr.Request(session_hash="a page")
    page, session, passed = on_change.__self__.page, services.sessions.get("a page"), []
    first_is_inside, second_came = threading.Event(), threading.Event()
    session.lock, session.is_restored = Asked(session.lock, second_came), True

    def count_cached(self, planned):
        """In the midst of both; the first stays until the second is here too, or waits outside."""
        name = threading.current_thread().name
        passed.append(f"{name} in")
        (first_is_inside if name == "first" else second_came).set()
        second_came.wait()
        passed.append(f"{name} out")
        return 0

    monkeypatch.setattr(Services, "count_cached", count_cached)
    values = {control: control.value for control in page.widgets.values()}
    both = [
        threading.Thread(target=on_change, args=(values | {page.widgets["alpha1"]: alpha}, request), name=name)
        for name, alpha in (("first", 2.0), ("second", 2.5))
    ]
    both[0].start()
    first_is_inside.wait()
    both[1].start()
    for thread in both:
        thread.join()
    assert passed == ["first in", "first out", "second in", "second out"]
    assert session.recipe.alpha1 == session.plan.recipe.alpha1 == 2.5


@pytest.fixture
def filled(services):
    """A session whose page was just filled, its handlers, and the values of a browser that is not filled yet."""
    handlers = handler(services, "on_change").__self__
    session = services.sessions.get("a page")
    set_recipe(session, services, Recipe(prompt="a red house", alpha1=2.0))
    session.is_restored = bool(handlers.update_page(session, fill=True))
    return session, handlers, {control: control.value for control in handlers.page.widgets.values()}


REQUEST = gr.Request(session_hash="a page")


def test_what_the_page_wrote_itself_is_no_change(filled):
    session, handlers, values = filled
    prompt = handlers.page.widgets["prompt"]
    on_text = PromptHandlers(handlers.services, handlers.page).on_text_change("prompt")
    on_text(values | {prompt: "a red house"}, REQUEST)
    assert session.recipe.alpha1 == 2.0
    on_text(values | {prompt: "a green tree"}, REQUEST)
    assert (session.recipe.prompt, session.recipe.alpha1) == ("a green tree", 3.0)


def test_what_the_page_wrote_is_applied_after_a_change_that_was_made_before(filled):
    session, handlers, values = filled
    handlers.on_change(values, REQUEST)
    assert session.recipe.prompt != "a red house"
    on_text = PromptHandlers(handlers.services, handlers.page).on_text_change("prompt")
    on_text(values | {handlers.page.widgets["prompt"]: "a red house"}, REQUEST)
    assert session.recipe.prompt == "a red house"


@pytest.mark.parametrize(
    ("name", "typed", "shown"),
    [
        ("alpha1", 9, 5),
        ("alpha1", -1, 0),
        ("alpha1", None, 0),
        ("stride", 100, 16),
        ("stages", 9, (1, 2, 4, 8)),
    ],
)
def test_what_is_typed_beyond_a_slider_is_taken_as_its_box_will_show_it(filled, name, typed, shown):
    session, handlers, values = filled
    handlers.on_change(values | {handlers.page.widgets[name]: typed}, REQUEST)
    assert session.refusal is None
    assert getattr(session.recipe, "scales" if name == "stages" else name) == shown


@pytest.fixture
def looked_away(running_app):
    """A session whose run waits at the gate while no run is shown, and the handlers of actions on it."""
    session = Session()
    set_recipe(session, running_app.services, Recipe(prompt="a red house"))
    running_app.gate.close()
    runs.submit(session, running_app.services, session.recipe, session.plan)
    session.show_run(None)
    return session, ActionHandlers(running_app.services, page=None)


def stages_made(running_app, progress):
    """How many a run has made when it ends."""
    running_app.gate.open()
    list(running_app.services.queue.follow(progress.name))
    return len(store.finished_stages(progress.run))


def test_a_run_pauses_where_it_was_asked_to_though_another_run_was_shown_first(running_app, looked_away):
    session, acts = looked_away
    acts.do_stop_here(session, {"do": "stop_here", "stage": 1, "run": session.active_run.name})
    assert stages_made(running_app, session.active_run) == 1


def test_where_another_run_is_shown_the_next_one_pauses(running_app, looked_away):
    session, acts = looked_away
    acts.do_stop_here(session, {"do": "stop_here", "stage": 1, "run": "another"})
    assert stages_made(running_app, session.active_run) == 2
    assert session.pause_after == 1
