"""The vocabulary of the Postcards model: words that it knows, words that it does not, the sentence builder."""

from dataclasses import replace

import pytest

from engine.catalogue import vocabulary
from engine.catalogue.entries import model_entries
from lab.models import architecture
from lab.world.scenes import COLOURS
from tests.support.page_queries import choose_option, expect, message_pattern, press_generate, status_line
from tests.support.running_app import serve_app
from ui.text import words


@pytest.fixture(scope="session")
def postcards(tmp_path_factory):
    """The catalogue entry of Postcards, for a model of the same architecture with random weights."""
    folder = architecture.write_pipeline(
        architecture.new_pipeline(), tmp_path_factory.mktemp("models") / "postcards"
    )
    return replace(model_entries()[0], source=str(folder))


@pytest.mark.parametrize(
    ("prompt", "strange"),
    [
        ("a red house on snow at night", ()),
        ("A RED house, on snow.", ()),
        ("a cyberpunk portrait of a red cat", ("cyberpunk", "portrait")),
        ("<img src=x> {{x}}", ("<", "img", "src", "=", "x", ">", "{", "}")),
        ("", ()),
    ],
)
def test_words_that_the_model_does_not_know_are_named_once_in_order(postcards, prompt, strange):
    assert vocabulary.unknown_words(prompt, postcards) == strange
    assert vocabulary.unknown_words(prompt, postcards) == architecture.unknown_words(
        prompt, architecture.vocabulary()
    )


def test_every_word_of_the_sentence_builder_is_known(postcards):
    for kind, choices in postcards.vocabulary.items():
        for word in choices:
            assert vocabulary.unknown_words(word, postcards) == (), (kind, word)


def test_the_sentence_builder_offers_the_whole_vocabulary(postcards):
    assert set(postcards.vocabulary["colour"]) == set(COLOURS)


@pytest.mark.parametrize("colour", ["red", "orange"])
def test_a_built_sentence_can_be_parsed(postcards, colour):
    picked = {"subject": "boat", "colour": colour, "ground": "autumn leaves", "sky": "dawn"}
    prompt = vocabulary.build_prompt(picked)
    assert prompt == f"{'an' if colour == 'orange' else 'a'} {colour} boat on autumn leaves at dawn"
    assert vocabulary.find_choices(prompt, postcards) == picked


@pytest.mark.parametrize(
    ("prompt", "wanted", "then"),
    [
        ("a red boat on snow at day", {"colour": "orange"}, "an orange boat on snow at day"),
        ("", {"subject": "boat"}, "a red boat on snow at day"),
        ("a cyberpunk portrait", {"subject": "boat"}, "a red boat on snow at day"),
        ("an old harbour, oil, blue boat", {"ground": "water"}, "an old harbour, oil, blue boat, water"),
        ("an old harbour, Blue boat.", {"colour": "red"}, "an old harbour, red boat."),
        ("boat, autumn leaves", {"ground": "sand"}, "boat, sand"),
    ],
)
def test_a_chosen_word_replaces_one_of_its_kind_and_leaves_the_rest_of_a_typed_prompt(
    postcards, prompt, wanted, then
):
    assert vocabulary.replace_words(prompt, wanted, postcards) == then


@pytest.mark.browser
def test_unknown_words_are_named_while_typing_and_the_builder_replaces_them(tmp_path, postcards, open_page):
    with serve_app(tmp_path / "runs", postcards) as app:
        page = open_page(app.url)
        prompt = page.get_by_label(words.PROMPT_LABEL)
        prompt.fill("a cyberpunk portrait")
        expect(status_line(page)).to_contain_text("“cyberpunk” and “portrait”")
        press_generate(page)
        expect(page.get_by_role("alert")).to_have_text(message_pattern(words.NOTHING_STARTED))
        choose_option(page, words.WORD_KINDS["subject"], "boat")
        expect(prompt).to_have_value("a red boat on snow at day")
        choose_option(page, words.WORD_KINDS["sky"], "night")
        expect(prompt).to_have_value("a red boat on snow at night")
        expect(status_line(page)).not_to_contain_text("cyberpunk")
        page.get_by_role("button", name=words.SURPRISE_ME).click()
        expect(prompt).not_to_have_value("a red boat on snow at night")
        assert vocabulary.unknown_words(prompt.input_value(), postcards) == ()
        assert "stages" in status_line(page).inner_text()


@pytest.mark.browser
def test_the_example_beside_unknown_words_fills_in_a_prompt_that_can_be_undone(
    tmp_path, postcards, open_page
):
    with serve_app(tmp_path / "runs", postcards) as app:
        page = open_page(app.url)
        prompt = page.get_by_label(words.PROMPT_LABEL)
        prompt.fill("a cyberpunk portrait")
        status_line(page).get_by_role("button", name=message_pattern(words.TRY_PROMPT)).click()
        expect(prompt).to_have_value("a red house on snow at day")
        press_generate(page)
        expect(page.get_by_role("button", name=words.STOP, exact=True)).to_be_visible()
