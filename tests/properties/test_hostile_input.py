"""Text that looks like code, a template or a tag stays text wherever the page accepts it."""

from urllib.parse import quote_plus

import pytest

import tests.support.running_app
from engine import errors
from engine.errors import short_repr
from engine.recipe.recipe import MAX_SEED
from tests.support.dropped_files import drop_file, png_with_recipe
from tests.support.page_queries import (
    expect,
    expect_runs_done,
    fill_prompt,
    finished_cards,
    message_pattern,
    open_section,
    press_button,
    set_number,
    status_line,
)
from tests.support.running_app import serve_app, tiny_entry
from ui.messages.status import describe_unknown_words
from ui.text import words
from ui.text.labels import replace_names_with_labels

pytestmark = pytest.mark.browser

VOCABULARY = {"colour": ("red",), "subject": ("house",), "ground": ("snow",), "sky": ("night",)}
HOSTILE = ("${alert(1)}", "{{x}}", "<img src=x onerror=alert(1)>", "`", "${5", "\\")


def expect_unharmed(page):
    """Check that no text became an element and every component is rendered; `open_page` checks for scripts."""
    expect(page.locator("img[src='x'], [onerror]")).to_have_count(0)
    expect(page.get_by_text("Error rendering")).to_have_count(0)
    expect(page.locator(".st")).to_have_count(1)


def test_a_prompt_stays_text_wherever_it_is_shown(running_app, open_page):
    page = open_page(running_app.url)
    set_number(page, "scale_stages", 1)
    for runs, text in enumerate(HOSTILE, 1):
        fill_prompt(page, text)
        press_button(page, words.GENERATE)
        expect_runs_done(page, runs, stages=1)
        expect(page.locator(".st-title").first).to_contain_text(text)
        expect(page.locator("#viewer-description")).to_contain_text(text)
        expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value(text)
    expect_unharmed(page)
    press_button(page, words.STAGES_PANEL["compare"])
    expect(finished_cards(page)).to_have_count(1)
    names = page.get_by_label(words.STAGES_PANEL["picture_a"]).locator("option")
    for text, name in zip(HOSTILE, names.all(), strict=True):
        expect(name).to_contain_text(text)
    page.locator(".st-look").last.click()
    expect(page.get_by_text(message_pattern(words.CHANGED_SINCE_PICTURE))).to_be_visible()
    expect_unharmed(page)


@pytest.mark.slow
def test_a_prompt_stays_text_after_a_reload(running_app, open_page):
    page = open_page(running_app.url)
    set_number(page, "scale_stages", 1)
    fill_prompt(page, HOSTILE[2])
    press_button(page, words.GENERATE)
    expect_runs_done(page, 1, stages=1)
    page.reload()
    expect_runs_done(page, 1, stages=1)
    expect(page.locator(".st-title")).to_contain_text(HOSTILE[2])
    expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value(HOSTILE[2])
    expect_unharmed(page)


def test_prompts_and_unknown_names_in_a_link_stay_text(running_app, open_page):
    page = open_page(running_app.url)
    for text in HOSTILE:
        page.goto(f"{running_app.url}?prompt={quote_plus(text)}&{quote_plus(text)}=1")
        expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value(text)
        expect(page.get_by_role("alert")).to_have_text(words.LINK_READ_EXCEPT.format(strange=text))
        expect_unharmed(page)


def test_prompts_and_unknown_names_in_a_dropped_picture_stay_text(running_app, open_page):
    page = open_page(running_app.url)
    for text in HOSTILE:
        drop_file(page, "picture.png", png_with_recipe(**{"prompt": text, text: 1}))
        expect(status_line(page)).to_have_text(message_pattern(words.PICTURE_HAS_SETTINGS))
        expect(status_line(page)).to_contain_text(words.RESTORED_EXCEPT.format(strange=text))
        expect_unharmed(page)
        press_button(page, words.USE_SETTINGS)
        expect(page.get_by_label(words.PROMPT_LABEL)).to_have_value(text)
    expect_unharmed(page)


@pytest.mark.slow
def test_a_dropped_file_can_have_any_name(running_app, open_page):
    page = open_page(running_app.url)
    for text in HOSTILE:
        drop_file(page, f"{text}.png", b"\x89PNG\r\n\x1a\n")
        expect(page.get_by_role("alert")).to_have_text(message_pattern(errors.PICTURE_UNREADABLE))
        expect_unharmed(page)
        drop_file(page, f"{text}.json", b"[]")
        expect(page.get_by_role("alert")).to_have_text(errors.NOT_A_RECIPE)
    expect_unharmed(page)


def test_an_error_quotes_what_was_written_as_text(running_app, open_page):
    page = open_page(running_app.url)
    open_section(page, words.FINE_CONTROL)
    for text in HOSTILE:
        page.get_by_label(words.OWN_SCALES).fill(text)
        expect(page.get_by_role("alert")).to_have_text(
            errors.SCALES_NOT_RISING.format(scales=short_repr(text))
        )
        expect_unharmed(page)


def test_a_number_out_of_range_is_refused_in_a_sentence_until_it_is_corrected(running_app, open_page):
    page = open_page(running_app.url)
    set_number(page, "seed", -1)
    low, high = 0, MAX_SEED
    sentence = errors.OUT_OF_RANGE.format(field="seed", value=-1, low=low, high=high)
    expect(page.get_by_role("alert")).to_have_text(replace_names_with_labels(sentence))
    set_number(page, "seed", 7)
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_text("Error", exact=True)).to_have_count(0)


@pytest.mark.slow
def test_words_that_the_model_does_not_know_are_quoted_as_text(tmp_path, tiny_folder, open_page, monkeypatch):
    monkeypatch.setattr(
        tests.support.running_app, "tiny_entry", lambda folder: tiny_entry(folder, vocabulary=VOCABULARY)
    )
    with serve_app(tmp_path / "runs", tiny_folder) as app:
        page = open_page(app.url)
        fill_prompt(page, HOSTILE[2])
        message = describe_unknown_words(HOSTILE[2], app.services.entry())
        assert "onerror" in message
        press_button(page, words.GENERATE)
        expect(page.get_by_role("alert")).to_have_text(words.NOTHING_STARTED.format(reason=message))
        expect_unharmed(page)
