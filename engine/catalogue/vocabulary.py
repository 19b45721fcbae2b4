"""The words that a small model knows, so that those it does not can be named. No torch."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from engine.catalogue.entries import Entry

STOPS = frozenset(",.")


@cache
def known(source: str) -> frozenset[str]:
    """The words in the tokenizer of a pipeline's folder that has one word a token."""
    told = json.loads((Path(source) / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8"))
    return frozenset(told["model"]["vocab"])


def spoken(text: str) -> list[str]:
    """The words of a text, lower case, punctuation apart."""
    return re.findall(r"[\w'-]+|[^\w\s]", text.lower())


def unknown(text: str, entry: Entry) -> tuple[str, ...]:
    """The words of a prompt that the model has never seen, in their order; none where it knows any prompt."""
    if not entry.draws:
        return ()
    words = known(entry.source) | STOPS
    return tuple(dict.fromkeys(word for word in spoken(text) if word not in words))


def understood(text: str, entry: Entry) -> bool:
    """Whether a prompt names anything that the model can draw."""
    if not entry.draws:
        return True
    drawn = {word for words in entry.draws.values() for phrase in words for word in phrase.split()}
    return any(word in drawn for word in spoken(text))


def sentence(chosen: Mapping[str, str]) -> str:
    """One word of each kind as a prompt: "a red house on snow at night"."""
    colour, subject, ground, sky = (chosen[kind] for kind in ("colour", "subject", "ground", "sky"))
    return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {subject} on {ground} at {sky}"


def rewritten(text: str, wanted: Mapping[str, str], entry: Entry) -> str:
    """The prompt with these words of their kinds: a sentence of the builder, or one that names nothing to be
    drawn, is written anew; in any other one no more is changed than must be."""
    found = chosen(text, entry)
    built = None not in found.values() and text == sentence(found)
    if built or not any(found.values()):
        return sentence({kind: found[kind] or choices[0] for kind, choices in entry.draws.items()} | wanted)
    for kind, word in wanted.items():
        if not found[kind]:
            text = f"{text.rstrip(' ,.')}, {word}"
        elif found[kind] != word:
            text = re.sub(rf"\b{re.escape(found[kind])}\b", word, text, count=1, flags=re.IGNORECASE)
    return text


def chosen(text: str, entry: Entry) -> dict[str, str | None]:
    """Which word of each kind a prompt holds: the first, or None."""
    words = f" {' '.join(spoken(text))} "
    found = {}
    for kind, phrases in entry.draws.items():
        places = {words.find(f" {phrase} "): phrase for phrase in phrases if f" {phrase} " in words}
        found[kind] = places[min(places)] if places else None
    return found
