"""What standard error shows of a run."""

import sys

from engine import generate
from engine.command_line.progress import ProgressDisplay
from tests.support.planning import small_recipe


def shown(recipe, model, out, capsys, **more):
    """Return what is printed on standard error during a run."""
    display = ProgressDisplay(**more)
    for event in generate(recipe, model, out=out):
        display.show(event)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_a_file_gets_a_line_for_each_stage(model, tmp_path, capsys):
    first, second = shown(small_recipe(steps=4), model, tmp_path, capsys).splitlines()
    assert first.startswith("Stage 1 of 2, 128 x 128 px: made in ")
    assert second.startswith("Stage 2 of 2, 256 x 256 px: made in ")


def test_a_terminal_gets_a_bar_for_each_stage_that_ends_full(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "110")
    lines = shown(small_recipe(steps=4, enlarge="lanczos"), model, tmp_path, capsys).split("\n")
    last = [line.split("\r")[-1] for line in lines if "Stage" in line]
    # The second stage has a bar for its enlargement too.
    assert [line.split(" |")[0] for line in last] == [
        "Stage 1 of 2, 128 x 128 px",
        "Stage 2 of 2, 256 x 256 px",
        "Stage 2 of 2, 256 x 256 px",
    ]
    assert all("100%" in line for line in last)
    assert "step 4 of 4" in last[0]


def test_settings_without_effect_are_named_as_options(model, tmp_path, capsys):
    recipe = small_recipe(scales=(1,), view_batch=1, options={"bent_until": 0.5})
    assert "--bent-until" in shown(recipe, model, tmp_path, capsys)


def test_a_quiet_display_prints_nothing(model, tmp_path, capsys):
    recipe = small_recipe(scales=(1,), options={"bent_until": 0.5})
    assert shown(recipe, model, tmp_path, capsys, quiet=True) == ""
