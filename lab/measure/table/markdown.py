"""Prints rows of the table of methods as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.measure.table.presets import FLOORS
from lab.measure.tables import Row, table


@dataclass(frozen=True)
class Column:
    """A column of the printed table."""

    # The name of the measure.
    measure: str
    # How it is printed: the factor, the number of decimals and the unit.
    factor: float
    decimals: int
    # 1 if more is better, -1 if less is better, 0 if neither is.
    better: int
    title: str


COLUMNS = (
    Column("kernel of crops, judge", 1000, 1, -1, "kernel on crops × 1000 (judge)"),
    Column("kernel of crops, EfficientNet-Lite0", 1000, 1, -1, "kernel on crops × 1000 (EfficientNet-Lite0)"),
    Column("kernel of whole, judge", 1000, 1, -1, "kernel on pictures × 1000 (judge)"),
    Column("frechet of crops, judge", 1, 1, -1, "Frechet on crops (judge)"),
    Column("subject", 100, 0, 1, "subject %"),
    Column("one", 100, 0, 1, "one subject %"),
    Column("sharpness", 1, 2, 0, "sharpness"),
    Column("agreement", 1, 1, 0, "agreement with base, dB"),
    Column("seam", 1, 2, 0, "seam index"),
    Column("grid", 1, 2, 0, "grid power"),
)
# What is printed after a title by Column.better.
ARROWS = {1: " ↑", 0: "", -1: " ↓"}
# The columns of the short table in README.
MAIN_MEASURES = (
    "kernel of crops, judge",
    "kernel of crops, EfficientNet-Lite0",
    "subject",
    "one",
    "seam",
)


def format_table(rows: Sequence[dict[str, Any]], size_name: str, columns: Sequence[Column] = COLUMNS) -> str:
    """Return rows as a Markdown table. The best number of a column is bold, true pictures apart.

    A row of another number of prompts than the first one says so.
    """
    best = {column.measure: _best(column, rows) for column in columns}
    lines, count = [], rows[0]["prompts"] if rows else 0
    for row in rows:
        cells = [_cell(column, row, best[column.measure]) for column in columns]
        costs = (row.get("evaluations", ""), row.get("tile_areas", ""), row.get("seconds_of_base", ""))
        title = row["title"] if row["prompts"] == count else f"{row['title']} ({row['prompts']} prompts)"
        lines.append(Row(title, *cells, *costs))
    head = (f"{size_name} px, {count} prompts", *(column.title + ARROWS[column.better] for column in columns))
    return table(lines, (*head, "evaluations", "tile areas", "seconds, of a base"))


def _best(column: Column, rows: Sequence[dict[str, Any]]) -> float | None:
    """Return the best printed number of a column among the methods; None if no number is better than another."""
    values = [
        row["measures"][column.measure][0]
        for row in rows
        if row["name"] not in FLOORS and column.measure in row["measures"]
    ]
    if not column.better or not values:
        return None
    return round(max(values, key=lambda value: column.better * value) * column.factor, column.decimals)


def _cell(column: Column, row: dict[str, Any], best: float | None) -> str:
    """Return a cell: the number, and the interval of a method's difference to the row "ours" if it excludes 0."""
    if column.measure not in row["measures"]:
        return ""
    value = round(row["measures"][column.measure][0] * column.factor, column.decimals)
    text = f"{value:.{column.decimals}f}"
    if row["name"] in FLOORS:
        return text
    if value == best:
        text = f"**{text}**"
    _, low, high = row["difference_to_ours"].get(column.measure, (0.0, 0.0, 0.0))
    if low > 0 or high < 0:
        low, high = (f"{end * column.factor:+.{column.decimals}f}" for end in (low, high))
        text += f" ({low} to {high})"
    return text
