"""The labels of the page's settings, and their use in error messages of the engine in place of code names."""

import re
from collections.abc import Iterable

from engine.recipe.options import OPTIONS
from engine.recipe.recipe import SETTINGS
from ui.text import words

# The label of each widget of a setting, by the widget's name.
LABELS = {name: setting.label for name, setting in (SETTINGS | OPTIONS).items()} | {
    "stages": SETTINGS["scales"].label,
    "by_one": words.BY_ONE,
    "scales": words.OWN_SCALES,
    "shape": words.SHAPE,
    "width": words.OWN_WIDTH,
    "height": words.OWN_HEIGHT,
}

# Code names that a label replaces anywhere in a message, because they are no plain words, such as alpha1.
_CODE_NAME_PATTERN = "|".join([*(name for name in SETTINGS if not name.isalpha()), "faithful"])
# Any code name at the beginning of a message, as its subject. Elsewhere, a name like scales may be a plain word.
_SUBJECT_PATTERN = rf"^(?:{'|'.join(LABELS)})(?= is | has | must be text)"
# User input in quotes, which may be cut off with an ellipsis.
_QUOTED_PATTERN = r"(?<!\w)(?P<quote>['\"]).*?(?:(?P=quote)(?!\w)|…)"
# Quoted user input, or a code name to be replaced, which is the group "name".
_QUOTED_OR_NAME_PATTERN = re.compile(
    rf"{_QUOTED_PATTERN}|(?P<name>\b(?:{_CODE_NAME_PATTERN})\b|{_SUBJECT_PATTERN})"
)


def join_labels(names: Iterable[str]) -> str:
    """Return the labels of settings in quotes, joined with commas; a name that is no setting is left unchanged."""
    return ", ".join(f"“{LABELS[name]}”" if name in LABELS else name for name in names)


def replace_names_with_labels(message: str) -> str:
    """Return a message of the engine with labels in place of settings' code names, except in quoted user input."""

    def replacement(match: re.Match[str]) -> str:
        return join_labels([match["name"]]) if match["name"] else match[0]

    return _QUOTED_OR_NAME_PATTERN.sub(replacement, message)
