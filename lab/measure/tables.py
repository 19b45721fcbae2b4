"""Numbers as text: tables, and how far a share of few tries can be trusted."""

from math import sqrt
from typing import Any


class Row(tuple[Any, ...]):
    """One line of a table."""

    def __new__(cls, *cells: Any) -> "Row":
        return super().__new__(cls, cells)


def table(rows: list[Row], head: tuple[str, ...] = ("", "", "")) -> str:
    """Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def interval(hits: int, tries: int) -> tuple[float, float]:
    """Wilson's, at 95 %: where the true share lies."""
    if not tries:
        return 0.0, 1.0
    z, share = 1.96, hits / tries
    middle = (share + z * z / (2 * tries)) / (1 + z * z / tries)
    half = z / (1 + z * z / tries) * sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    return max(0.0, middle - half), min(1.0, middle + half)


def rate(hits: int, tries: int) -> str:
    low, high = interval(hits, tries)
    return f"{hits / max(tries, 1):.0%} ({low:.0%} to {high:.0%})"
