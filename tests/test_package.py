"""The package's metadata, and the wheel that is built from it."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import engine
from engine.paths import ROOT

PICTURE = """
from pathlib import Path
import engine
from engine.catalogue.entries import model_entries
(postcards,) = (entry for entry in model_entries() if entry.name == "postcards")
recipe = engine.Recipe(prompt="a red house on snow at night", steps=4, scales=(1,))
*_, last = engine.generate(recipe, engine.load_model(postcards.source, "cpu"), out="runs")
print(engine.__file__, last, sep="\\n")
"""


def project():
    """Return the table [project] of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements(file):
    """Return the requirements in a file, without comments."""
    lines = (ROOT / file).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_package_needs_what_requirements_txt_names():
    assert project()["dependencies"] == requirements("requirements.txt")


def test_the_installed_wheel_makes_a_picture(tmp_path):
    def run(*command, **options):
        return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout

    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"demofusion_studio-{engine.__version__}-py3-none-any.whl"
    site = tmp_path / "site"
    run(*pip, "install", "--no-deps", "--no-compile", "--target", site, wheel)
    printed = run(sys.executable, "-c", PICTURE, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(site)})
    package, last = printed.splitlines()[-2:]
    assert Path(package).is_relative_to(site)
    assert last.startswith("Finished(")
    assert list(tmp_path.glob("runs/*/stage-1-*/picture.png"))
