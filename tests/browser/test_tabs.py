"""Two tabs of one browser share its list of runs."""

import pytest

from tests.support.page_queries import (
    delete_run,
    expect,
    expect_done,
    fill_prompt,
    press_generate,
    set_number,
    wait_until_stored,
)
from ui.text import words

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def another_tab(page):
    """Open the page in another tab of the same browser."""
    tab = page.context.new_page()
    tab.goto(page.url)
    tab.locator("#sizes").get_by_text("px").wait_for()
    return tab


def make(page, prompt):
    """Make a run and wait for its end."""
    fill_prompt(page, prompt)
    press_generate(page)
    expect_done(page)


def earlier_runs(page):
    """Find the list of runs."""
    return page.locator(".st-earlier-run")


def test_a_run_of_one_tab_is_kept_by_another(running_app, open_page):
    first = open_page(running_app.url)
    second = another_tab(first)
    make(second, "a green tree")
    make(first, "a blue boat")
    expect(earlier_runs(another_tab(first))).to_have_count(2)
    second.reload()
    expect(earlier_runs(second)).to_have_count(2)
    expect(earlier_runs(second).first).to_contain_text("a blue boat")


def test_a_run_that_one_tab_forgot_is_not_restored_by_another(running_app, open_page):
    first = open_page(running_app.url)
    make(first, "a green tree")
    second = another_tab(first)
    expect(earlier_runs(second)).to_have_count(1)
    delete_run(second)
    expect(earlier_runs(second)).to_have_count(0)
    wait_until_stored(first, lambda: set_number(first, "alpha1", 2))
    kept = "localStorage.getItem('demofusion-studio-runs')"
    assert first.evaluate(kept) == "[]"
    expect(earlier_runs(another_tab(first))).to_have_count(0)
    expect(earlier_runs(first)).to_have_count(0)
    expect(first.get_by_text(words.STAGES_PANEL["empty"])).to_be_visible()


def test_the_list_of_runs_survives_when_the_server_has_forgotten_both_sessions(running_app, open_page):
    first = open_page(running_app.url)
    second = another_tab(first)
    make(second, "a green tree")
    second.close()
    running_app.services.sessions._sessions.clear()
    wait_until_stored(first, lambda: set_number(first, "alpha1", 2))
    first.reload()
    expect(earlier_runs(first)).to_have_count(1)
