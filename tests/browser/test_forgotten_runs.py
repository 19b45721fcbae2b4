"""A run that is forgotten disappears from the page at once, and another picture takes its place."""

import re

import pytest

from lab.publish.example import make_example
from tests.support.page_queries import (
    delete_run,
    expect,
    expect_done,
    expect_runs_done,
    fill_prompt,
    finished_cards,
    message_pattern,
    press_button,
    press_generate,
    status_line,
)
from tests.support.planning import small_recipe
from tests.support.running_app import serve_app
from ui.text import words

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def forget(page):
    """Forget the run that is shown."""
    delete_run(page)


def make_two(page):
    """Make two runs."""
    fill_prompt(page, "a green tree")
    press_generate(page)
    expect_runs_done(page, 1)
    fill_prompt(page, "a blue boat")
    press_generate(page)
    expect_runs_done(page, 2)


def test_the_newest_other_run_takes_the_place_of_a_forgotten_one(running_app, open_page):
    page = open_page(running_app.url)
    make_two(page)
    press_button(page, words.STAGES_PANEL["compare"])
    names = page.get_by_label(words.STAGES_PANEL["picture_a"]).locator("option")
    expect(names).to_have_count(4)
    forget(page)
    expect(status_line(page)).to_contain_text(words.RUN_FORGOTTEN_SHOWING_NEWEST)
    expect(page.locator("#viewer-description")).to_contain_text("a green tree")
    expect(finished_cards(page)).to_have_count(2)
    expect(page.get_by_role("slider", name=words.STAGES_PANEL["divider"])).to_have_count(0)
    press_button(page, words.STAGES_PANEL["compare"])
    expect(names).to_have_count(2)
    expect(page.get_by_label(words.STAGES_PANEL["picture_b"])).not_to_contain_text("a blue boat")
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value("a blue boat")


def test_the_page_is_empty_when_the_last_run_is_forgotten(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    forget(page)
    expect(status_line(page)).to_contain_text(words.RUN_FORGOTTEN)
    expect(page.get_by_text(words.STAGES_PANEL["empty"])).to_be_visible()
    expect(finished_cards(page)).to_have_count(0)
    expect(page.get_by_role("button", name=words.STAGES_PANEL["compare"], exact=True)).to_be_disabled()
    expect(page.locator("#viewer-description")).not_to_contain_text("house")
    assert page.evaluate(
        "document.querySelector('#viewer canvas').toDataURL() === "
        "Object.assign(document.createElement('canvas'), "
        "(({ width, height }) => ({ width, height }))(document.querySelector('#viewer canvas'))).toDataURL()"
    )


def test_the_example_returns_when_the_last_run_is_forgotten(tmp_path, tiny_folder, open_page):
    make_example(
        tiny_folder, tmp_path / "example", small_recipe(prompt="a white cat", scales=(1, 1.5, 2), steps=4)
    )
    with serve_app(tmp_path / "runs", tiny_folder, example=tmp_path / "example") as app:
        page = open_page(app.url)
        fill_prompt(page, "a blue boat")
        page.get_by_role("button", name=re.compile("Pause after this size, stage 1")).click()
        press_generate(page)
        expect(status_line(page)).to_have_text(message_pattern(words.PAUSED_AFTER_STAGE))
        forget(page)
        expect(status_line(page)).to_contain_text(words.RUN_FORGOTTEN_SHOWING_EXAMPLE)
        expect(page.locator("#viewer-description")).to_contain_text("a white cat")
        expect(page.locator(".st-earlier-run")).to_have_count(0)
