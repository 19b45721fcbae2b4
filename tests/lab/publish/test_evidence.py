"""Tables in Markdown files are made from the measured rows."""

import json

import pytest

from lab.publish.evidence import FILES, fill_tables, load_rows


@pytest.fixture
def rows(tmp_path):
    """A folder with two rows of one size."""
    folder = tmp_path / "table"
    folder.mkdir()
    for name, subject in (("ours", 0.75), ("direct", 0.5)):
        row = {
            "name": name, "title": name.title(), "prompts": 48, "difference_to_ours": {}, "evaluations": 30,
            "measures": {"subject": [subject, 0, 1], "sharpness": [1, 1, 1]},
        }  # fmt: skip
        (folder / f"512-{name}.json").write_text(json.dumps(row))
    return folder


def test_rows_have_the_order_of_the_presets(rows):
    assert [row["name"] for row in load_rows("512", rows)] == ["direct", "ours"]


def test_a_table_is_replaced_and_the_text_around_it_stays(rows):
    text = "Before.\n<!-- table 512 -->\nold\n<!-- end of table -->\nAfter.\n"
    filled = fill_tables(text, rows)
    assert filled.startswith("Before.\n<!-- table 512 -->\n| 512 px, 48 prompts |")
    assert filled.endswith("\n<!-- end of table -->\nAfter.\n")
    assert "old" not in filled
    assert "| **75** |" in filled
    assert "| 1.00 |" in filled
    assert fill_tables(filled, rows) == filled


def test_a_short_table_leaves_out_the_rows_of_ours_without_a_part(rows):
    row = json.loads((rows / "512-ours.json").read_text()) | {"name": "no-dilated", "title": "Without"}
    (rows / "512-no-dilated.json").write_text(json.dumps(row))
    assert "Without" in fill_tables("<!-- table 512 -->\n<!-- end of table -->", rows)
    assert "Without" not in fill_tables("<!-- table 512 short -->\n<!-- end of table -->", rows)


def test_a_short_table_has_the_main_columns_only(rows):
    filled = fill_tables("<!-- table 512 short -->\n<!-- end of table -->", rows)
    assert "subject %" in filled
    assert "sharpness" not in filled


def test_a_table_of_other_settings_begins_with_ours(rows):
    screened = rows.parent / "screening"
    screened.mkdir()
    for name in ("ours+alpha2=3", "ours"):
        row = json.loads((rows / "512-ours.json").read_text()) | {"name": name, "title": name}
        (screened / f"512-{name}.json").write_text(json.dumps(row))
    lines = fill_tables("<!-- table 512 screening -->\n<!-- end of table -->", rows).splitlines()
    assert [line.split(" | ")[0] for line in lines[3:-1]] == ["| ours", "| ours+alpha2=3"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_tables_of_the_documentation_are_those_of_the_rows(file):
    text = file.read_text(encoding="utf-8")
    assert fill_tables(text) == text
