"""Tests of the choice between several models: download, loading and memory."""

import asyncio
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
from ui.session.client import client_of
from ui.session.services import open_services
from ui.settings.widgets import model_choices, widget_values
from ui.text import words

OTHER_DEFAULTS = Defaults(6, 5.0, "euler", (1.0, 2.0))


@pytest.fixture
def other_folder(tmp_path):
    """The folder of the second model."""
    return tiny.write(tmp_path / "other", seed=1)


@pytest.fixture
def pool(tiny_folder, other_folder):
    """A pool of two models, "tiny" and "other"."""
    other = tiny_entry(other_folder, name="other", title="Other", defaults=OTHER_DEFAULTS, gigabytes=7)
    return ModelPool([tiny_entry(tiny_folder), other], "cpu", "float32")


@pytest.fixture
def services(pool, tmp_path):
    services = open_services(tmp_path / "runs", pool, max_age=86400)
    yield services
    services.queue.close()


def selected_model(page):
    """Find the selected model in the list of models."""
    return page.locator("#model-picker [role=option][aria-selected=true]")


def select_model(page, title):
    """Open the list of models and select a model by its title."""
    page.locator("#model-picker summary").click()
    page.get_by_role("option", name=title).click()


def stored_recipe(services):
    """Return the recipe in the picture of stage 1 of the only run."""
    (run,) = services.cache.runs()
    (folder,) = [folder for number, (_, folder) in store.finished_stages(run).items() if number == 1]
    return recall(folder / store.PICTURE_FILE).recipe


def test_values_at_the_old_models_defaults_become_the_new_models_defaults(services):
    old, new = services.facts(), services.facts("other")
    values = widget_values(first_recipe(services), old) | {"steps": 9}
    after = carry_over_defaults(values, old, new)
    assert (after["guidance"], after["scheduler"]) == (5.0, "euler")
    assert (after["steps"], after["prompt"]) == (9, values["prompt"])


def test_a_model_that_must_be_downloaded_is_listed_with_its_size(services, other_folder):
    models = services.pool.entries.values()
    assert model_choices(models) == [("Tiny", "tiny"), ("Other", "other")]
    shutil.rmtree(other_folder)
    assert model_choices(models)[1][0] == words.MODEL_TO_DOWNLOAD.format(title="Other", size="7")


def test_other_models_are_unloaded_if_memory_is_short(pool, monkeypatch):
    pool.model()
    monkeypatch.setattr(hardware, "free_memory", lambda device: 10**9 if not pool.is_loaded() else 1000)
    assert pool.model("other").facts.name == "other"
    assert not pool.is_loaded()


def test_a_model_in_use_is_not_loaded_a_second_time(pool, monkeypatch):
    in_use = pool.model()
    monkeypatch.setattr(hardware, "free_memory", lambda device: 1000)
    with pytest.raises(NotEnoughMemory):
        pool.model("other")
    assert pool.model() is in_use


def test_pages_that_wait_for_a_model_do_not_block_other_work(services, monkeypatch):
    loaded = threading.Event()
    monkeypatch.setattr(services.pool, "model", lambda name="": loaded.wait())
    handlers = ModelHandlers(services, page=None)
    # More pages than the default executor of asyncio has threads.
    pages = [Request(session_hash=str(n)) for n in range(100)]
    for page in pages:
        services.sessions.get(client_of(page)).wanted_model = "other"

    async def wait_for_all():
        waiting = [asyncio.ensure_future(anext(handlers.on_load_model(page))) for page in pages]
        await asyncio.sleep(0)
        try:
            await asyncio.wait_for(asyncio.to_thread(lambda: None), 10)
        finally:
            loaded.set()
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)

    # In its own thread: browser tests leave an event loop running in this one.
    with ThreadPoolExecutor(1) as executor:
        executor.submit(asyncio.run, wait_for_all()).result()


def test_a_model_that_does_not_fit_into_memory_is_refused_with_a_sentence(pool, monkeypatch):
    monkeypatch.setattr(hardware, "free_memory", lambda device: 1000)
    with pytest.raises(NotEnoughMemory) as fault:
        pool.model("other")
    assert pool.load_error("other") == fault.value.sentence


@pytest.mark.browser
def test_models_that_are_not_offered_are_listed_with_the_reason_and_cannot_be_chosen(running_app, open_page):
    page = open_page(running_app.url)
    page.locator("#model-picker summary").click()
    sdxl = page.get_by_role("option", name="SDXL base 1.0")
    expect(sdxl).to_contain_text(words.MODEL_NEEDS_GPU)
    expect(sdxl).to_be_disabled()
    expect(page.locator("#model-picker code").last).to_have_text(words.RUN_AT_HOME_COMMANDS[1])
    sdxl.click(force=True)
    expect(selected_model(page)).to_have_text("Tiny")


@pytest.mark.browser
def test_an_open_list_of_models_stays_open_when_a_model_has_been_loaded(
    pool, tmp_path, open_page, monkeypatch
):
    loaded, load = threading.Event(), pool.load
    monkeypatch.setattr(pool, "load", lambda name="": loaded.wait(60) and load(name))
    services = open_services(tmp_path / "runs", pool, max_age=86400)
    with launch_app(services) as (url, _):
        page = open_page(url)
        summary = page.locator("#model-picker summary")
        expect(summary).to_contain_text(words.MODEL_LOADING.format(title="Tiny"))
        summary.click()
        page.keyboard.press("ArrowDown")
        loaded.set()
        expect(summary).to_contain_text(words.MODEL_LOADED.format(title="Tiny", place=words.CPU_ONLY))
        expect(page.get_by_role("option", name="Tiny")).to_be_focused()


@pytest.mark.browser
def test_a_model_is_selected_by_keys(services, open_page):
    with launch_app(services) as (url, _):
        page = open_page(url)
        page.locator("#model-picker summary").press("Enter")
        page.keyboard.press("ArrowDown")
        expect(page.get_by_role("option", name="Tiny")).to_be_focused()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.locator("#model-picker summary")).to_contain_text("Other")
        expect(page.locator("#model-picker summary")).to_be_focused()


@pytest.mark.browser
def test_another_model_can_be_selected_and_generates(services, open_page):
    with launch_app(services) as (url, _):
        page = open_page(url)
        open_section(page, words.FINE_CONTROL)
        set_number(page, "steps", 4)
        select_model(page, "Other")
        expect(page.locator("#guidance input[type=number]")).to_have_value("5")
        expect(page.locator("#model-picker")).to_contain_text("Other")
        press_generate(page)
        expect_done(page)
        assert (stored_recipe(services).model, stored_recipe(services).scheduler) == ("other", "euler")
        page.reload()
        expect(page.locator("#model-picker")).to_contain_text("Other")


@pytest.mark.slow
@pytest.mark.browser
def test_the_present_model_generates_while_another_is_downloaded(
    services, open_page, tmp_path, other_folder, monkeypatch
):
    remote_folder = shutil.move(other_folder, tmp_path / "remote")
    downloaded, load = threading.Event(), services.pool.model

    def download_and_load(name=""):
        if name == "other":
            assert downloaded.wait(60)
            shutil.copytree(remote_folder, other_folder)
        return load(name)

    monkeypatch.setattr(services.pool, "model", download_and_load)
    with launch_app(services) as (url, _):
        page = open_page(url)
        select_model(page, words.MODEL_TO_DOWNLOAD.format(title="Other", size="7"))
        expect(page.get_by_text(message_pattern(words.DOWNLOADING_MODEL))).to_be_visible()
        expect(selected_model(page)).to_have_text("Tiny")
        press_generate(page)
        expect_done(page)
        downloaded.set()
        expect(selected_model(page)).to_have_text("Other")
        expect(page.locator("#model-picker")).to_contain_text("Other")
        expect(page.get_by_text(message_pattern(words.DOWNLOADING_MODEL))).to_have_count(0)
        assert stored_recipe(services).model == "tiny"


@pytest.mark.slow
@pytest.mark.browser
def test_a_failed_download_is_reported_and_the_present_model_stays_selected(
    services, open_page, other_folder
):
    shutil.rmtree(other_folder)
    with launch_app(services) as (url, _):
        page = open_page(url)
        select_model(page, words.MODEL_TO_DOWNLOAD.format(title="Other", size="7"))
        expect(page.get_by_role("alert")).to_have_text(
            words.DOWNLOAD_FAILED.format(title="Other", present="Tiny")
        )
        expect(selected_model(page)).to_have_text("Tiny")
        press_button(page, words.GENERATE)
        expect_done(page)
