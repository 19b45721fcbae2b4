"""What browser tests look for, by the words and roles that a person finds it by."""

import re

import pytest

from tests.support.running_app import TIMEOUT_MS
from ui.text import words

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import expect

expect.set_options(timeout=TIMEOUT_MS)


def message_pattern(sentence):
    """A sentence of the page with whatever stands in its places."""
    parts = re.split(r"\{\w+\}", sentence)
    return re.compile(".*".join(map(re.escape, parts)), re.S)


def status_line(page):
    """The line of cost and status as it is seen."""
    return page.locator(".st-status")


def spoken_status(page):
    """What a screen reader says of that line."""
    return status_line(page).get_by_role("status")


def live_notes(page):
    """The places of notes, which a screen reader reads when something comes to stand there."""
    return page.locator(".st-notes[aria-live=polite]")


def press_generate(page):
    page.get_by_role("button", name=words.GENERATE, exact=True).click()


def finished_cards(page):
    return page.get_by_role("button", name=re.compile("^Stage .* pixels"))


def fill_prompt(page, text="a red house"):
    page.get_by_label(words.PROMPT_LABEL).fill(text)


def expect_done(page, stages=2):
    expect(finished_cards(page)).to_have_count(stages)
    expect(status_line(page)).to_have_text(message_pattern(words.RUN_DONE))


def expect_runs_done(page, runs, stages=2):
    """The newest of so many runs is done."""
    expect(page.locator(".st-earlier-run")).to_have_count(runs)
    expect_done(page, stages)


STORED_SETTINGS = "window.localStorage.getItem('demofusion-studio')"


def wait_until_stored(page, act):
    """Does something and waits until the browser keeps what followed from it."""
    before = page.evaluate(STORED_SETTINGS)
    act()
    page.wait_for_function(f"before => {STORED_SETTINGS} !== before", arg=before)


def press_button(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def set_number(page, name, value):
    """Sets a slider by its number box."""
    box = page.locator(f"#{name} input[type=number]")
    box.fill(str(value))
    box.press("Tab")


def open_section(page, heading):
    page.get_by_role("button", name=heading).click()


def visible_rectangle(page):
    """What the viewer shows, as shares of the picture."""
    return page.evaluate("document.querySelector('#viewer').rectangle()")


def stop_in_stage_two(page, gate):
    """Lets the first stage be made, and stops the run in its second."""
    stop = page.get_by_role("button", name=words.STOP, exact=True)
    stop.wait_for()
    gate.pass_(5)
    expect(finished_cards(page)).to_have_count(1)
    stop.click()
    expect(status_line(page)).to_have_text(message_pattern(words.STOPPING))
    gate.open()
    expect(status_line(page)).to_contain_text(words.STAGE_ONE_KEPT)
