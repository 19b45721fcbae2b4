"""Queries and actions of browser tests, which find elements by label and role as a person does."""

import re

import pytest

from tests.support.running_app import TIMEOUT_MS
from ui.text import words

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import expect

expect.set_options(timeout=TIMEOUT_MS)


def message_pattern(sentence):
    """Make a regular expression of a message, in which any text may stand for a placeholder."""
    parts = re.split(r"\{\w+\}", sentence)
    return re.compile(".*".join(map(re.escape, parts)), re.S)


def status_line(page):
    """Find the line of cost and status."""
    return page.locator(".st-status")


def spoken_status(page):
    """Find the part of the status line that a screen reader speaks."""
    return status_line(page).get_by_role("status")


def live_notes(page):
    """Find the live regions of notes, which a screen reader speaks when their text changes."""
    return page.locator(".st-notes[aria-live=polite]")


def press_generate(page):
    """Press the Generate button."""
    page.get_by_role("button", name=words.GENERATE, exact=True).click()


def continue_button(page):
    """Find the Generate button while it continues the run on display."""
    return page.get_by_role("button", name=message_pattern(words.CONTINUE_FROM))


def press_continue(page):
    """Press the Generate button when it continues the run on display."""
    continue_button(page).click()


def finished_cards(page):
    """Find the cards of the finished stages."""
    return page.get_by_role("button", name=re.compile("^Stage .* pixels"))


def fill_prompt(page, text="a red house"):
    """Write a prompt."""
    page.get_by_label(words.PROMPT_LABEL).fill(text)


def expect_done(page, stages=2):
    """Wait until the run that is shown is done, with so many stages."""
    expect(finished_cards(page)).to_have_count(stages)
    expect(status_line(page)).to_have_text(message_pattern(words.RUN_DONE))


def expect_runs_done(page, runs, stages=2):
    """Wait until the page lists so many runs and the newest of them is done."""
    expect(page.locator(".st-earlier-run")).to_have_count(runs)
    expect_done(page, stages)


STORED_SETTINGS = "window.localStorage.getItem('demofusion-studio')"


def wait_until_stored(page, act):
    """Call `act` and wait until the browser stores changed settings."""
    before = page.evaluate(STORED_SETTINGS)
    act()
    page.wait_for_function(f"before => {STORED_SETTINGS} !== before", arg=before)


def press_button(page, name):
    """Press the button of this name."""
    page.get_by_role("button", name=name, exact=True).click()


def delete_run(page):
    """Delete the run on display: press its button, and once more to confirm."""
    run = page.locator(".st-earlier-run:has([aria-pressed=true])")
    run.get_by_role("button", name=words.STAGES_PANEL["forget"], exact=True).click()
    run.get_by_role("button", name=words.STAGES_PANEL["forget_sure"]).click()


def open_save_menu(page):
    """Open the menu of what saves and shares the picture unless it is open."""
    button = page.get_by_role("button", name=words.STAGES_PANEL["save"])
    if button.get_attribute("aria-expanded") == "false":
        button.click()


def set_number(page, name, value):
    """Write into the number box of a slider or number field and leave it."""
    box = page.locator(f"#{name} input[type=number]")
    box.fill(str(value))
    box.press("Tab")


def choose_option(page, label, option):
    """Choose an option of the list with this label."""
    page.get_by_role("combobox", name=label, exact=True).select_option(option)


def open_section(page, heading):
    """Open, or close, the section with this heading."""
    page.get_by_role("button", name=heading).click()


def visible_rectangle(page):
    """Return the part of the picture that the viewer shows, as fractions of the picture."""
    return page.evaluate("document.querySelector('#viewer').rectangle()")


def stop_in_stage_two(page, gate):
    """Let the first stage finish and stop the run in its second."""
    stop = page.get_by_role("button", name=words.STOP, exact=True)
    stop.wait_for()
    gate.allow(5)
    expect(finished_cards(page)).to_have_count(1)
    stop.click()
    expect(status_line(page)).to_have_text(message_pattern(words.STOPPING))
    gate.open()
    expect(status_line(page)).to_contain_text(words.STAGE_ONE_KEPT)
