"""What a page finds when it comes back, and what it hides."""

import re
import shutil

import pytest

from tests.eyes import expect, finished_cards, generate, is_done, line, pattern
from ui import words

pytestmark = pytest.mark.browser


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
    served.house.desk.stop(run.name)
    served.gate.open()
    served.house.desk.close()
    page = come_back(context, served)
    expect(line(page)).to_contain_text(words.AWAY.format(told=""))
    expect(finished_cards(page)).to_have_count(1)
    line(page).get_by_role("button", name=re.compile("^Continue")).click()
    is_done(page)


def test_a_run_that_ended_meanwhile_is_shown_whole(served, visit):
    context, run = leave_in_stage_two(served, visit)
    served.gate.open()
    for _ in served.house.desk.follow(run.name):
        pass
    page = come_back(context, served)
    is_done(page)


def test_a_run_whose_files_are_gone_leaves_its_settings(served, visit):
    page = visit(served.url)
    page.get_by_label(words.ASK).fill("a green tree")
    generate(page)
    is_done(page)
    shutil.rmtree(served.runs()[0])
    page.reload()
    expect(line(page)).to_contain_text(pattern(words.SWEPT))
    expect(page.get_by_label(words.ASK)).to_have_value("a green tree")
    generate(page)
    is_done(page)


def test_settings_without_effect_are_hidden(served, visit):
    page = visit(served.url)
    page.get_by_role("button", name=words.FINE).click()
    page.get_by_label("Look at the whole").uncheck()
    expect(page.locator("#alpha2")).to_have_count(0)
    expect(page.locator("#alpha1")).to_be_visible()
    page.get_by_label("Look at the whole").check()
    expect(page.locator("#alpha2")).to_be_visible()
