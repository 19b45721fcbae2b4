"""Fills the tables of README.md and docs/evidence.md from the rows in lab/figures.

A table stands between two comments, of which the first names it: <!-- table 1024 --> and <!-- end of table -->.
"short" after the size leaves all but the main columns out.

python -m lab.publish.evidence
"""

import json
import re
from pathlib import Path
from typing import Any

from engine.paths import ROOT
from lab.measure.table.markdown import COLUMNS, MAIN_MEASURES, format_table
from lab.measure.table.presets import FLOORS, PRESETS

# The folder of the rows of the table of methods, and the files that show them.
ROWS = ROOT / "lab/figures/table"
FILES = (ROOT / "README.md", ROOT / "docs/evidence.md")
TABLE = re.compile(r"(<!-- table (\S+)( short)? -->\n).*?(<!-- end of table -->)", re.DOTALL)


def load_rows(size_name: str, folder: Path = ROWS) -> list[dict[str, Any]]:
    """Return the measured rows of a size, in the order of the presets."""
    files = (folder / f"{size_name}-{name}.json" for name in (*FLOORS, *PRESETS))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()]


def fill_tables(text: str, folder: Path = ROWS) -> str:
    """Return the text of a Markdown file with all its tables made anew from the rows."""

    def fill_one(match: re.Match[str]) -> str:
        start, size_name, short, end = match.groups()
        columns = [column for column in COLUMNS if not short or column.measure in MAIN_MEASURES]
        return f"{start}{format_table(load_rows(size_name, folder), size_name, columns)}\n{end}"

    return TABLE.sub(fill_one, text)


def main() -> None:
    for file in FILES:
        file.write_text(fill_tables(file.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
