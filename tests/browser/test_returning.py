"""What a page finds when it comes back, and what it hides."""

import re
import shutil

import pytest

from tests.support.look import expect, finished_cards, generate, is_done, is_stored_after, line, move, pattern
from ui.text import words

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def leave_in_stage_two(served, visit):
    """The browser of a page that was closed while its second stage was made, and that run."""
    page = visit(served.url)
    served.gate.close()
    generate(page)
    served.gate.pass_(5)
    expect(finished_cards(page)).to_have_count(1)
    (run,) = served.runs()
    context = page.context
    page.close()
    return context, run


def come_back(context, served):
    page = context.new_page()
    page.goto(served.url)
    return page


def test_a_run_that_was_stopped_meanwhile_can_be_continued(served, visit):
    context, run = leave_in_stage_two(served, visit)
    served.services.queue.stop(run.name)
    served.gate.open()
    served.services.queue.close()
    page = come_back(context, served)
    expect(line(page)).to_contain_text(words.ENDED_WHILE_AWAY.format(told=""))
    expect(finished_cards(page)).to_have_count(1)
    line(page).get_by_role("button", name=re.compile("^Continue")).click()
    is_done(page)


def test_a_run_that_ended_meanwhile_is_shown_whole(served, visit):
    context, run = leave_in_stage_two(served, visit)
    served.gate.open()
    for _ in served.services.queue.follow(run.name):
        pass
    page = come_back(context, served)
    is_done(page)


def test_a_run_whose_files_are_gone_leaves_its_settings(served, visit):
    page = visit(served.url)
    page.get_by_label(words.PROMPT_LABEL).fill("a green tree")
    generate(page)
    is_done(page)
    shutil.rmtree(served.runs()[0])
    page.reload()
    expect(line(page)).to_contain_text(pattern(words.RUN_REMOVED))
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")
    generate(page)
    is_done(page)


def test_settings_without_effect_are_hidden(served, visit):
    page = visit(served.url)
    page.get_by_role("button", name=words.FINE_CONTROL).click()
    page.get_by_label("Look at the whole").uncheck()
    expect(page.locator("#alpha2")).to_have_count(0)
    expect(page.locator("#alpha1")).to_be_visible()
    page.get_by_label("Look at the whole").check()
    expect(page.locator("#alpha2")).to_be_visible()


def test_a_page_that_the_server_forgot_keeps_its_runs_and_settings(served, visit):
    page = visit(served.url)
    page.get_by_label(words.PROMPT_LABEL).fill("a green tree")
    generate(page)
    is_done(page)
    served.services.sessions._visits.clear()
    is_stored_after(page, lambda: move(page, "alpha1", 2))
    expect(page.locator(".st-earlier-run")).to_have_count(1)
    page.reload()
    expect(page.locator(".st-earlier-run")).to_have_count(1)
    expect(page.locator("#alpha1 input[type=number]")).to_have_value("2")
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")


def test_refused_settings_are_found_again(served, visit):
    page = visit(served.url)
    page.get_by_role("button", name=words.FINE_CONTROL).click()

    def typed():
        page.locator("#width input").fill("1001")
        page.locator("#width input").press("Tab")

    is_stored_after(page, typed)
    is_stored_after(page, lambda: page.get_by_label(words.PROMPT_LABEL).fill("a green tree"))
    expect(page.get_by_role("alert")).not_to_have_text("")
    page.reload()
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a green tree")
    expect(page.get_by_role("alert")).not_to_have_text("")


def test_no_host_but_the_apps_is_asked(served, visit):
    page, asked = visit(served.url), []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    generate(page)
    is_done(page)
    assert asked
    assert [url for url in asked if not url.startswith((served.url, "data:", "blob:"))] == []
