"""What a page finds when it is opened again, and settings that it hides."""

import shutil

import pytest

from tests.support.page_queries import (
    expect,
    expect_done,
    finished_cards,
    message_pattern,
    press_continue,
    press_generate,
    set_number,
    status_line,
    wait_until_stored,
)
from ui.text import words

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def leave_in_stage_two(running_app, open_page):
    """Close a page during the second stage of its run; return its browser context and the run."""
    page = open_page(running_app.url)
    running_app.gate.close()
    press_generate(page)
    running_app.gate.allow(5)
    expect(finished_cards(page)).to_have_count(1)
    (run,) = running_app.runs()
    context = page.context
    page.close()
    return context, run


def come_back(context, running_app):
    """Open the page again in the same browser context."""
    page = context.new_page()
    page.goto(running_app.url)
    return page


def test_a_run_that_was_stopped_while_the_page_was_closed_can_be_continued(running_app, open_page):
    context, run = leave_in_stage_two(running_app, open_page)
    running_app.services.queue.stop(run.name)
    running_app.gate.open()
    running_app.services.queue.close()
    page = come_back(context, running_app)
    expect(status_line(page)).to_contain_text(words.ENDED_WHILE_AWAY.format(told=""))
    expect(finished_cards(page)).to_have_count(1)
    press_continue(page)
    expect_done(page)


def test_a_run_that_ended_while_the_page_was_closed_is_shown(running_app, open_page):
    context, run = leave_in_stage_two(running_app, open_page)
    running_app.gate.open()
    for _ in running_app.services.queue.follow(run.name):
        pass
    page = come_back(context, running_app)
    expect_done(page)


def test_a_run_whose_files_are_gone_keeps_its_settings_on_the_page(running_app, open_page):
    page = open_page(running_app.url)
    page.get_by_label(words.PROMPT_LABEL).fill("a green tree")
    press_generate(page)
    expect_done(page)
    shutil.rmtree(running_app.runs()[0])
    page.reload()
    expect(status_line(page)).to_contain_text(message_pattern(words.RUN_REMOVED))
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")
    press_generate(page)
    expect_done(page)


def test_settings_without_effect_are_hidden(running_app, open_page):
    page = open_page(running_app.url)
    page.get_by_role("button", name=words.FINE_CONTROL).click()
    page.get_by_label("Use the overview").uncheck()
    expect(page.locator("#alpha2")).to_have_count(0)
    expect(page.locator("#alpha1")).to_be_visible()
    page.get_by_label("Use the overview").check()
    expect(page.locator("#alpha2")).to_be_visible()


def test_a_page_whose_session_the_server_forgot_keeps_its_runs_and_settings(running_app, open_page):
    page = open_page(running_app.url)
    page.get_by_label(words.PROMPT_LABEL).fill("a green tree")
    press_generate(page)
    expect_done(page)
    running_app.services.sessions._sessions.clear()
    wait_until_stored(page, lambda: set_number(page, "alpha1", 2))
    expect(page.locator(".st-earlier-run")).to_have_count(1)
    page.reload()
    expect(page.locator(".st-earlier-run")).to_have_count(1)
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("2")
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")


def test_invalid_settings_survive_a_reload(running_app, open_page):
    page = open_page(running_app.url)
    page.get_by_role("button", name=words.FINE_CONTROL).click()

    def type_width():
        page.locator("#width input").fill("1001")
        page.locator("#width input").press("Tab")

    wait_until_stored(page, type_width)
    wait_until_stored(page, lambda: page.get_by_label(words.PROMPT_LABEL).fill("a green tree"))
    expect(page.get_by_role("alert")).not_to_have_text("")
    page.reload()
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")
    expect(page.get_by_role("alert")).not_to_have_text("")


def test_the_page_requests_nothing_from_other_hosts(running_app, open_page):
    page, requested = open_page(running_app.url), []
    page.on("request", lambda request: requested.append(request.url))
    page.reload()
    press_generate(page)
    expect_done(page)
    assert requested
    assert [url for url in requested if not url.startswith((running_app.url, "data:", "blob:"))] == []
