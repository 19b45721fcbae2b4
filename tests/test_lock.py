"""The lock file pins what the requirements ask for, each with hashes and from no named server."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
# A pinned requirement, and the lines with its hashes.
PINNED = re.compile(r"^([a-z][^\n]*?) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M)


@pytest.mark.parametrize("name", ["requirements.txt", "tests/requirements.txt"])
def test_every_requirement_is_pinned_to_a_version_that_it_allows(name):
    pinned = [Requirement(requirement) for requirement, _ in PINNED.findall(LOCK)]
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    for required in [Requirement(line) for line in lines if line and not line.startswith("#")]:
        versions = [str(each.specifier).removeprefix("==") for each in pinned if each.name == required.name]
        assert versions, required
        assert all(required.specifier.contains(version) for version in versions), required


def test_everything_has_hashes_and_nothing_else_is_in_the_file():
    rest = [line for line in PINNED.sub("", LOCK).splitlines() if not line.startswith("#")]
    assert rest == []
    assert "://" not in LOCK
