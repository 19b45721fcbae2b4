"""The page's scripts are checked by TypeScript, which also finds a name that a module does not import."""

import os
import re
import shutil
import subprocess

import pytest

from engine.paths import ROOT
from ui.panels.stages import WEB_FOLDER

# The version is exact, so that npm need not look for a newer one.
TYPESCRIPT = "typescript@5.9.3"
SCRIPTS = sorted(WEB_FOLDER.rglob("*.js"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npx") is None, reason="npm is not installed (Debian's package: npm)")
def test_typescript_finds_no_error():
    command = ["npx", "--yes", "--package", TYPESCRIPT, "tsc", "--project", "tsconfig.json"]
    environment = os.environ | {"npm_config_prefer_offline": "true"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if "npm error" in done.stderr:
        pytest.skip(f"npm cannot install {TYPESCRIPT}: {done.stderr.splitlines()[0]}")
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_part_of_a_script_is_left_unchecked(script):
    text = script.read_text(encoding="utf-8")
    assert text.startswith("// @ts-check\n")
    assert not re.search(r"@ts-(ignore|expect-error|nocheck)|\{[^{}\n]*\bany\b[^{}\n]*\}", text)
