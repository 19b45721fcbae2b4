"""Durations, sizes and amounts of memory as text for the page."""

from collections.abc import Sequence
from math import ceil

from ui.text import words

# The number of bytes in a gigabyte.
GB = 1024**3


def format_duration(seconds: float) -> str:
    """Return a duration, rounded up, as text: "a few seconds", "60 s", "12 minutes", "3 hours".

    A duration below two minutes is rounded up to a multiple of 5 s.
    """
    if seconds < 10:
        return "a few seconds"
    if seconds < 120:
        return f"{5 * ceil(seconds / 5)} s"
    if seconds < 7200:
        return f"{ceil(seconds / 60)} minutes"
    return f"{ceil(seconds / 3600)} hours"


def format_estimate(seconds: float) -> str:
    """Return an estimated duration as text: "a few seconds", "about 60 s"."""
    duration = format_duration(seconds)
    return duration if seconds < 10 else f"about {duration}"


def format_range(low: float, high: float) -> str:
    """Return an estimated duration as text, with its ends where they differ: "40 to 55 s", "90 s to 3 minutes"."""
    first, last = format_duration(low), format_duration(high)
    if first == last or high < 10:
        return format_estimate(high)
    if low < 10:
        return f"up to {last}"
    (number, unit), last_unit = first.rsplit(" ", 1), last.rsplit(" ", 1)[1]
    return f"{number if unit == last_unit else first} to {last}"


def format_elapsed(seconds: float) -> str:
    """Return a measured duration as text: "61 s", "12 minutes"."""
    return f"{max(1, round(seconds))} s" if seconds < 300 else f"{round(seconds / 60)} minutes"


def format_short_duration(seconds: float) -> str:
    """Return a duration as a short text for the card of a stage: "14 s", "3 min"."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{ceil(seconds)} s"
    return f"{ceil(seconds / 60)} min" if seconds < 7200 else f"{ceil(seconds / 3600)} h"


def format_size(height: int, width: int) -> str:
    """Return a size in px as text, width first: "1280 × 832"."""
    return f"{width} × {height}"


def format_short_size(height: int, width: int) -> str:
    """Return a size in px as text: "1280 × 832", or "1024" for a square."""
    return str(width) if height == width else format_size(height, width)


def format_sizes(sizes: Sequence[tuple[int, int]]) -> str:
    """Return the sizes of successive stages in px as text: "256 → 512 → 1024"."""
    return " → ".join(format_short_size(*size) for size in sizes)


def format_stage_count(count: int) -> str:
    """Return a number of stages as text: "1 stage", "3 stages"."""
    return words.ONE_STAGE if count == 1 else words.MANY_STAGES.format(count=count)


def format_gigabytes(amount: int) -> str:
    """Return a number of bytes in GB as text without the unit, with one decimal below 10 GB."""
    return f"{amount / GB:.1f}" if amount < 10 * GB else f"{amount / GB:.0f}"


def format_hours(seconds: float) -> str:
    """Return a duration in whole hours, at least one, as text: "1 hour", "24 hours"."""
    whole = max(1, round(seconds / 3600))
    return f"{whole} hour{'' if whole == 1 else 's'}"


def describe_kept_stages(count: int) -> str:
    """Return a sentence that the first `count` stages of a run are kept, or that no stage is."""
    if not count:
        return words.NO_STAGE_KEPT
    return words.STAGE_ONE_KEPT if count == 1 else words.STAGES_KEPT.format(last=count)


def quote_names(names: Sequence[str]) -> str:
    """Return names in quotes, joined with commas and "and"; there must be at least one name."""
    quoted = [f"“{name}”" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
