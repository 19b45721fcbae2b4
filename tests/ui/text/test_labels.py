"""Tests of messages, in which the engine's names of settings are replaced by the labels on the page."""

import pytest

from engine import Recipe, errors
from engine.errors import BadRecipe
from engine.recipe.checks import check
from engine.recipe.recipe import SETTINGS
from tests.support.page_queries import (
    expect,
    fill_prompt,
    message_pattern,
    open_section,
    press_button,
    set_number,
    status_line,
)
from ui.text import words
from ui.text.labels import join_labels, replace_names_with_labels

SMOOTHING_LABELS = SETTINGS["sigma1"].label, SETTINGS["sigma2"].label


@pytest.mark.parametrize(
    ("sentence", "rewritten"),
    [
        ("alpha1 is 12; it must be from 0 to 5.", "“Layout freedom (α₁)” is 12; it must be from 0 to 5."),
        ("width is 1001 px; 1000 px would fit.", "“Custom width, px” is 1001 px; 1000 px would fit."),
        ("negative must be text.", "“Negative prompt” must be text."),
        ("Leave them empty, or turn faithful off.", "Leave them empty, or turn “Exactly as published” off."),
        ("scales must rise; they are '2, sigma1'.", "scales must rise; they are '2, sigma1'."),
        ("This model's steps are few, and steps is 9.", "This model's steps are few, and steps is 9."),
        ("kernel is 'it\\'s alpha1'.", "“Smoothing width” is 'it\\'s alpha1'."),
    ],
)
def test_names_of_settings_are_replaced_by_labels_and_the_rest_is_unchanged(sentence, rewritten):
    assert replace_names_with_labels(sentence) == rewritten


def test_every_name_in_a_sentence_is_replaced():
    with pytest.raises(BadRecipe) as fault:
        check(Recipe(sigma1=0.1, sigma2=0.5))
    rewritten = replace_names_with_labels(fault.value.sentence)
    assert "sigma" not in rewritten
    assert [rewritten.count(label) for label in SMOOTHING_LABELS] == [2, 1]


def test_a_name_that_is_no_setting_is_unchanged():
    assert join_labels(["alpha2", "foo"]) == "“Overview fade (α₂)”, foo"


@pytest.mark.browser
def test_a_refusal_on_the_page_names_settings_by_label(running_app, open_page):
    page = open_page(running_app.url)
    fill_prompt(page)
    set_number(page, "sigma2", 0.5)
    set_number(page, "sigma1", 0.1)
    alert = page.get_by_role("alert")
    expect(alert).to_have_text(
        replace_names_with_labels(errors.SIGMAS_WRONG_ORDER.format(sigma1=0.1, sigma2=0.5))
    )
    expect(alert).to_contain_text(SMOOTHING_LABELS[0])
    expect(alert).not_to_contain_text("sigma")
    press_button(page, words.USE_VALUE.format(value="0.5"))
    expect(page.locator("#sigma1 input[type=number]")).to_have_value("0.5")


@pytest.mark.slow
@pytest.mark.browser
def test_the_refusal_of_a_size_names_its_box(running_app, open_page):
    page = open_page(running_app.url)
    open_section(page, words.FINE_CONTROL)
    page.get_by_label(words.OWN_WIDTH).fill("1001")
    page.get_by_label(words.OWN_HEIGHT).fill("1000")
    page.get_by_label(words.OWN_HEIGHT).press("Tab")
    expect(page.get_by_role("alert")).to_contain_text(words.OWN_WIDTH)
    expect(status_line(page)).to_contain_text(message_pattern(words.USE_VALUE))
