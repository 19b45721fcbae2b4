"""Text on pictures: choose a font, replace characters that the font lacks, and fit text into a width."""

import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import cast

from PIL import ImageFont

# Fonts with more than Latin script that a machine may have. Otherwise Pillow's own font is used, with ASCII only.
FONT_FILES = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf", "Arial.ttf")
# The text that replaces a character that the font lacks.
SUBSTITUTES = {
    "→": "›", "×": "x", "α": "alpha", "σ": "sigma", "–": "-", "—": "-", "ß": "ss", "ł": "l", "Ł": "L",
    "ø": "o", "Ø": "O", "æ": "ae",
}  # fmt: skip
# A character that no font has. All missing characters are drawn like this one.
MISSING_CHARACTER = "\uffff"
ELLIPSIS = "…"

Font = ImageFont.FreeTypeFont


@cache
def _font_file() -> str | None:
    """Return the first of FONT_FILES that this machine has; None if it has none of them."""
    for name in FONT_FILES:
        try:
            ImageFont.truetype(name, 20)
        except OSError:
            continue
        return name
    return None


@cache
def load_font(size: int) -> Font:
    """Return the machine's best font at a height in px."""
    file = _font_file()
    # Pillow's own font is a FreeType font too if it is loaded at a size.
    return ImageFont.truetype(file, size) if file else cast(Font, ImageFont.load_default(size))


def text_width(text: str, font: Font) -> float:
    """Return the width of a line of text in px."""
    return font.getlength(text)


def drawable_text(text: str, font: Font) -> str:
    """Return a text as one line of characters that the font has.

    A character that the font lacks becomes its substitute. Characters without a substitute become an ellipsis, and
    several in a row become a single ellipsis.
    """
    drawable = ""
    for character in unicodedata.normalize("NFC", text):
        is_mark = unicodedata.category(character).startswith("M")
        # A combining mark without a letter would be drawn on an empty circle.
        if not (is_mark and drawable[-1:] in ("", " ", ELLIPSIS)):
            drawable += _drawable_character(character, font)
    while ELLIPSIS * 2 in drawable or f"{ELLIPSIS} {ELLIPSIS}" in drawable:
        drawable = drawable.replace(ELLIPSIS * 2, ELLIPSIS).replace(f"{ELLIPSIS} {ELLIPSIS}", ELLIPSIS)
    drawable = " ".join(drawable.split())
    return "" if drawable == ELLIPSIS else drawable


def _drawable_character(character: str, font: Font) -> str:
    """Return a character if the font has it, else the first possible replacement.

    Replacements are its substitute, its letter without accents, and an ellipsis. Control characters are left
    out, and so are accents that the font lacks.
    """
    if character.isspace():
        return " "
    if not character.isprintable():  # Control characters, and marks that would reverse the line's direction.
        return ""
    base_letter = unicodedata.normalize("NFKD", character)[0]
    for candidate in (character, SUBSTITUTES.get(character, ""), base_letter):
        if candidate and all(_has_character(font, part) for part in candidate):
            return candidate
    return "" if unicodedata.combining(character) else ELLIPSIS


@lru_cache(1024)
def _has_character(font: Font, character: str) -> bool:
    """Return whether a font has a character: whether it is drawn differently from a missing character."""
    return _draw(font, character) != _draw(font, MISSING_CHARACTER)


def _draw(font: Font, character: str) -> tuple[tuple[int, int], bytes]:
    """Return the size and the grey levels of a drawn character."""
    mask = font.getmask(character)
    # A mask is a sequence of grey levels, which Pillow's stubs do not say.
    return mask.size, bytes(cast(Sequence[int], mask))


def shorten_to_fit(text: str, font: Font, width: float) -> str:
    """Return a text that is at most `width` px wide; a longer text is cut after a word and ends with an ellipsis."""
    if text_width(text, font) <= width:
        return text
    words = text.split(" ")
    while len(words) > 1 and text_width(" ".join(words) + ELLIPSIS, font) > width:
        words.pop()
    short = " ".join(words).rstrip(" ,;.")
    while short and text_width(short + ELLIPSIS, font) > width:
        short = short[:-1]
    return short + ELLIPSIS if short else ""


def wrap_parts(parts: list[str], separator: str, font: Font, width: float) -> list[str]:
    """Return lines of parts joined by a separator; each line has as many parts as fit into `width` px.

    A part is never broken, even if the part is wider than a line.
    """
    lines: list[str] = []
    for part in parts:
        longer_line = lines[-1] + separator + part if lines else part
        if lines and text_width(longer_line, font) <= width:
            lines[-1] = longer_line
        else:
            lines.append(part)
    return lines
