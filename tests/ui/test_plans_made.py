"""Tests of how often a recipe is planned: when settings change, by a run and for finished stages."""

import sys

import gradio as gr
import pytest

from engine import Finished, load_model
from engine.paths import ROOT
from engine.planning.plan import plan
from engine.runs import layout
from engine.serving.model_pool import ModelPool
from tests.support.running_app import tiny_entry
from ui.session.client import Client
from ui.session.finished import (
    plan_of_stored_recipe,
    read_finished_stage,
    read_finished_stages,
    stage_for_browser,
)
from ui.session.services import open_services
from ui.studio import build_studio

REQUEST = gr.Request(session_hash="a page", query_params={})
STORED_RUN = ROOT / "tests" / "properties" / "stored" / "kept" / "bb11bc75065cdd7c15f21e4b47e59925"


@pytest.fixture
def services(tmp_path, tiny_folder):
    services = open_services(
        tmp_path / "runs", ModelPool([tiny_entry(tiny_folder)], "cpu", "float32"), max_age=86400
    )
    services.pool.model()
    yield services
    services.queue.close()


@pytest.fixture
def page(services):
    """The page's handlers, and the values of its widgets as a browser sends them."""
    handlers = {each.name: each.fn for each in build_studio(services).fns.values()}
    widgets = handlers["on_change"].__self__.page.widgets
    values = {widget: widget.value for widget in widgets.values()}
    outputs, state = handlers["on_load"]({}, REQUEST), handlers["on_change"].__self__.page.browser_state
    return handlers, widgets, values | {state: outputs[state]}


@pytest.fixture
def planned_recipes(page, services, monkeypatch):
    """The recipes that any module of engine and ui plans from now on."""
    recipes = []

    def recorded_plan(recipe, facts):
        recipes.append(recipe)
        return plan(recipe, facts)

    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("engine", "ui") and vars(module).get("plan") is plan:
            monkeypatch.setattr(module, "plan", recorded_plan)
    plan_of_stored_recipe.cache_clear()
    read_finished_stage.cache_clear()
    return recipes


def generate(services, page, **values):
    """Press Generate with these values of widgets, wait for the run to end and return its progress."""
    handlers, widgets, shown_values = page
    handlers["on_generate"](shown_values | {widgets[name]: value for name, value in values.items()}, REQUEST)
    progress = services.sessions.get(Client("a page")).active_run
    assert list(services.queue.follow(progress.name))[-1] == Finished(2)
    return progress


def test_a_change_of_a_widget_plans_once(page, planned_recipes):
    handlers, widgets, values = page
    handlers["on_change"](values | {widgets["alpha1"]: 2.0}, REQUEST)
    assert [recipe.alpha1 for recipe in planned_recipes] == [2.0]


def test_a_run_is_planned_once_by_the_page_and_once_by_itself(services, page, planned_recipes):
    generate(services, page, prompt="a red house")
    assert len(planned_recipes) == 2


def test_following_a_run_and_reading_its_stages_plan_nothing(services, page, planned_recipes):
    progress = generate(services, page, prompt="a red house")
    planned_recipes.clear()
    handler = page[0]["on_change"].__self__
    session = services.sessions.get(Client("a page"))
    events, _ = services.queue.events_since(progress.name)
    progress.take_events(events)
    assert progress.plan is not None
    stages = services.finished_stages(progress.folder)
    assert [stage.layout for stage in stages] == [layout.stage_layout(progress.plan, n) for n in (1, 2)]
    assert services.run_progress(progress.name, session.owner).plan is progress.plan
    handler.update_progress(session)
    handler._update_after_run(session)
    assert session.cached_count == 2
    assert planned_recipes == []


def test_stages_of_an_earlier_version_without_a_stored_layout_are_planned_once(planned_recipes):
    facts = load_model(ROOT / "tests" / "reference" / "tiny-sdxl", "cpu", "float32").facts
    stages = read_finished_stages(STORED_RUN, lambda name: facts if name == facts.name else None)
    assert [recipe.scales for recipe in planned_recipes] == [(1.0, 2.0, 3.0)]
    assert [stage.layout for stage in stages] == [
        layout.stage_layout(plan(planned_recipes[0], facts), n) for n in (1, 2)
    ]
    assert [stage.stage_count for stage in stages] == [3, 3]
    assert [stage_for_browser(stage)["lattice"] for stage in stages] == [0, 2]


def test_stages_of_an_earlier_version_are_shown_without_windows_if_their_model_is_unknown(planned_recipes):
    stages = read_finished_stages(STORED_RUN, lambda name: None)
    assert planned_recipes == []
    assert [stage.layout for stage in stages] == [None, None]
    assert [stage_for_browser(stage)["windows"] for stage in stages] == [[], []]
