"""Labels of the page's settings, and error messages of the engine rewritten with these labels."""

import re
from collections.abc import Iterable

from engine.recipe.options import OPTIONS
from engine.recipe.recipe import SETTINGS
from ui.text import words

# The label of each setting's widget, by the widget's name.
LABELS = {name: setting.label for name, setting in (SETTINGS | OPTIONS).items()} | {
    "stages": SETTINGS["scales"].label,
    "by_one": words.BY_ONE,
    "scales": words.OWN_SCALES,
    "shape": words.SHAPE,
    "width": words.OWN_WIDTH,
    "height": words.OWN_HEIGHT,
}

# Names like alpha1 are replaced anywhere in a message. Other names, like scales, are also plain words, so
# they are replaced only as the subject of the message.
_CODE_NAMES = "|".join([*(name for name in SETTINGS if not name.isalpha()), "faithful"])
_SUBJECT = rf"^(?:{'|'.join(LABELS)})(?= is | has | must be text)"
_QUOTED = r"(?<!\w)(?P<quote>['\"]).*?(?:(?P=quote)(?!\w)|…)"
_QUOTED_OR_NAME = re.compile(rf"{_QUOTED}|(?P<name>\b(?:{_CODE_NAMES})\b|{_SUBJECT})")


def join_labels(names: Iterable[str]) -> str:
    """Join the quoted labels of settings with commas; a name that is no setting stays as it is."""
    return ", ".join(f"“{LABELS[name]}”" if name in LABELS else name for name in names)


def replace_names_with_labels(message: str) -> str:
    """Replace names of settings in an engine's message by their labels, except inside quoted user input."""

    def replacement(match: re.Match[str]) -> str:
        return join_labels([match["name"]]) if match["name"] else match[0]

    return _QUOTED_OR_NAME.sub(replacement, message)
