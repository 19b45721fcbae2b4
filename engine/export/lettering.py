"""Letters on pictures: a font that is there, only what it can draw, and as much as there is room for."""

import unicodedata
from functools import cache, lru_cache

from PIL import ImageFont

FAMILIES = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf", "Arial.ttf")
"""Fonts of a machine that know other scripts than Latin; without one of them Pillow's own has plain ASCII."""
SPELLED = {
    "→": "›", "×": "x", "α": "alpha", "σ": "sigma", "–": "-", "—": "-", "ß": "ss", "ł": "l", "Ł": "L",
    "ø": "o", "Ø": "O", "æ": "ae",
}  # fmt: skip
"""What stands for a letter that the font lacks."""
LACKS = "\uffff"
"""No font has this; it shows how a missing letter is drawn."""
MORE = "…"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def _family() -> str | None:
    for name in FAMILIES:
        try:
            ImageFont.truetype(name, 20)
        except OSError:
            continue
        return name
    return None


@cache
def font_of(size: int) -> Font:
    """The font in this size, px."""
    family = _family()
    return ImageFont.truetype(family, size) if family else ImageFont.load_default(size)


def width_of(text: str, font: Font) -> float:
    """px."""
    return font.getlength(text)


def drawable(text: str, font: Font) -> str:
    """The text in one line, as far as the font has its letters; what it lacks is spelled, or left out as …"""
    drawn = ""
    for letter in unicodedata.normalize("NFC", text):
        # A mark without its letter would be drawn on an empty circle.
        if not (unicodedata.category(letter).startswith("M") and drawn[-1:] in ("", " ", MORE)):
            drawn += _drawn(letter, font)
    while MORE * 2 in drawn or f"{MORE} {MORE}" in drawn:
        drawn = drawn.replace(MORE * 2, MORE).replace(f"{MORE} {MORE}", MORE)
    drawn = " ".join(drawn.split())
    return "" if drawn == MORE else drawn


def _drawn(letter: str, font: Font) -> str:
    if letter.isspace():
        return " "
    if not letter.isprintable():  # Controls, and marks that would turn the line around.
        return ""
    for candidate in (letter, SPELLED.get(letter, ""), unicodedata.normalize("NFKD", letter)[0]):
        if candidate and all(_has(font, part) for part in candidate):
            return candidate
    return "" if unicodedata.combining(letter) else MORE


@lru_cache(1024)
def _has(font: Font, letter: str) -> bool:
    here, missing = font.getmask(letter), font.getmask(LACKS)
    return here.size != missing.size or bytes(here) != bytes(missing)


def shortened(text: str, font: Font, room: float) -> str:
    """As many whole words of the text as fit into so many px, then …"""
    if width_of(text, font) <= room:
        return text
    words = text.split(" ")
    while len(words) > 1 and width_of(" ".join(words) + MORE, font) > room:
        words.pop()
    cut = " ".join(words).rstrip(" ,;.")
    while cut and width_of(cut + MORE, font) > room:
        cut = cut[:-1]
    return cut + MORE if cut else ""


def wrapped(parts: list[str], between: str, font: Font, room: float) -> list[str]:
    """The parts in as few lines as fit; a part is never broken."""
    lines: list[str] = []
    for part in parts:
        longer = lines[-1] + between + part if lines else part
        if lines and width_of(longer, font) <= room:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines
