"""What a page takes from its link, and what it does when a file or an image is missing."""

import re

import pytest

from engine.errors import short_repr
from engine.runs import store
from engine.serving.model_pool import ModelPool
from tests.support.page_queries import (
    expect,
    expect_done,
    press_generate,
    set_number,
    spoken_status,
    status_line,
)
from tests.support.running_app import tiny_entry
from ui.actions.restore import restore_session
from ui.session.services import open_services
from ui.session.session import Session
from ui.settings.link import recipe_from_query
from ui.text import words


@pytest.fixture
def services(tiny_folder, tmp_path):
    """Services with two models, of which the second is not on this machine."""
    here, far = tiny_entry(tiny_folder), tiny_entry(tmp_path / "far", name="far", title="Far")
    made = open_services(tmp_path / "runs", ModelPool([here, far], "cpu", "float32"), max_age=86400)
    yield made
    made.queue.close()


def restored_session(services, **query):
    """Return a session as it begins with a link of this query."""
    session = Session()
    restore_session(session, services, {}, recipe_from_query({"prompt": "a house"} | query))
    return session


def test_a_link_of_a_model_that_is_not_in_the_catalogue_says_so(services):
    session = restored_session(services, model="juggernaut")
    names = {"model": short_repr("juggernaut"), "title": services.entry().title}
    assert session.message.text == words.SETTINGS_OF_OTHER_MODEL.format(**names)
    assert session.model == ""


def test_the_model_of_a_link_is_downloaded_if_it_is_missing(services):
    session = restored_session(services, model="far")
    assert session.wanted_model == "far"
    assert session.message.text == words.LINK_READ


def test_a_link_without_a_prompt_asks_for_one(services):
    session = restored_session(services, prompt="", seed="7")
    assert session.message.text == words.LINK_READ_WITHOUT_PROMPT


@pytest.mark.browser
def test_a_reload_keeps_settings_and_run_of_a_page_that_was_opened_by_a_link(running_app, open_page):
    page = open_page(f"{running_app.url}?prompt=a+green+tree&seed=7")
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")
    page.get_by_label(words.PROMPT_LABEL).fill("a blue boat")
    set_number(page, "scale_stages", 1)
    running_app.gate.close()
    press_generate(page)
    running_app.gate.allow(1)
    expect(status_line(page)).to_contain_text(words.STEP_OF_STEPS.format(step=1, steps=4))
    page.reload()
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a blue boat")
    expect(page.get_by_role("button", name=words.STOP, exact=True)).to_be_visible()
    running_app.gate.open()
    expect_done(page, 1)


@pytest.mark.browser
def test_the_cost_is_readable_but_not_spoken_once_a_run_has_ended(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    set_number(page, "scale_stages", 3)
    expect(page.locator(".st-line")).to_have_attribute("aria-hidden", "false")
    expect(spoken_status(page)).to_have_text("")


@pytest.mark.browser
def test_downloading_a_picture_whose_file_is_gone_says_so(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    for run in running_app.runs():
        for _, folder in store.finished_stages(run).values():
            (folder / store.PICTURE_FILE).unlink()
    page.get_by_role("link", name=re.compile("^Download stage 1")).click()
    expect(page.get_by_role("alert")).to_have_text(words.STAGES_PANEL["gone"])


@pytest.mark.slow
@pytest.mark.browser
def test_an_image_that_fails_to_load_is_requested_again(running_app, open_page):
    page, refused = open_page(running_app.url), []

    def refuse(route):
        refused.append(route.request.url)
        if len(refused) > 5:
            page.unroute("**/proxy.jpg*")
        route.abort()

    set_number(page, "scale_stages", 1)
    page.route("**/proxy.jpg*", refuse)
    with page.expect_event("requestfinished", lambda each: "proxy.jpg" in each.url, timeout=60_000):
        press_generate(page)
    assert len(refused) == 6
