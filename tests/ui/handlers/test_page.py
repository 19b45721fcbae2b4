"""What happens on one page at the same moment happens in turn."""

import threading

import gradio as gr
import pytest

from engine import Recipe
from engine.runs import store
from engine.serving.model_pool import Lender
from tests.support.page import tiny_entry
from ui.actions import runs
from ui.actions.replan import take
from ui.handlers.actions import Acts
from ui.handlers.page import Handlers
from ui.handlers.prompt import Writing
from ui.session.services import House, open_house
from ui.session.session import Visit
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
def house(tmp_path, tiny_folder):
    return open_house(tmp_path, Lender([tiny_entry(tiny_folder)], "cpu", "float32"), age=86400)


def handler(house, name):
    return next(each.fn for each in build_studio(house).fns.values() if each.name == name)


def test_a_handler_waits_until_another_of_its_page_is_done(house, monkeypatch):
    moved, request = handler(house, "moved"), gr.Request(session_hash="a page")
    page, visit, passed = moved.__self__.page, house.visits.of("a page"), []
    first_is_inside, second_came = threading.Event(), threading.Event()
    visit.lock, visit.known = Asked(visit.lock, second_came), True

    def held(self, planned):
        """In the midst of both; the first stays until the second is here too, or waits outside."""
        name = threading.current_thread().name
        passed.append(f"{name} in")
        (first_is_inside if name == "first" else second_came).set()
        second_came.wait()
        passed.append(f"{name} out")
        return 0

    monkeypatch.setattr(House, "held", held)
    given = {control: control.value for control in page.controls.values()}
    both = [
        threading.Thread(target=moved, args=(given | {page.controls["alpha1"]: alpha}, request), name=name)
        for name, alpha in (("first", 2.0), ("second", 2.5))
    ]
    both[0].start()
    first_is_inside.wait()
    both[1].start()
    for thread in both:
        thread.join()
    assert passed == ["first in", "first out", "second in", "second out"]
    assert visit.recipe.alpha1 == visit.plan.recipe.alpha1 == 2.5


@pytest.fixture
def filled(house):
    """A visit whose page was just filled, its handlers, and what a browser gives that is still to fill."""
    handlers = handler(house, "moved").__self__
    visit = house.visits.of("a page")
    take(visit, house, Recipe(prompt="a red house", alpha1=2.0))
    visit.known = bool(handlers.seen(visit, fill=True))
    return visit, handlers, {control: control.value for control in handlers.page.controls.values()}


REQUEST = gr.Request(session_hash="a page")


def test_what_the_page_wrote_itself_is_no_change(filled):
    visit, handlers, given = filled
    prompt, worded = handlers.page.controls["prompt"], Writing(handlers).worded("prompt")
    worded(given | {prompt: "a red house"}, REQUEST)
    assert visit.recipe.alpha1 == 2.0
    worded(given | {prompt: "a green tree"}, REQUEST)
    assert (visit.recipe.prompt, visit.recipe.alpha1) == ("a green tree", 3.0)


def test_what_the_page_wrote_is_told_again_after_a_press_that_was_made_before(filled):
    visit, handlers, given = filled
    handlers.moved(given, REQUEST)
    assert visit.recipe.prompt != "a red house"
    Writing(handlers).worded("prompt")(given | {handlers.page.controls["prompt"]: "a red house"}, REQUEST)
    assert visit.recipe.prompt == "a red house"


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
    visit, handlers, given = filled
    handlers.moved(given | {handlers.page.controls[name]: typed}, REQUEST)
    assert visit.refused is None
    assert getattr(visit.recipe, "scales" if name == "stages" else name) == shown


@pytest.fixture
def looked_away(served):
    """A visit whose run waits at the gate while no run is shown, and what presses do on it."""
    visit = Visit()
    take(visit, served.house, Recipe(prompt="a red house"))
    served.gate.close()
    runs.ask(visit, served.house, visit.recipe)
    visit.show(None)
    return visit, Acts(Handlers(served.house))


def stages_made(served, story):
    """How many a run has made when it ends."""
    served.gate.open()
    list(served.house.desk.follow(story.name))
    return len(store.stages(story.run))


def test_a_run_pauses_where_it_was_told_to_though_a_look_away_was_heard_first(served, looked_away):
    visit, acts = looked_away
    acts.do_stop_here(visit, {"do": "stop_here", "stage": 1, "run": visit.work.name})
    assert stages_made(served, visit.work) == 1


def test_where_another_run_is_shown_the_next_one_pauses(served, looked_away):
    visit, acts = looked_away
    acts.do_stop_here(visit, {"do": "stop_here", "stage": 1, "run": "another"})
    assert stages_made(served, visit.work) == 2
    assert visit.stop_after == 1
