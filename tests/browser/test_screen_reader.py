"""What a screen reader says without being asked."""

import re

import pytest

from tests.support.look import expect, fill_prompt, generate, heard, is_done, line, pattern, press, told_later
from ui.text import words

pytestmark = pytest.mark.browser


def test_notes_are_heard_when_they_come(served, visit):
    page = visit(served.url)
    generate(page)
    is_done(page)
    expect(told_later(page)).to_have_count(2)  # They are there before what they tell.
    fill_prompt(page, "a blue boat")
    expect(told_later(page).get_by_text(pattern(words.CHANGED_SINCE_PICTURE))).to_be_visible()


def test_what_is_ready_is_heard_and_the_run_can_still_be_gone_on_with(served, visit):
    page = visit(served.url)
    page.get_by_role("button", name=re.compile("Stop here, after stage 1")).click()
    generate(page)
    go_on = line(page).get_by_role("button", name=re.compile("^Continue"))
    expect(go_on).to_be_visible()
    press(page, words.LABELLED_PICTURE)
    expect(
        told_later(page).get_by_text(words.EXPORT_READY.format(label=words.SAVE_LABELLED_PICTURE))
    ).to_be_visible()
    expect(go_on).to_be_visible()


def test_stages_and_ends_are_spoken_and_steps_are_not(served, visit):
    page = visit(served.url)
    spoken = heard(page)
    served.gate.close()
    generate(page)
    served.gate.pass_(1)
    expect(line(page)).to_contain_text(words.STEP_OF_STEPS.format(step=1, steps=4))
    served.gate.pass_(1)
    expect(line(page)).to_contain_text(words.STEP_OF_STEPS.format(step=2, steps=4))
    assert spoken.text_content() == ""
    served.gate.open()
    is_done(page)
    expect(spoken).to_have_text(pattern(words.RUN_DONE))
