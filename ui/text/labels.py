"""What the page calls each setting, and the engine's sentences told in these words."""

import re
from collections.abc import Iterable

from engine.recipe.options import OPTIONS
from engine.recipe.recipe import SETTINGS
from ui.text import words

LABELS = {name: setting.label for name, setting in (SETTINGS | OPTIONS).items()} | {
    "stages": SETTINGS["scales"].label,
    "by_one": words.BY_ONE,
    "scales": words.OWN_SCALES,
    "shape": words.SHAPE,
    "width": words.OWN_WIDTH,
    "height": words.OWN_HEIGHT,
}
"""The label of each control, by its name."""
_CODES = "|".join([*(name for name in SETTINGS if not name.isalpha()), "faithful"])
"""Names that nobody says; in the midst of a sentence the others are plain words."""
_SUBJECT = rf"^(?:{'|'.join(LABELS)})(?= is | has | must be text)"
_QUOTED = r"(?<!\w)(?P<quote>['\"]).*?(?:(?P=quote)(?!\w)|…)"
_NAMED = re.compile(rf"{_QUOTED}|(?P<name>\b(?:{_CODES})\b|{_SUBJECT})")


def labelled(names: Iterable[str]) -> str:
    """Settings by their labels, in a line; what is none keeps its name."""
    return ", ".join(f"“{LABELS[name]}”" if name in LABELS else name for name in names)


def by_label(sentence: str) -> str:
    """A sentence of the engine with settings by their labels; what it quotes was written by somebody."""
    return _NAMED.sub(lambda found: labelled([found["name"]]) if found["name"] else found[0], sentence)
