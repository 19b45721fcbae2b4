"""What a screen reader speaks when the page changes."""

import re

import pytest

from tests.support.page_queries import (
    continue_button,
    expect,
    expect_done,
    fill_prompt,
    live_notes,
    message_pattern,
    open_save_menu,
    press_button,
    press_generate,
    spoken_status,
    status_line,
)
from ui.text import words

pytestmark = pytest.mark.browser


def test_new_notes_are_spoken(running_app, open_page):
    page = open_page(running_app.url)
    press_generate(page)
    expect_done(page)
    expect(live_notes(page)).to_have_count(1)  # A live region must exist before its text does.
    fill_prompt(page, "a blue boat")
    expect(live_notes(page).get_by_text(message_pattern(words.CHANGED_SINCE_PICTURE))).to_be_visible()


def test_a_finished_export_is_spoken_and_the_run_can_still_be_continued(running_app, open_page):
    page = open_page(running_app.url)
    page.get_by_role("button", name=re.compile("Pause after this size, stage 1")).click()
    press_generate(page)
    continues = continue_button(page)
    expect(continues).to_be_visible()
    open_save_menu(page)
    press_button(page, words.LABELLED_PICTURE)
    expect(spoken_status(page)).to_have_text(words.EXPORT_READY.format(label=words.SAVE_LABELLED_PICTURE))
    expect(continues).to_be_visible()


def test_finished_runs_are_spoken_and_steps_are_not(running_app, open_page):
    page = open_page(running_app.url)
    spoken = spoken_status(page)
    running_app.gate.close()
    press_generate(page)
    running_app.gate.allow(1)
    expect(status_line(page)).to_contain_text(words.STEP_OF_STEPS.format(step=1, steps=4))
    running_app.gate.allow(1)
    expect(status_line(page)).to_contain_text(words.STEP_OF_STEPS.format(step=2, steps=4))
    assert spoken.text_content() == ""
    running_app.gate.open()
    expect_done(page)
    expect(spoken).to_have_text(message_pattern(words.RUN_DONE))
