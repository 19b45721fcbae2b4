"""The README: its front matter for Spaces, commands, examples, and the requirements it names."""

import importlib.metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def front_matter():
    """The README's front matter, which Hugging Face Spaces reads."""
    return yaml.safe_load(README.split("---\n")[1])


def requirements(name):
    """Read a file of requirements."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_the_front_matter_is_valid_for_spaces(front_matter):
    assert front_matter["sdk"] == "gradio"
    assert front_matter["python_version"] == "3.12"
    assert front_matter["app_file"] == "app.py"
    assert front_matter["license"] == "apache-2.0"
    assert len(front_matter["short_description"]) <= 60
    assert front_matter["tags"]
    assert front_matter["models"]
    for end in ("colorFrom", "colorTo"):
        assert front_matter[end] in ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")


def test_the_gradio_of_spaces_is_one_that_the_requirements_allow(front_matter):
    (gradio,) = (r for r in requirements("requirements.txt") if r.name == "gradio")
    assert gradio.specifier.contains(front_matter["sdk_version"])


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-extra.txt", "tests/requirements.txt"])
def test_every_requirement_has_an_upper_bound_and_is_met_here(name):
    for requirement in requirements(name):
        assert any(s.operator == "<" for s in requirement.specifier), requirement
        assert requirement.specifier.contains(importlib.metadata.version(requirement.name)), requirement


def test_only_one_opencv_is_installed():
    names = {dist.metadata["Name"].lower() for dist in importlib.metadata.distributions()}
    assert len([name for name in names if name.startswith("opencv")]) == 1


def test_two_commands_each_make_their_own_environment():
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv .venv && ")]
    assert len(commands) == 2
    assert commands[1].endswith("-m pytest")


def example(word):
    """Return the only Python example of the README that contains this word."""
    (found,) = (
        part.split("```")[0] for part in README.split("```python\n")[1:] if word in part.split("```")[0]
    )
    return found


def test_the_example_of_the_endpoints_works(running_app, capsys):
    exec(
        example("gradio_client").replace("http://127.0.0.1:7860", running_app.url).replace("[1, 2]", "[1]"),
        {},
    )
    kinds = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line[:1].isupper()]
    assert "StageDone" in kinds
    assert kinds[-1] == "Finished"


def test_the_example_of_the_engine_works(tiny_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = example("load_model").replace("assets/postcards", str(tiny_folder))
    exec(code.replace("scales=(1, 2)", "scales=(1, 2), steps=4"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(") ")[0] for line in lines] == ["(128, 128", "(256, 256"]
    assert all(Path(line.split(") ")[1]).is_file() for line in lines)


def test_the_licence_is_apache():
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
