"""The lists of the words that a small model knows: they build the prompt and follow it."""

import pytest

from tests.support.page_queries import choose_option, expect
from tests.support.running_app import serve_app, tiny_entry
from ui.text import words

pytestmark = [pytest.mark.browser, pytest.mark.slow]

VOCABULARY = {
    "subject": ("house", "castle"),
    "colour": ("red", "blue"),
    "ground": ("grass", "snow"),
    "sky": ("day", "night"),
}
SUBJECT, COLOUR, GROUND, SKY = (words.WORD_KINDS[kind] for kind in VOCABULARY)


@pytest.fixture(scope="module")
def app(tmp_path_factory, tiny_folder):
    entry = tiny_entry(tiny_folder, vocabulary=VOCABULARY)
    with serve_app(tmp_path_factory.mktemp("words") / "runs", entry) as app:
        yield app


def prompt_of(page):
    """Find the prompt."""
    return page.get_by_label(words.PROMPT_LABEL)


def list_of(page, kind):
    """Find the list of one kind of word."""
    return page.get_by_role("combobox", name=kind, exact=True)


def test_words_that_are_chosen_quickly_one_after_another_are_all_in_the_prompt(app, open_page):
    page = open_page(app.url)
    expect(prompt_of(page)).to_have_value("a red house on grass at day")
    page.evaluate(
        """chosen => {
          for (const [kind, word] of chosen) {
            const list = document.querySelector(`#words [data-kind=${kind}]`);
            list.value = word;
            list.dispatchEvent(new Event("change", { bubbles: true }));
          }
        }""",
        [["ground", "snow"], ["sky", "night"], ["subject", "castle"]],
    )
    expect(prompt_of(page)).to_have_value("a red castle on snow at night")
    for kind, word in ((SUBJECT, "castle"), (COLOUR, "red"), (GROUND, "snow"), (SKY, "night")):
        expect(list_of(page, kind)).to_have_value(word)


def test_a_list_in_which_somebody_has_chosen_still_follows_the_prompt(app, open_page):
    page = open_page(app.url)
    choose_option(page, SUBJECT, "castle")
    expect(prompt_of(page)).to_have_value("a red castle on grass at day")
    for subject in ("house", "castle"):
        prompt_of(page).fill(f"a red {subject} on grass at day")
        expect(list_of(page, SUBJECT)).to_have_value(subject)
