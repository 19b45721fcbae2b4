"""Tests of the handlers of one page: changes one at a time, filled widgets, and where a run pauses."""

import threading

import gradio as gr
import pytest

from engine import Recipe
from engine.recipe.recipe import to_dict
from engine.runs import store
from ui.actions import runs
from ui.actions.replan import set_recipe
from ui.handlers.actions import ActionHandlers
from ui.handlers.prompt import PromptHandlers
from ui.session.client import Client
from ui.session.services import Services
from ui.session.session import Session
from ui.studio import build_studio


class SignallingLock:
    """A lock that sets an event when the thread named "second" tries to acquire it."""

    def __init__(self, lock, second_arrived):
        self.lock, self.second_arrived = lock, second_arrived

    def __enter__(self):
        if threading.current_thread().name == "second":
            self.second_arrived.set()
        self.lock.acquire()

    def __exit__(self, *fault):
        self.lock.release()


def handler(services, name):
    """Return the handler of this name of a page's Gradio events."""
    return next(event.fn for event in build_studio(services).fns.values() if event.name == name)


def test_two_handlers_of_one_page_do_not_run_at_the_same_time(services, monkeypatch):
    on_change, request = handler(services, "on_change"), gr.Request(session_hash="a page")
    page, session, order = on_change.__self__.page, services.sessions.get(Client("a page")), []
    first_is_inside, second_arrived = threading.Event(), threading.Event()
    session.lock, session.is_restored = SignallingLock(session.lock, second_arrived), True

    def count_cached(self, planned):
        # Both handlers call this. The first waits here until the second calls it too or waits for the lock.
        name = threading.current_thread().name
        order.append(f"{name} in")
        (first_is_inside if name == "first" else second_arrived).set()
        second_arrived.wait()
        order.append(f"{name} out")
        return 0

    monkeypatch.setattr(Services, "count_cached", count_cached)
    values = {widget: widget.value for widget in page.widgets.values()}
    threads = [
        threading.Thread(
            target=on_change, args=(values | {page.widgets["alpha1"]: alpha}, request), name=name
        )
        for name, alpha in (("first", 2.0), ("second", 2.5))
    ]
    threads[0].start()
    first_is_inside.wait()
    threads[1].start()
    for thread in threads:
        thread.join()
    assert order == ["first in", "first out", "second in", "second out"]
    assert session.recipe.alpha1 == session.plan.recipe.alpha1 == 2.5


@pytest.fixture
def filled_page(services):
    """A session whose page was just filled, its handlers, and the values that the browser had before."""
    handlers = handler(services, "on_change").__self__
    session = services.sessions.get(Client("a page"))
    set_recipe(session, services, Recipe(prompt="a red house", alpha1=2.0))
    session.is_restored = bool(handlers.update_page(session, fill=True))
    return session, handlers, {widget: widget.value for widget in handlers.page.widgets.values()}


REQUEST = gr.Request(session_hash="a page")


def test_a_text_that_the_page_filled_itself_is_not_a_change(filled_page):
    session, handlers, values = filled_page
    prompt = handlers.page.widgets["prompt"]
    on_text = PromptHandlers(handlers.services, handlers.page).on_text_change("prompt")
    on_text(values | {prompt: "a red house"}, REQUEST)
    assert session.recipe.alpha1 == 2.0
    on_text(values | {prompt: "a green tree"}, REQUEST)
    assert (session.recipe.prompt, session.recipe.alpha1) == ("a green tree", 3.0)


def test_a_text_that_the_page_filled_is_applied_after_a_change_with_the_old_text(filled_page):
    session, handlers, values = filled_page
    handlers.on_change(values, REQUEST)
    assert session.recipe.prompt != "a red house"
    on_text = PromptHandlers(handlers.services, handlers.page).on_text_change("prompt")
    on_text(values | {handlers.page.widgets["prompt"]: "a red house"}, REQUEST)
    assert session.recipe.prompt == "a red house"


@pytest.mark.parametrize(
    ("name", "typed", "expected"),
    [
        ("alpha1", 9, 5),
        ("alpha1", -1, 0),
        ("alpha1", None, 0),
        ("stride", 100, 16),
        ("stages", 9, (1, 2, 4, 8)),
    ],
)
def test_an_empty_or_too_small_or_too_large_number_is_replaced_by_one_in_the_range_of_its_slider(
    filled_page, name, typed, expected
):
    session, handlers, values = filled_page
    handlers.on_change(values | {handlers.page.widgets[name]: typed}, REQUEST)
    assert session.refusal is None
    assert getattr(session.recipe, "scales" if name == "stages" else name) == expected


@pytest.fixture
def session_without_shown_run(running_app):
    """A session that shows no run while its run waits at the gate, and the handlers of its actions."""
    session = Session()
    set_recipe(session, running_app.services, Recipe(prompt="a red house"))
    running_app.gate.close()
    runs.submit(session, running_app.services, session.recipe, session.plan)
    session.show_run(None)
    return session, ActionHandlers(running_app.services, page=None)


def count_finished_stages(running_app, progress):
    """Let a run go on to its end and return how many stages it finished."""
    running_app.gate.open()
    list(running_app.services.queue.follow(progress.name))
    return len(store.finished_stages(progress.folder))


def test_the_active_run_pauses_after_the_chosen_stage_although_it_is_not_shown(
    running_app, session_without_shown_run
):
    session, handlers = session_without_shown_run
    handlers.do_stop_here(session, {"do": "stop_here", "stage": 1, "run": session.active_run.name})
    assert count_finished_stages(running_app, session.active_run) == 1


def test_stopping_at_a_stage_of_another_run_pauses_only_the_next_run(running_app, session_without_shown_run):
    session, handlers = session_without_shown_run
    handlers.do_stop_here(session, {"do": "stop_here", "stage": 1, "run": "another"})
    assert count_finished_stages(running_app, session.active_run) == 2
    assert session.pause_after == 1


def test_a_preset_holds_although_the_browser_does_not_know_its_values_yet(services):
    on_look, request = handler(services, "on_look_choice"), gr.Request(session_hash="a page")
    handlers = on_look.__self__
    page, session = handlers.page, services.sessions.get(Client("a page"))
    session.is_restored = True
    values = {widget: widget.value for widget in page.widgets.values()}
    shown = handlers.plan_widgets(request, values)
    values[page.browser_state] = {"recipe": to_dict(shown.recipe)}
    on_look(values | {page.looks: "crisp"}, request)
    assert handlers.plan_widgets(request, values).recipe.sigma1 == pytest.approx(0.55)
    # A value that was changed meanwhile is newer than the preset.
    changed = handlers.plan_widgets(request, values | {page.widgets["alpha1"]: 2}).recipe
    assert (changed.alpha1, changed.sigma1) == (2, 0.8)


def test_settings_that_were_set_back_by_hand_hold(services):
    on_look, request = handler(services, "on_look_choice"), gr.Request(session_hash="a page")
    handlers = on_look.__self__
    page, session = handlers.page, services.sessions.get(Client("a page"))
    session.is_restored = True
    values = {widget: widget.value for widget in page.widgets.values()}
    handlers.plan_widgets(request, values)
    answer = on_look(values | {page.looks: "crisp"}, request)
    values[page.browser_state] = answer[page.browser_state]
    assert handlers.plan_widgets(request, values).recipe.sigma1 == pytest.approx(0.8)
