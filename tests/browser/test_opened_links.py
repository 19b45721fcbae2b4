"""What a page takes from its link, once, and what it does when something does not come."""

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
    here, far = tiny_entry(tiny_folder), tiny_entry(tmp_path / "far", name="far", title="Far")
    made = open_services(tmp_path / "runs", ModelPool([here, far], "cpu", "float32"), age=86400)
    yield made
    made.queue.close()


def found(services, **query):
    session = Session()
    restore_session(session, services, {}, recipe_from_query({"prompt": "a house"} | query))
    return session


def test_a_link_made_with_a_model_that_is_not_on_offer_says_so(services):
    session = found(services, model="juggernaut")
    told = {"model": short_repr("juggernaut"), "title": services.entry().title}
    assert session.message.text == words.SETTINGS_OF_OTHER_MODEL.format(**told)
    assert session.model == ""


def test_a_links_model_that_is_not_here_is_fetched(services):
    session = found(services, model="far")
    assert session.wanted_model == "far"
    assert session.message.text == words.LINK_READ


@pytest.mark.browser
def test_after_a_reload_settings_and_run_stand_though_the_page_came_by_a_link(running_app, open_page):
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
def test_a_price_is_read_once_what_was_spoken_has_passed(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    set_number(page, "scale_stages", 3)
    expect(page.locator(".st-line")).to_have_attribute("aria-hidden", "false")
    expect(spoken_status(page)).to_have_text("")


@pytest.mark.browser
def test_a_picture_whose_file_is_gone_is_not_saved_as_something_else(running_app, open_page):
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
def test_an_image_that_did_not_come_is_asked_for_again_and_again(running_app, open_page):
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
