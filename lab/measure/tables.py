"""Formats results: Markdown tables, and rates with their confidence intervals."""

from math import sqrt
from typing import Any


class Row(tuple[Any, ...]):
    """The cells of one line of a table: Row("title", 1, 2)."""

    def __new__(cls, *cells: Any) -> "Row":
        return super().__new__(cls, cells)


def table(rows: list[Row], head: tuple[str, ...] = ("", "", "")) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def wilson_interval(hits: int, tries: int) -> tuple[float, float]:
    """Return Wilson's 95 % confidence interval of a share."""
    if not tries:
        return 0.0, 1.0
    z, share = 1.96, hits / tries
    middle = (share + z * z / (2 * tries)) / (1 + z * z / tries)
    half = z / (1 + z * z / tries) * sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    return max(0.0, middle - half), min(1.0, middle + half)


def rate_text(hits: int, tries: int) -> str:
    """Return a share in percent with its 95 % confidence interval."""
    low, high = wilson_interval(hits, tries)
    return f"{hits / max(tries, 1):.0%} ({low:.0%} to {high:.0%})"
