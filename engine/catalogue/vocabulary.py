"""The words that a small model knows: finding unknown ones in a prompt, building prompts of known ones.

No torch.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from engine.catalogue.entries import ModelEntry

# Punctuation that any prompt may hold.
PUNCTUATION = frozenset(",.")


@cache
def known_words(source: str) -> frozenset[str]:
    """Return all words in the tokenizer of a pipeline's folder, whose tokens are whole words."""
    tokenizer = json.loads((Path(source) / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8"))
    return frozenset(tokenizer["model"]["vocab"])


def split_words(text: str) -> list[str]:
    """Split a text into lower-case words and single punctuation marks."""
    return re.findall(r"[\w'-]+|[^\w\s]", text.lower())


def unknown_words(text: str, entry: ModelEntry) -> tuple[str, ...]:
    """Return the words of a prompt that the model does not know, each once, in order.

    There are none for a model whose vocabulary is not limited.
    """
    if not entry.vocabulary:
        return ()
    known = known_words(entry.source) | PUNCTUATION
    return tuple(dict.fromkeys(word for word in split_words(text) if word not in known))


def has_vocabulary_word(text: str, entry: ModelEntry) -> bool:
    """Return whether a prompt holds a word of the vocabulary; True for a model without a limited one."""
    if not entry.vocabulary:
        return True
    vocabulary = {
        word for phrases in entry.vocabulary.values() for phrase in phrases for word in phrase.split()
    }
    return any(word in vocabulary for word in split_words(text))


def build_prompt(choices: Mapping[str, str]) -> str:
    """Build a prompt from one choice of each kind, such as "a red house on snow at night"."""
    colour, subject, ground, sky = (choices[kind] for kind in ("colour", "subject", "ground", "sky"))
    article = "an" if colour[0] in "aeiou" else "a"
    return f"{article} {colour} {subject} on {ground} at {sky}"


def replace_words(text: str, wanted: Mapping[str, str], entry: ModelEntry) -> str:
    """Return the prompt with the wanted choices, by kind, in place of those that it holds.

    A prompt that `build_prompt` made, or that holds no word of the vocabulary, is built anew. In any other
    prompt only the wanted words are exchanged, or added at the end.
    """
    found = find_choices(text, entry)
    is_built = None not in found.values() and text == build_prompt(found)
    if is_built or not any(found.values()):
        choices = {kind: found[kind] or phrases[0] for kind, phrases in entry.vocabulary.items()}
        return build_prompt(choices | wanted)
    for kind, word in wanted.items():
        if not found[kind]:
            text = f"{text.rstrip(' ,.')}, {word}"
        elif found[kind] != word:
            text = re.sub(rf"\b{re.escape(found[kind])}\b", word, text, count=1, flags=re.IGNORECASE)
    return text


def find_choices(text: str, entry: ModelEntry) -> dict[str, str | None]:
    """Return the first word or phrase of each kind of the vocabulary that a prompt holds, or None."""
    words = f" {' '.join(split_words(text))} "
    choices: dict[str, str | None] = {}
    for kind, phrases in entry.vocabulary.items():
        present = [phrase for phrase in phrases if f" {phrase} " in words]
        choices[kind] = min(present, key=lambda phrase: words.find(f" {phrase} "), default=None)
    return choices
