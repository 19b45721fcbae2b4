"""The words that a small model knows, so that those it does not can be named. No torch."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from engine.catalogue.entries import ModelEntry

STOPS = frozenset(",.")


@cache
def known_words(source: str) -> frozenset[str]:
    """The words in the tokenizer of a pipeline's folder that has one word a token."""
    told = json.loads((Path(source) / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8"))
    return frozenset(told["model"]["vocab"])


def split_words(text: str) -> list[str]:
    """The words of a text, lower case, punctuation apart."""
    return re.findall(r"[\w'-]+|[^\w\s]", text.lower())


def unknown_words(text: str, entry: ModelEntry) -> tuple[str, ...]:
    """The words of a prompt that the model has never seen, in their order; none where it knows any prompt."""
    if not entry.draws:
        return ()
    words = known_words(entry.source) | STOPS
    return tuple(dict.fromkeys(word for word in split_words(text) if word not in words))


def names_a_known_thing(text: str, entry: ModelEntry) -> bool:
    """Whether a prompt names anything that the model can draw."""
    if not entry.draws:
        return True
    drawn = {word for words in entry.draws.values() for phrase in words for word in phrase.split()}
    return any(word in drawn for word in split_words(text))


def build_prompt(chosen: Mapping[str, str]) -> str:
    """One word of each kind as a prompt: "a red house on snow at night"."""
    colour, subject, ground, sky = (chosen[kind] for kind in ("colour", "subject", "ground", "sky"))
    return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {subject} on {ground} at {sky}"


def replace_words(text: str, wanted: Mapping[str, str], entry: ModelEntry) -> str:
    """The prompt with these words of their kinds: a sentence of the builder, or one that names nothing to be
    drawn, is written anew; in any other one no more is changed than must be."""
    found = find_choices(text, entry)
    built = None not in found.values() and text == build_prompt(found)
    if built or not any(found.values()):
        return build_prompt({kind: found[kind] or choices[0] for kind, choices in entry.draws.items()} | wanted)
    for kind, word in wanted.items():
        if not found[kind]:
            text = f"{text.rstrip(' ,.')}, {word}"
        elif found[kind] != word:
            text = re.sub(rf"\b{re.escape(found[kind])}\b", word, text, count=1, flags=re.IGNORECASE)
    return text


def find_choices(text: str, entry: ModelEntry) -> dict[str, str | None]:
    """Which word of each kind a prompt holds: the first, or None."""
    words = f" {' '.join(split_words(text))} "
    found = {}
    for kind, phrases in entry.draws.items():
        places = {words.find(f" {phrase} "): phrase for phrase in phrases if f" {phrase} " in words}
        found[kind] = places[min(places)] if places else None
    return found
