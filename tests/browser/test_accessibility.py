"""The page for those who read it by a screen reader, use it by keys, or hold it in a hand."""

import re
from pathlib import Path

import pytest

from engine.runs import store
from tests.support.control import drop_and_follow
from tests.support.dropped_files import drop
from tests.support.look import expect, fill_prompt, finished_cards, generate, is_done, press, unfold
from tests.support.toys import slowly
from ui.text import words

axe = pytest.importorskip("axe_playwright_python.base", reason="axe-playwright-python is not installed")

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
THEMES = ("light", *slowly("dark"))
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
def test_axe_finds_nothing_serious_on_a_page_just_opened(served, visit, theme):
    page = visit(f"{served.url}?__theme={theme}")
    for heading in (words.START_FROM_PICTURE, words.FINE_CONTROL):
        unfold(page, heading)
    page.get_by_label(words.OWN_SCALES).wait_for()
    assert faults(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_with_a_start_picture(served, visit, photo, theme):
    page = visit(f"{served.url}?__theme={theme}")
    drop(page, "photo.png", Path(photo).read_bytes())
    page.get_by_role("img", name=words.START_IMAGE_ALT).wait_for()
    assert faults(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_with_a_picture_to_follow(served, visit, theme, offered):
    offered += ["softedge", "depth"]
    page = visit(f"{served.url}?__theme={theme}")
    drop_and_follow(page)
    assert faults(page) == []
    page.get_by_label(words.MAP_ONE_TO_ONE).check()
    assert faults(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_while_a_run_is_at_work(served, visit, theme):
    page = visit(f"{served.url}?__theme={theme}")
    served.gate.close()
    generate(page)
    served.gate.pass_(6)
    expect(finished_cards(page)).to_have_count(1)
    expect(page.get_by_role("progressbar")).to_have_count(1)
    assert faults(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_when_pictures_are_compared_and_a_fault_is_told(served, visit, theme):
    page = visit(f"{served.url}?__theme={theme}")
    generate(page)
    is_done(page)
    press(page, words.STAGES_PANEL["compare"])
    expect(page.get_by_role("slider", name=words.STAGES_PANEL["divider"])).to_be_visible()
    assert faults(page) == []
    fill_prompt(page, "")
    expect(page.locator(".st-note-since")).to_be_visible()
    generate(page)
    expect(page.get_by_role("alert")).to_have_text(words.PROMPT_EMPTY)
    assert faults(page) == []


def test_tab_goes_from_the_prompt_to_generate_to_the_picture_to_the_settings(served, visit):
    page = visit(served.url)
    page.get_by_label(words.PROMPT_LABEL).focus()
    for name in (f"^{words.GENERATE}$", f"^{words.SURPRISE_ME}$", f"^{words.STAGES_PANEL['viewer']}$"):
        tab_to(page, name, most=4)
    tab_to(page, "Scale stages")


def test_keys_alone_lead_from_the_prompt_to_the_file(served, visit):
    page = visit(served.url)
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.tagName") != "TEXTAREA":
        page.keyboard.press("Tab")
    page.keyboard.type(" in the rain")
    tab_to(page, f"^{words.GENERATE}$", most=4)
    page.keyboard.press("Enter")
    is_done(page)
    tab_to(page, "^Download stage 2")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    (run,) = served.runs()
    assert (
        download.value.path().read_bytes() == (store.find_stage(run, 2)[1] / store.PICTURE_FILE).read_bytes()
    )


def test_stages_that_arrive_leave_the_focus_where_it_is(served, visit):
    page = visit(served.url)
    served.gate.close()
    generate(page)
    page.locator("#viewer").focus()
    served.gate.pass_(6)
    expect(finished_cards(page)).to_have_count(1)
    assert focused(page) == words.STAGES_PANEL["viewer"]
    served.gate.open()
    is_done(page)
    assert focused(page) == words.STAGES_PANEL["viewer"]


def test_enter_in_the_prompt_generates_and_stays_there(served, visit):
    page = visit(served.url)
    prompt = page.get_by_label(words.PROMPT_LABEL)
    prompt.press("Enter")
    is_done(page)
    expect(prompt).to_be_focused()


def test_keys_of_the_viewer_do_nothing_while_a_person_writes(served, visit):
    page = visit(served.url)
    generate(page)
    is_done(page)
    prompt = page.get_by_label(words.PROMPT_LABEL)
    prompt.fill("")
    prompt.press_sequentially("c ?+1")
    expect(prompt).to_have_value("c ?+1")
    expect(page.get_by_role("group", name=words.STAGES_PANEL["compare"], exact=True)).to_have_count(0)


def test_a_button_keeps_the_keys_when_its_row_is_drawn_anew(served, visit):
    page = visit(served.url)
    generate(page)
    is_done(page)
    button = page.get_by_role("button", name=words.LABELLED_PICTURE)
    button.press("Enter")
    expect(page.get_by_role("link", name=words.SAVE_LABELLED_PICTURE)).to_be_visible()
    expect(button).to_be_focused()


@pytest.mark.parametrize("theme", THEMES)
def test_a_phone_shows_the_picture_on_its_first_screen_and_nothing_beside_it(served, visit, theme):
    page = visit(f"{served.url}?__theme={theme}", **PHONE)
    assert page.locator("#viewer").bounding_box()["y"] < 560
    generate(page)
    is_done(page)
    for heading in (words.START_FROM_PICTURE, words.FINE_CONTROL):
        unfold(page, heading)
    page.get_by_label(words.OWN_SCALES).wait_for()
    press(page, words.STAGES_PANEL["compare"])
    expect(page.locator(".st-differ")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_finger_hits_every_button_of_the_picture(served, visit):
    page = visit(served.url, **PHONE)
    generate(page)
    is_done(page)
    press(page, words.STAGES_PANEL["compare"])
    expect(page.locator(".st-differ")).to_be_visible()
    targets = page.locator("#stages").locator("button:visible, a:visible, select:visible")
    sizes = {
        target.inner_text() or target.get_attribute("aria-label"): target.bounding_box()["height"]
        for target in targets.all()
    }
    assert len(sizes) > 15
    assert {name: height for name, height in sizes.items() if height < TARGET} == {}


def test_a_finger_hits_every_button_of_the_page(served, visit):
    page = visit(served.url, **PHONE)
    page.get_by_role("button", name=words.FROM_STAGE_TWO).click()  # Folded on phones.
    for name in ("generate", "surprise", "dice", "defaults"):
        button = page.locator(f"#{name}")
        button.wait_for()
        assert button.bounding_box()["height"] >= TARGET, name
