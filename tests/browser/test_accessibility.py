"""The page for those who read it by a screen reader, use it by keys, or hold it in a hand."""

import re
from pathlib import Path

import pytest

from engine.runs import store
from tests.support.control_panel import drop_control_image
from tests.support.dropped_files import drop_file
from tests.support.page_queries import (
    expect,
    expect_done,
    fill_prompt,
    finished_cards,
    open_section,
    press_button,
    press_generate,
)
from tests.support.slow_cases import slow_cases
from ui.text import words

axe = pytest.importorskip("axe_playwright_python.base", reason="axe-playwright-python is not installed")

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
THEMES = ("light", *slow_cases("dark"))
TARGET = 44
"""Pixels that a finger needs."""


def faults(page):
    """What axe finds serious or critical: (rule, where)."""
    page.evaluate(axe.AXE_SCRIPT)
    told = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (fault["id"], node["target"], node["failureSummary"])
        for fault in told["violations"]
        for node in fault["nodes"]
        if fault["impact"] in ("serious", "critical")
    ]


def focused(page):
    """What a screen reader would say of the place of the focus: its name, or its id."""
    return page.evaluate(
        "(({ activeElement: a }) => a.getAttribute('aria-label') || a.innerText || a.id)(document)"
    )


def tab_to(page, name, most=40):
    """Presses Tab until the focus is there; the names that it passed."""
    passed = []
    while not re.search(name, focused(page)):
        passed.append(focused(page))
        assert len(passed) < most, passed
        page.keyboard.press("Tab")
    return passed


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_on_a_page_just_opened(running_app, open_page, theme):
    page = open_page(f"{running_app.url}?__theme={theme}")
    for heading in (words.START_FROM_PICTURE, words.FINE_CONTROL):
        open_section(page, heading)
    page.get_by_label(words.OWN_SCALES).wait_for()
    assert faults(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_with_a_start_picture(running_app, open_page, photo, theme):
    page = open_page(f"{running_app.url}?__theme={theme}")
    drop_file(page, "photo.png", Path(photo).read_bytes())
    page.get_by_role("img", name=words.START_IMAGE_ALT).wait_for()
    assert faults(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_with_a_picture_to_follow(running_app, open_page, theme, controlnet_kinds):
    controlnet_kinds += ["softedge", "depth"]
    page = open_page(f"{running_app.url}?__theme={theme}")
    drop_control_image(page)
    assert faults(page) == []
    page.get_by_label(words.MAP_ONE_TO_ONE).check()
    assert faults(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_while_a_run_is_at_work(running_app, open_page, theme):
    page = open_page(f"{running_app.url}?__theme={theme}")
    running_app.gate.close()
    press_generate(page)
    running_app.gate.allow(6)
    expect(finished_cards(page)).to_have_count(1)
    expect(page.get_by_role("progressbar")).to_have_count(1)
    assert faults(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_when_pictures_are_compared_and_a_fault_is_told(
    running_app, open_page, theme
):
    page = open_page(f"{running_app.url}?__theme={theme}")
    press_generate(page)
    expect_done(page)
    press_button(page, words.STAGES_PANEL["compare"])
    expect(page.get_by_role("slider", name=words.STAGES_PANEL["divider"])).to_be_visible()
    assert faults(page) == []
    fill_prompt(page, "")
    expect(page.locator(".st-note-since")).to_be_visible()
    press_generate(page)
    expect(page.get_by_role("alert")).to_have_text(words.PROMPT_EMPTY)
    assert faults(page) == []


def test_tab_goes_from_the_prompt_to_generate_to_the_picture_to_the_settings(running_app, open_page):
    page = open_page(running_app.url)
    page.get_by_label(words.PROMPT_LABEL).focus()
    for name in (f"^{words.GENERATE}$", f"^{words.SURPRISE_ME}$", f"^{words.STAGES_PANEL['viewer']}$"):
        tab_to(page, name, most=4)
    tab_to(page, "Scale stages")


def test_keys_alone_lead_from_the_prompt_to_the_file(running_app, open_page):
    page = open_page(running_app.url)
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.tagName") != "TEXTAREA":
        page.keyboard.press("Tab")
    page.keyboard.type(" in the rain")
    tab_to(page, f"^{words.GENERATE}$", most=4)
    page.keyboard.press("Enter")
    expect_done(page)
    tab_to(page, "^Download stage 2")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    (run,) = running_app.runs()
    assert (
        download.value.path().read_bytes() == (store.find_stage(run, 2)[1] / store.PICTURE_FILE).read_bytes()
    )


def test_stages_that_arrive_leave_the_focus_where_it_is(running_app, open_page):
    page = open_page(running_app.url)
    running_app.gate.close()
    press_generate(page)
    page.locator("#viewer").focus()
    running_app.gate.allow(6)
    expect(finished_cards(page)).to_have_count(1)
    assert focused(page) == words.STAGES_PANEL["viewer"]
    running_app.gate.open()
    expect_done(page)
    assert focused(page) == words.STAGES_PANEL["viewer"]


def test_enter_in_the_prompt_generates_and_stays_there(running_app, open_page):
    page = open_page(running_app.url)
    prompt = page.get_by_label(words.PROMPT_LABEL)
    prompt.press("Enter")
    expect_done(page)
    expect(prompt).to_be_focused()


def test_keys_of_the_viewer_do_nothing_while_a_person_writes(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    prompt = page.get_by_label(words.PROMPT_LABEL)
    prompt.fill("")
    prompt.press_sequentially("c ?+1")
    expect(prompt).to_have_value("c ?+1")
    expect(page.get_by_role("group", name=words.STAGES_PANEL["compare"], exact=True)).to_have_count(0)


def test_a_button_keeps_the_keys_when_its_row_is_drawn_anew(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    button = page.get_by_role("button", name=words.LABELLED_PICTURE)
    button.press("Enter")
    expect(page.get_by_role("link", name=words.SAVE_LABELLED_PICTURE)).to_be_visible()
    expect(button).to_be_focused()


@pytest.mark.parametrize("theme", THEMES)
def test_a_phone_shows_the_picture_on_its_first_screen_and_nothing_beside_it(running_app, open_page, theme):
    page = open_page(f"{running_app.url}?__theme={theme}", **PHONE)
    assert page.locator("#viewer").bounding_box()["y"] < 560
    press_generate(page)
    expect_done(page)
    for heading in (words.START_FROM_PICTURE, words.FINE_CONTROL):
        open_section(page, heading)
    page.get_by_label(words.OWN_SCALES).wait_for()
    press_button(page, words.STAGES_PANEL["compare"])
    expect(page.locator(".st-differ")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_finger_hits_every_button_of_the_picture(running_app, open_page):
    page = open_page(running_app.url, **PHONE)
    press_generate(page)
    expect_done(page)
    press_button(page, words.STAGES_PANEL["compare"])
    expect(page.locator(".st-differ")).to_be_visible()
    targets = page.locator("#stages").locator("button:visible, a:visible, select:visible")
    sizes = {
        target.inner_text() or target.get_attribute("aria-label"): target.bounding_box()["height"]
        for target in targets.all()
    }
    assert len(sizes) > 15
    assert {name: height for name, height in sizes.items() if height < TARGET} == {}


def test_a_finger_hits_every_button_of_the_page(running_app, open_page):
    page = open_page(running_app.url, **PHONE)
    page.get_by_role("button", name=words.FROM_STAGE_TWO).click()  # Folded on phones.
    for name in ("generate", "surprise", "dice", "defaults"):
        button = page.locator(f"#{name}")
        button.wait_for()
        assert button.bounding_box()["height"] >= TARGET, name
