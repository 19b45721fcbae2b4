"""The limited vocabulary of a small model: find unknown words in a prompt, build prompts of known words.

No torch.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from engine.catalogue.entries import ModelEntry

# Punctuation marks that every prompt may contain.
PUNCTUATION = frozenset(",.")


@cache
def known_words(source: str) -> frozenset[str]:
    """Return all words that a model's tokenizer knows; each of its tokens is a whole word.

    source: the folder of the model's pipeline.
    """
    tokenizer = json.loads((Path(source) / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8"))
    return frozenset(tokenizer["model"]["vocab"])


def split_words(text: str) -> list[str]:
    """Split a prompt into lower-case words and single punctuation marks, to look them up in a vocabulary."""
    return re.findall(r"[\w'-]+|[^\w\s]", text.lower())


def unknown_words(text: str, entry: ModelEntry) -> tuple[str, ...]:
    """Return the words of a prompt that the model does not know, each once, in the prompt's order.

    Return an empty tuple for a model whose vocabulary is not limited.
    """
    if not entry.vocabulary:
        return ()
    known = known_words(entry.source) | PUNCTUATION
    return tuple(dict.fromkeys(word for word in split_words(text) if word not in known))


def has_vocabulary_word(text: str, entry: ModelEntry) -> bool:
    """Return whether a prompt contains a word of the model's vocabulary; True if the vocabulary is not limited."""
    if not entry.vocabulary:
        return True
    vocabulary = {
        word for phrases in entry.vocabulary.values() for phrase in phrases for word in phrase.split()
    }
    return any(word in vocabulary for word in split_words(text))


def build_prompt(choices: Mapping[str, str]) -> str:
    """Return a prompt such as "a red house on snow at night".

    choices: one word or phrase for each of the kinds "colour", "subject", "ground" and "sky".
    """
    colour, subject, ground, sky = (choices[kind] for kind in ("colour", "subject", "ground", "sky"))
    article = "an" if colour[0] in "aeiou" else "a"
    return f"{article} {colour} {subject} on {ground} at {sky}"


def replace_words(text: str, wanted: Mapping[str, str], entry: ModelEntry) -> str:
    """Return the prompt with the words in `wanted` (by kind) in place of its own words of the same kinds.

    A prompt that `build_prompt` made, or that contains no word of the vocabulary, is replaced by a new prompt. In
    any other prompt only the wanted words are replaced, or added at the end.
    """
    found = find_choices(text, entry)
    present = {kind: phrase for kind, phrase in found.items() if phrase}
    is_built = len(present) == len(found) and text == build_prompt(present)
    if is_built or not present:
        choices = {kind: found[kind] or phrases[0] for kind, phrases in entry.vocabulary.items()}
        return build_prompt({**choices, **wanted})
    for kind, word in wanted.items():
        replaced = found[kind]
        if not replaced:
            text = f"{text.rstrip(' ,.')}, {word}"
        elif replaced != word:
            text = re.sub(rf"\b{re.escape(replaced)}\b", word, text, count=1, flags=re.IGNORECASE)
    return text


def find_choices(text: str, entry: ModelEntry) -> dict[str, str | None]:
    """Return, for each kind of the vocabulary, its first word or phrase in the prompt; None if there is none."""
    words = f" {' '.join(split_words(text))} "
    choices: dict[str, str | None] = {}
    for kind, phrases in entry.vocabulary.items():
        present = [phrase for phrase in phrases if f" {phrase} " in words]
        choices[kind] = min(present, key=lambda phrase: words.find(f" {phrase} "), default=None)
    return choices
