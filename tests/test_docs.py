"""The documents: their links, their length, and the examples that they show."""

import re
from pathlib import Path

import pytest

from engine import errors
from engine.paths import ROOT
from tests.support.loras import save_lora

# The longest README.md, in lines.
MAX_README_LINES = 190
# The folders whose Markdown files are not documents of the project.
OTHER_FOLDERS = {".venv", "node_modules", "runs"}
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if not OTHER_FOLDERS & set(path.relative_to(ROOT).parts)
)


def document_name(path):
    """Return the path of a document relative to the project."""
    return str(path.relative_to(ROOT))


def without_code(text):
    """Return a Markdown text without its blocks of code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)


def heading_anchors(text):
    """Return the anchors of all headings in a Markdown text, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code(text), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short():
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") < MAX_README_LINES


@pytest.mark.parametrize("document", DOCUMENTS, ids=document_name)
def test_links_and_pictures_within_the_project_exist(document):
    text = without_code(document.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        if anchor:
            assert anchor in heading_anchors(file.read_text(encoding="utf-8")), target


def python_examples(name):
    """Return the Python examples of a document in docs, in order."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.S)


@pytest.mark.slow
@pytest.mark.usefixtures("controlnet_kinds")
def test_the_examples_of_the_library_work(tiny_folder, photo, tmp_path, monkeypatch, capsys):
    save_lora(tiny_folder, tmp_path)
    Path(photo).rename(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    names = {}
    for example in python_examples("library.md"):
        exec(example.replace("assets/postcards", str(tiny_folder)).replace("steps=8", "steps=4"), names)
    printed = capsys.readouterr().out
    assert errors.OUT_OF_RANGE.format(field="guidance", value=99, low=1, high=15) in printed
    assert "[1, 2] Finished(stage=3)" in printed
    assert "a blue house on snow at night" in printed
    assert "Failed" not in printed
