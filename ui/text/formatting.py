"""Numbers in the words of the page: sizes, times, memory. Knows no component."""

from collections.abc import Sequence
from math import ceil

from ui.text import words

GB = 1024**3


def time(seconds: float) -> str:
    """Rounded up: below 10 s "a few seconds", to 5 s below two minutes, then whole minutes."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 120:
        return f"{5 * ceil(seconds / 5)} s"
    if seconds < 7200:
        return f"{ceil(seconds / 60)} minutes"
    return f"{ceil(seconds / 3600)} hours"


def about(seconds: float) -> str:
    """An estimate: "a few seconds", "about 60 s"."""
    return time(seconds) if seconds < 10 else f"about {time(seconds)}"


def spent(seconds: float) -> str:
    """What has been measured: "61 s", "12 minutes"."""
    return f"{max(1, round(seconds))} s" if seconds < 300 else f"{round(seconds / 60)} minutes"


def short_time(seconds: float) -> str:
    """For a card: "14 s", "3 min"."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{ceil(seconds)} s"
    return f"{ceil(seconds / 60)} min" if seconds < 7200 else f"{ceil(seconds / 3600)} h"


def size(height: int, width: int) -> str:
    return f"{width} × {height}"


def side(height: int, width: int) -> str:
    """A square by one of its sides."""
    return str(width) if height == width else size(height, width)


def path(sizes: Sequence[tuple[int, int]]) -> str:
    """256 → 512 → 1024"""
    return " → ".join(side(*each) for each in sizes)


def stages(count: int) -> str:
    return words.STAGES_ONE if count == 1 else words.STAGES_MANY.format(count=count)


def gigabytes(amount: int) -> str:
    return f"{amount / GB:.1f}" if amount < 10 * GB else f"{amount / GB:.0f}"


def hours(seconds: float) -> str:
    whole = max(1, round(seconds / 3600))
    return f"{whole} hour{'' if whole == 1 else 's'}"


def kept(count: int) -> str:
    """How many of the first stages there are."""
    if not count:
        return words.NOTHING_KEPT
    return words.KEPT_HERE_ONE if count == 1 else words.KEPT_HERE.format(last=count)


def listed(names: Sequence[str]) -> str:
    """ "a", "b" and "c" """
    quoted = [f"“{name}”" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
