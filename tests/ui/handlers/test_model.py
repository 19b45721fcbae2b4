"""Several models on offer: one is chosen, what is not here is fetched meanwhile, memory is made for it."""

import asyncio
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from gradio import Request

from engine import hardware
from engine.catalogue.entries import Defaults
from engine.errors import NotEnoughMemory
from engine.recipe.recall import recall
from engine.runs import store
from engine.serving.model_pool import ModelPool
from tests.support import tiny
from tests.support.page_queries import (
    expect,
    expect_done,
    message_pattern,
    open_section,
    press_button,
    press_generate,
    set_number,
)
from tests.support.running_app import launch_app, tiny_entry
from ui.actions.restore import first_recipe
from ui.handlers.model import ModelHandlers, carry_over_defaults
from ui.session.services import open_services
from ui.settings.widgets import model_choices, widget_values
from ui.text import words

OTHER = Defaults(6, 5.0, "euler", (1.0, 2.0))


@pytest.fixture
def other_folder(tmp_path):
    return tiny.write(tmp_path / "other", seed=1)


@pytest.fixture
def two(tiny_folder, other_folder):
    other = tiny_entry(other_folder, name="other", title="Other", defaults=OTHER, gigabytes=7)
    return ModelPool([tiny_entry(tiny_folder), other], "cpu", "float32")


@pytest.fixture
def services(two, tmp_path):
    made = open_services(tmp_path / "runs", two, age=86400)
    yield made
    made.queue.close()


def model_box(page):
    return page.locator("#model input")


def choose(page, title):
    open_section(page, re.compile(f"^{words.MODEL_SECTION}"))
    model_box(page).click()
    page.get_by_role("option", name=title).click()


def made_by(services):
    (run,) = services.cache.runs()
    (folder,) = [folder for number, (_, folder) in store.finished_stages(run).items() if number == 1]
    return recall(folder / store.PICTURE_FILE).recipe


def test_what_stood_at_the_old_defaults_stands_at_the_new_ones(services):
    old, new = services.facts(), services.facts("other")
    values = widget_values(first_recipe(services), old) | {"steps": 9}
    after = carry_over_defaults(values, old, new)
    assert (after["guidance"], after["scheduler"]) == (5.0, "euler")
    assert (after["steps"], after["prompt"]) == (9, values["prompt"])


def test_what_is_not_here_says_what_is_to_be_fetched(services, other_folder):
    models = services.pool.entries.values()
    assert model_choices(models) == [("Tiny", "tiny"), ("Other", "other")]
    shutil.rmtree(other_folder)
    assert model_choices(models)[1][0] == words.MODEL_TO_DOWNLOAD.format(title="Other", size="7")


def test_where_memory_is_short_the_others_are_let_go(two, monkeypatch):
    two.model()
    monkeypatch.setattr(hardware, "free_memory", lambda device: 10**9 if not two.is_loaded() else 1000)
    assert two.model("other").facts.name == "other"
    assert not two.is_loaded()


def test_a_model_that_a_run_holds_is_not_loaded_twice(two, monkeypatch):
    at_work = two.model()
    monkeypatch.setattr(hardware, "free_memory", lambda device: 1000)
    with pytest.raises(NotEnoughMemory):
        two.model("other")
    assert two.model() is at_work


def test_pages_that_wait_for_a_model_hold_up_nothing_else(services, monkeypatch):
    """More pages than asyncio has threads."""
    arrives = threading.Event()
    monkeypatch.setattr(services.pool, "model", lambda name="": arrives.wait())
    handlers = ModelHandlers(services, page=None)
    pages = [Request(session_hash=str(n)) for n in range(100)]
    for page in pages:
        services.sessions.get(page.session_hash).wanted_model = "other"

    async def all_wait():
        waiting = [asyncio.ensure_future(anext(handlers.on_load_model(page))) for page in pages]
        await asyncio.sleep(0)
        try:
            await asyncio.wait_for(asyncio.to_thread(lambda: None), 10)
        finally:
            arrives.set()
            for each in waiting:
                each.cancel()
            await asyncio.wait(waiting)

    with ThreadPoolExecutor(1) as elsewhere:  # Here a browser's own loop may be running.
        elsewhere.submit(asyncio.run, all_wait()).result()


def test_where_there_is_none_to_let_go_it_is_said(two, monkeypatch):
    monkeypatch.setattr(hardware, "free_memory", lambda device: 1000)
    with pytest.raises(NotEnoughMemory) as fault:
        two.model("other")
    assert two.load_error("other") == fault.value.sentence


@pytest.mark.browser
def test_a_page_of_one_model_asks_for_none(running_app, open_page):
    page = open_page(running_app.url)
    expect(page.get_by_role("button", name=re.compile(f"^{words.MODEL_SECTION}"))).to_have_count(0)


@pytest.mark.browser
def test_another_model_is_chosen_and_draws(services, open_page):
    with launch_app(services) as (url, _):
        page = open_page(url)
        open_section(page, words.FINE_CONTROL)
        set_number(page, "steps", 4)
        choose(page, "Other")
        expect(page.locator("#guidance input[type=number]")).to_have_value("5")
        expect(page.locator("#badge")).to_contain_text("Other")
        press_generate(page)
        expect_done(page)
        assert (made_by(services).model, made_by(services).scheduler) == ("other", "euler")
        page.reload()
        expect(page.locator("#badge")).to_contain_text("Other")


@pytest.mark.slow
@pytest.mark.browser
def test_the_present_model_draws_while_another_is_fetched(
    services, open_page, tmp_path, other_folder, monkeypatch
):
    kept = shutil.move(other_folder, tmp_path / "far")
    arrives, load = threading.Event(), services.pool.model

    def fetched(name=""):
        if name == "other":
            assert arrives.wait(60)
            shutil.copytree(kept, other_folder)
        return load(name)

    monkeypatch.setattr(services.pool, "model", fetched)
    with launch_app(services) as (url, _):
        page = open_page(url)
        choose(page, words.MODEL_TO_DOWNLOAD.format(title="Other", size="7"))
        expect(page.get_by_text(message_pattern(words.DOWNLOADING_MODEL))).to_be_visible()
        expect(model_box(page)).to_have_value("Tiny")
        press_generate(page)
        expect_done(page)
        arrives.set()
        expect(model_box(page)).to_have_value("Other")
        expect(page.locator("#badge")).to_contain_text("Other")
        expect(page.get_by_text(message_pattern(words.DOWNLOADING_MODEL))).to_have_count(0)
        assert made_by(services).model == "tiny"


@pytest.mark.slow
@pytest.mark.browser
def test_what_cannot_be_fetched_is_said_and_the_present_model_stays(services, open_page, other_folder):
    shutil.rmtree(other_folder)
    with launch_app(services) as (url, _):
        page = open_page(url)
        choose(page, words.MODEL_TO_DOWNLOAD.format(title="Other", size="7"))
        expect(page.get_by_role("alert")).to_have_text(
            words.DOWNLOAD_FAILED.format(title="Other", present="Tiny")
        )
        expect(model_box(page)).to_have_value("Tiny")
        press_button(page, words.GENERATE)
        expect_done(page)
