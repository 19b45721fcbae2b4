"""The lists of the words that a small model knows, which build a prompt."""

from collections.abc import Mapping
from html import escape
from typing import Any

import gradio as gr

from engine.catalogue import vocabulary
from engine.catalogue.entries import ModelEntry
from engine.paths import ASSETS
from ui.text import words

# The script that makes the lists work; it holds one JavaScript function.
SCRIPT = ASSETS / "web" / "word_lists.js"


class WordLists(gr.HTML):
    """The component of the lists: the browser's own lists, which keys and fingers handle well.

    Its event `act` carries the kind of a chosen word, and the word.
    """

    def __init__(self, value: str = "", **arguments: Any) -> None:
        script = f"({SCRIPT.read_text(encoding='utf-8')})(element, trigger);"
        # Gradio builds the component anew from these arguments when a handler updates it.
        arguments.setdefault("js_on_load", script)
        super().__init__(value, **arguments)

    def preprocess(self, payload: object) -> None:
        """Return None, because handlers do not read the value that a browser sends back."""


def word_lists_html(entry: ModelEntry, prompt: str) -> str:
    """Return a list for each kind of word that a model knows, with the word in the prompt selected.

    Returns an empty text for a model that knows all words. Of the prompt only known words are used.
    """
    selected = vocabulary.find_choices(prompt, entry)
    return "".join(_list(kind, known, selected.get(kind)) for kind, known in entry.vocabulary.items())


def _list(kind: str, known: tuple[str, ...], selected: str | None) -> str:
    """Return the list of one kind of word with its label."""
    empty = "" if selected else '<option value="" selected></option>'
    options = "".join(_option(word, word == selected) for word in known)
    return (
        f"<label><span>{escape(words.WORD_KINDS[kind])}</span>"
        f'<select data-kind="{escape(kind)}">{empty}{options}</select></label>'
    )


def _option(word: str, is_selected: bool) -> str:
    """Return a word as an item of its list."""
    return f"<option{' selected' if is_selected else ''}>{escape(word)}</option>"


def chosen_word(data: object, entry: ModelEntry) -> tuple[str, str] | None:
    """Return (kind, word) that the event `act` carries; None if the model does not know the word."""
    values = data if isinstance(data, Mapping) else {}
    kind, word = values.get("kind"), values.get("word")
    if isinstance(kind, str) and isinstance(word, str) and word in entry.vocabulary.get(kind, ()):
        return kind, word
    return None
