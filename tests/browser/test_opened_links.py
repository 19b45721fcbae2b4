"""What a page takes from its link, once, and what it does when something does not come."""

import re

import pytest

from engine.errors import short_repr
from engine.runs import store
from engine.serving.model_pool import ModelPool
from tests.support.look import expect, generate, heard, is_done, line, move
from tests.support.page import tiny_entry
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
def test_after_a_reload_settings_and_run_stand_though_the_page_came_by_a_link(served, visit):
    page = visit(f"{served.url}?prompt=a+green+tree&seed=7")
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")
    page.get_by_label(words.PROMPT_LABEL).fill("a blue boat")
    move(page, "scale_stages", 1)
    served.gate.close()
    generate(page)
    served.gate.pass_(1)
    expect(line(page)).to_contain_text(words.STEP_OF_STEPS.format(step=1, steps=4))
    page.reload()
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a blue boat")
    expect(page.get_by_role("button", name=words.STOP, exact=True)).to_be_visible()
    served.gate.open()
    is_done(page, 1)


@pytest.mark.browser
def test_a_price_is_read_once_what_was_spoken_has_passed(served, visit):
    page = visit(served.url)
    generate(page)
    is_done(page)
    move(page, "scale_stages", 3)
    expect(page.locator(".st-line")).to_have_attribute("aria-hidden", "false")
    expect(heard(page)).to_have_text("")


@pytest.mark.browser
def test_a_picture_whose_file_is_gone_is_not_saved_as_something_else(served, visit):
    page = visit(served.url)
    generate(page)
    is_done(page)
    for run in served.runs():
        for _, folder in store.finished_stages(run).values():
            (folder / store.PICTURE_FILE).unlink()
    page.get_by_role("link", name=re.compile("^Download stage 1")).click()
    expect(page.get_by_role("alert")).to_have_text(words.STAGES_PANEL["gone"])


@pytest.mark.slow
@pytest.mark.browser
def test_an_image_that_did_not_come_is_asked_for_again_and_again(served, visit):
    page, refused = session(served.url), []

    def refuse(route):
        refused.append(route.request.url)
        if len(refused) > 5:
            page.unroute("**/proxy.jpg*")
        route.abort()

    move(page, "scale_stages", 1)
    page.route("**/proxy.jpg*", refuse)
    with page.expect_event("requestfinished", lambda each: "proxy.jpg" in each.url, timeout=60_000):
        generate(page)
    assert len(refused) == 6
