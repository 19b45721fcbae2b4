"""Pictures of the first stage from which a person chooses: drawn, kept through a reload and a stop, and chosen."""

import re

import pytest

from tests.support.page_queries import (
    continue_button,
    expect,
    expect_done,
    finished_cards,
    message_pattern,
    press_button,
    press_continue,
    press_generate,
    status_line,
)
from ui.text import words

pytestmark = pytest.mark.browser


def candidates(page, seed=r"\d+"):
    """Find the finished candidates, or that with this seed."""
    name = re.escape(words.STAGES_PANEL["candidate"]).replace(r"\{number\}", r"\d").replace(r"\{seed\}", seed)
    return page.get_by_role("button", name=re.compile(f"^{name}$"))


def places(page):
    """Return where viewer, strip and main button are."""
    return [page.locator(selector).bounding_box() for selector in ("#viewer", ".st-stages", "#go")]


def test_one_of_four_pictures_becomes_the_first_stage_and_gives_its_seed(running_app, open_page):
    page = open_page(running_app.url)
    before = places(page)
    seed = page.locator("#seed input").input_value()
    press_button(page, words.MAKE_CANDIDATES)
    expect(candidates(page)).to_have_count(4)
    expect(candidates(page, seed)).to_have_count(1)
    expect(status_line(page)).to_contain_text(words.CHOOSE_CANDIDATE)
    assert places(page) == before
    expect(finished_cards(page)).to_have_count(0)
    expect(page.locator(".st-earlier-run")).to_have_count(4)
    chosen = candidates(page).nth(2)
    chosen_seed = re.search(r"\d+$", chosen.get_attribute("aria-label"))[0]
    assert chosen_seed != seed
    chosen.click()
    expect(candidates(page)).to_have_count(0)
    expect(finished_cards(page)).to_have_count(1)
    expect(page.locator("#seed input")).to_have_value(chosen_seed)
    press_continue(page)
    expect_done(page)
    expect(page.locator("#seed input")).to_have_value(chosen_seed)
    assert len(running_app.runs()) == 5


def finish_one_candidate(page, gate):
    """Begin to draw candidates, and hold them back when the first one is finished."""
    gate.close()
    press_button(page, words.MAKE_CANDIDATES)
    gate.allow(6)
    expect(candidates(page)).to_have_count(1)


def test_candidates_go_on_through_a_reload(running_app, open_page):
    page = open_page(running_app.url)
    finish_one_candidate(page, running_app.gate)
    page.reload()
    expect(candidates(page)).to_have_count(1)
    running_app.gate.open()
    expect(candidates(page)).to_have_count(4)
    expect(status_line(page)).to_contain_text(words.CHOOSE_CANDIDATE)
    page.reload()
    expect(candidates(page)).to_have_count(4)


def test_stop_ends_all_candidates_and_keeps_the_finished_ones(running_app, open_page):
    page = open_page(running_app.url)
    finish_one_candidate(page, running_app.gate)
    press_button(page, words.STOP)
    expect(status_line(page)).to_have_text(message_pattern(words.STOPPING))
    running_app.gate.open()
    expect(status_line(page)).to_contain_text(words.CHOOSE_CANDIDATE)
    assert len(running_app.runs()) == 1
    candidates(page).click()
    expect(continue_button(page)).to_be_visible()


def test_choosing_early_stops_the_others(running_app, open_page):
    page = open_page(running_app.url)
    finish_one_candidate(page, running_app.gate)
    candidates(page).click()
    expect(finished_cards(page)).to_have_count(1)
    running_app.gate.open()
    press_continue(page)
    expect_done(page)
    assert len(running_app.runs()) == 2


def test_generate_leaves_the_candidates_and_makes_the_whole_picture(running_app, open_page):
    page = open_page(running_app.url)
    press_button(page, words.MAKE_CANDIDATES)
    expect(candidates(page)).to_have_count(4)
    press_generate(page)
    expect_done(page)
    expect(candidates(page)).to_have_count(0)


def test_an_earlier_picture_is_shown_instead_of_running_candidates_and_back(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    running_app.gate.close()
    press_button(page, words.MAKE_CANDIDATES)
    expect(page.locator(".st-candidate")).to_have_count(4)
    page.locator(".st-earlier-run .st-look").last.click()
    expect(page.locator(".st-candidate")).to_have_count(0)
    expect(finished_cards(page)).to_have_count(2)
    press_button(page, words.STAGES_PANEL["watch"])
    expect(page.locator(".st-candidate")).to_have_count(4)
    running_app.gate.open()
    expect(candidates(page)).to_have_count(4)
