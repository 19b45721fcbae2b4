"""Fills the tables of README.md and docs/evidence.md from the rows in lab/figures.

A table stands between two comments, of which the first names it: <!-- table 1024 --> and <!-- end of table -->.
"short" after the size leaves out the rows of ours without one of its parts, and all but the main columns; "screening"
shows the rows of other settings of ours.

python -m lab.publish.evidence
"""

import json
import re
from pathlib import Path
from typing import Any

from engine.paths import ROOT
from lab.measure.table.markdown import COLUMNS, MAIN_MEASURES, format_table
from lab.measure.table.presets import ABLATIONS, FLOORS, OURS, PRESETS

# The folder of the rows of the table of methods, and the files that show them.
ROWS = ROOT / "lab/figures/table"
FILES = (ROOT / "README.md", ROOT / "docs/evidence.md")
# The folder, beside that of the rows, of the rows of other settings of ours.
SCREENING = "screening"
TABLE = re.compile(rf"(<!-- table (\S+)( short| {SCREENING})? -->\n).*?(<!-- end of table -->)", re.DOTALL)


def load_rows(size_name: str, folder: Path = ROWS) -> list[dict[str, Any]]:
    """Return the measured rows of a size, in the order of the presets."""
    files = (folder / f"{size_name}-{name}.json" for name in (*FLOORS, *PRESETS))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()]


def load_screened(size_name: str, folder: Path) -> list[dict[str, Any]]:
    """Return the rows of other settings of ours at a size: ours first, then by name."""
    rows = [json.loads(file.read_text(encoding="utf-8")) for file in folder.glob(f"{size_name}-{OURS}*.json")]
    return sorted(rows, key=lambda row: (row["name"] != OURS, row["name"]))


def fill_tables(text: str, folder: Path = ROWS) -> str:
    """Return the text of a Markdown file with all its tables made anew from the rows."""

    def fill_one(match: re.Match[str]) -> str:
        start, size_name, kind, end = match.groups()
        is_short, is_screening = (kind == f" {each}" for each in ("short", SCREENING))
        columns = [column for column in COLUMNS if not is_short or column.measure in MAIN_MEASURES]
        screened = folder.parent / SCREENING
        rows = load_screened(size_name, screened) if is_screening else load_rows(size_name, folder)
        if is_short:
            rows = [row for row in rows if row["name"] not in ABLATIONS]
        return f"{start}{format_table(rows, size_name, columns)}\n{end}"

    return TABLE.sub(fill_one, text)


def main() -> None:
    for file in FILES:
        file.write_text(fill_tables(file.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
