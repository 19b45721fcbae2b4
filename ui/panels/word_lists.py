"""The lists of the words that a small model knows, which build a prompt."""

from collections.abc import Mapping
from html import escape

from engine.catalogue import vocabulary
from engine.catalogue.entries import ModelEntry
from ui.panels.scripted_html import ScriptedHTML
from ui.text import words


class WordLists(ScriptedHTML):
    """The component of the lists: the browser's own lists, which keys and fingers handle well.

    Its event `act` carries the words that were chosen just now, by kind.
    """

    script_file = "word_lists.js"


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


def chosen_words(data: object, entry: ModelEntry) -> dict[str, str]:
    """Return the words that the event `act` carries, by kind, without those that the model does not know."""
    values = data.get("words") if isinstance(data, Mapping) else None
    return {
        kind: word
        for kind, word in (values.items() if isinstance(values, Mapping) else ())
        if isinstance(kind, str) and isinstance(word, str) and word in entry.vocabulary.get(kind, ())
    }
