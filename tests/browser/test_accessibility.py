"""The page with a screen reader, with the keyboard alone, and on a phone."""

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
    open_save_menu,
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
# The smallest height, in px, of a button that a finger hits reliably.
TOUCH_TARGET = 44


def serious_violations(page):
    """Run axe and return what it finds serious or critical, as (rule, element, summary)."""
    # Colours are measured as they stay, not on their way, as those of a button that was enabled just now.
    page.wait_for_function("document.getAnimations().every(each => !(each instanceof CSSTransition))")
    page.evaluate(axe.AXE_SCRIPT)
    report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (violation["id"], node["target"], node["failureSummary"])
        for violation in report["violations"]
        for node in violation["nodes"]
        if violation["impact"] in ("serious", "critical")
    ]


def focused_name(page):
    """Return the accessible name of the focused element, or its id."""
    return page.evaluate(
        "(({ activeElement: a }) => a.getAttribute('aria-label') || a.innerText || a.id)(document)"
    )


def tab_to(page, name, most=40):
    """Press Tab until an element of this name has the focus; return the names that were passed."""
    passed = []
    while not re.search(name, focused_name(page)):
        passed.append(focused_name(page))
        assert len(passed) < most, passed
        page.keyboard.press("Tab")
    return passed


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_on_a_new_page(running_app, open_page, theme):
    page = open_page(f"{running_app.url}?__theme={theme}")
    open_section(page, words.FINE_CONTROL)
    page.get_by_label(words.OWN_SCALES).wait_for()
    assert serious_violations(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_with_a_start_image(running_app, open_page, photo, theme):
    page = open_page(f"{running_app.url}?__theme={theme}")
    drop_file(page, "photo.png", Path(photo).read_bytes())
    page.get_by_role("img", name=words.START_IMAGE_ALT).wait_for()
    assert serious_violations(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_with_a_control(running_app, open_page, theme, controlnet_kinds):
    controlnet_kinds += ["softedge", "depth"]
    page = open_page(f"{running_app.url}?__theme={theme}")
    drop_control_image(page)
    assert serious_violations(page) == []
    page.get_by_label(words.MAP_ONE_TO_ONE).check()
    assert serious_violations(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_during_a_run(running_app, open_page, theme):
    page = open_page(f"{running_app.url}?__theme={theme}")
    running_app.gate.close()
    press_generate(page)
    running_app.gate.allow(6)
    expect(finished_cards(page)).to_have_count(1)
    expect(page.get_by_role("progressbar")).to_have_count(1)
    assert serious_violations(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_in_a_comparison_and_beside_an_error(running_app, open_page, theme):
    page = open_page(f"{running_app.url}?__theme={theme}")
    press_generate(page)
    expect_done(page)
    press_button(page, words.STAGES_PANEL["compare"])
    expect(page.get_by_role("slider", name=words.STAGES_PANEL["divider"])).to_be_visible()
    assert serious_violations(page) == []
    fill_prompt(page, "")
    expect(page.locator(".st-note-since")).to_be_visible()
    press_generate(page)
    expect(page.get_by_role("alert")).to_have_text(words.PROMPT_EMPTY)
    assert serious_violations(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_while_a_picture_is_chosen(running_app, open_page, theme):
    page = open_page(f"{running_app.url}?__theme={theme}")
    press_button(page, words.MAKE_CANDIDATES)
    expect(page.locator(".st-candidate:enabled")).to_have_count(4)
    assert serious_violations(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_in_a_frame(running_app, open_page, theme):
    page = open_page(running_app.url)
    address = f"{running_app.url}?__theme={theme}"
    page.set_content(
        f'<iframe title="Studio" src="{address}" style="width: 1280px; height: 1400px"></iframe>'
    )
    frame = page.wait_for_selector("iframe").content_frame()
    frame.locator("#generate:enabled").wait_for()
    assert serious_violations(frame) == []


def test_tab_moves_from_the_prompt_to_generate_to_the_picture_to_the_settings(running_app, open_page):
    page = open_page(running_app.url)
    page.get_by_label(words.PROMPT_LABEL).focus()
    for name in (f"^{words.GENERATE}$", f"^{words.SURPRISE_ME}$", f"^{words.STAGES_PANEL['viewer']}$"):
        tab_to(page, name, most=4)
    tab_to(page, "Stages")


def test_the_keyboard_alone_suffices_from_the_prompt_to_the_download(running_app, open_page):
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


def test_a_finished_stage_does_not_move_the_focus(running_app, open_page):
    page = open_page(running_app.url)
    running_app.gate.close()
    press_generate(page)
    page.locator("#viewer").focus()
    running_app.gate.allow(6)
    expect(finished_cards(page)).to_have_count(1)
    assert focused_name(page) == words.STAGES_PANEL["viewer"]
    running_app.gate.open()
    expect_done(page)
    assert focused_name(page) == words.STAGES_PANEL["viewer"]


def test_enter_in_the_prompt_generates_and_keeps_the_focus(running_app, open_page):
    page = open_page(running_app.url)
    prompt = page.get_by_label(words.PROMPT_LABEL)
    prompt.press("Enter")
    expect_done(page)
    expect(prompt).to_be_focused()


def test_shortcuts_of_the_viewer_do_nothing_while_a_prompt_is_written(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    prompt = page.get_by_label(words.PROMPT_LABEL)
    prompt.fill("")
    prompt.press_sequentially("c ?+1")
    expect(prompt).to_have_value("c ?+1")
    expect(page.get_by_role("group", name=words.STAGES_PANEL["compare"], exact=True)).to_have_count(0)


def test_the_save_menu_gives_the_focus_back_when_its_file_has_been_saved(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    open_save_menu(page)
    with page.expect_download():
        page.get_by_role("button", name=words.LABELLED_PICTURE).press("Enter")
    expect(page.get_by_role("button", name=words.STAGES_PANEL["save"])).to_be_focused()
    expect(page.get_by_role("link", name=words.SAVE_LABELLED_PICTURE)).to_be_hidden()


def test_twenty_keys_lead_from_the_prompt_to_the_saved_picture(running_app, open_page):
    page = open_page(running_app.url)
    prompt = page.get_by_label(words.PROMPT_LABEL)
    prompt.fill("a red house")
    prompt.press("Enter")
    expect_done(page)
    tabs = tab_to(page, "^Download stage 2", most=18)
    with page.expect_download():
        page.keyboard.press("Enter")
    assert len(tabs) + 2 <= 20


@pytest.mark.parametrize("theme", THEMES)
def test_a_phone_shows_the_picture_on_its_first_screen_and_never_scrolls_sideways(
    running_app, open_page, theme
):
    page = open_page(f"{running_app.url}?__theme={theme}", **PHONE)
    assert page.locator("#viewer").bounding_box()["y"] < 560
    press_generate(page)
    expect_done(page)
    open_section(page, words.FINE_CONTROL)
    page.get_by_label(words.OWN_SCALES).wait_for()
    press_button(page, words.STAGES_PANEL["compare"])
    expect(page.locator(".st-differ")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_buttons_of_the_picture_are_large_enough_for_a_finger(running_app, open_page):
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
    assert {name: height for name, height in sizes.items() if height < TOUCH_TARGET} == {}


def test_buttons_of_the_page_are_large_enough_for_a_finger(running_app, open_page):
    page = open_page(running_app.url, **PHONE)
    for name in ("generate", "surprise", "defaults"):
        button = page.locator(f"#{name}")
        button.wait_for()
        assert button.bounding_box()["height"] >= TOUCH_TARGET, name
