"""The measures of the table find artefacts that are added to true pictures, and rows are kept."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from lab.judge.judge import load_judge
from lab.measure.distances import Estimate
from lab.measure.features import JUDGE, feature_functions, fit_scaling
from lab.measure.table.command import format_table, load_or_make_row, measure, time_row
from lab.measure.table.observe import FEATURES, Grid, observe
from lab.world.scenes import draw_scene, half_sides, held_out_scenes, place_subject, render

POSTCARDS = Path("assets/postcards")
SIZE = (512, 512)
# The lines between tiles of 128 px.
LINES = (128, 256, 384)


def blurred(picture):
    return cv2.GaussianBlur(picture, (0, 0), 2)


def noisy(picture):
    return add(picture, 8 * np.random.RandomState(0).standard_normal(picture.shape))


def tiled(picture):
    """Give every tile of 128 px another brightness."""
    return add(
        picture,
        np.kron(12 * np.random.RandomState(1).standard_normal((4, 4)), np.ones((128, 128)))[..., None],
    )


def add(picture, difference):
    return np.clip(picture + difference, 0, 255).astype(np.uint8)


def repeated(scene):
    """Draw the scene with its subject twice."""
    figure = place_subject(scene, half_sides(SIZE))
    twice = [
        replace(figure, foot=(figure.foot[0] + dx, figure.foot[1]), height=0.6 * figure.height)
        for dx in (-0.3, 0.3)
    ]
    return draw_scene(scene, tuple(twice), SIZE)


def measure_faults(count, networks):
    """Measure true pictures with each of the faults, by the name of the fault."""
    scenes = held_out_scenes(count)
    true = [render(scene, SIZE) for scene in scenes]
    sets = {"none": true, "repeated": [repeated(scene) for scene in scenes]}
    sets |= {change.__name__: [change(picture) for picture in true] for change in (blurred, noisy, tiled)}
    judge, functions = load_judge(POSTCARDS), feature_functions(POSTCARDS)
    functions = {name: functions[name] for name in networks(functions)}
    seen = {
        name: observe(pictures, [None] * count, scenes, Grid(LINES, LINES, 16), judge, functions)
        for name, pictures in sets.items()
    }
    scalings = {
        name: fit_scaling(values.reshape(-1, values.shape[-1]).astype(float))
        for name, values in seen["none"].items()
        if name.startswith(FEATURES)
    }
    return {name: measure(each, seen["none"], scalings) for name, each in seen.items()}


@pytest.fixture(scope="module")
def faults():
    return measure_faults(5, lambda functions: [JUDGE])


def is_worse(faults, fault, name, sign):
    """Return whether a measure is surely more (sign 1) or less (sign -1) than that of the true pictures."""
    difference = faults[fault][name] - faults["none"][name]
    return sign * difference.value > 0 and difference.excludes_zero


FOUND = [
    ("blurred", "kernel of crops, judge", 1),
    ("blurred", "sharpness", -1),
    ("noisy", "kernel of crops, judge", 1),
    ("noisy", "sharpness", 1),
    ("tiled", "seam", 1),
    ("repeated", "one", -1),
    ("repeated", "more", 1),
    ("repeated", "kernel of whole, judge", 1),
]


@pytest.mark.parametrize(("fault", "name", "sign"), FOUND)
def test_the_measures_find_a_fault_of_true_pictures(fault, name, sign, faults):
    assert is_worse(faults, fault, name, sign)


def test_true_pictures_are_perfect(faults):
    perfect = {name: estimate.value for name, estimate in faults["none"].items()}
    assert perfect["kernel of crops, judge"] == pytest.approx(0, abs=1e-12)
    assert perfect["frechet of crops, judge"] == pytest.approx(0, abs=1e-6)
    assert (perfect["sharpness"], perfect["subject"], perfect["one"], perfect["more"]) == (1, 1, 1, 0)


@pytest.mark.slow
def test_both_networks_find_the_faults_of_more_pictures():
    faults = measure_faults(24, list)
    networks = {
        name.removeprefix("kernel of crops, ")
        for name in faults["none"]
        if name.startswith("kernel of crops")
    }
    for network in networks:
        # The judge learned to overlook brightness, so only the seam index and the other network see the tiles.
        for fault in ("blurred", "noisy", "repeated", *(["tiled"] if network != JUDGE else [])):
            assert is_worse(faults, fault, f"kernel of crops, {network}", 1), (fault, network)
    for fault, name, sign in FOUND:
        assert is_worse(faults, fault, name, sign), (fault, name)


def row(name, subject, low=0.0, high=0.0):
    """Make a row with one measure."""
    differences = {} if name == "ours" else {"subject": [0.0, low, high]}
    return {
        "name": name, "title": name.title(), "prompts": 24, "evaluations": 30,
        "measures": {"subject": [subject, subject - 0.1, subject + 0.1]}, "difference_to_ours": differences,
    }  # fmt: skip


def test_the_best_number_is_bold_even_where_it_is_not_ours():
    rows = [row("true-vae", 1.0), row("direct", 0.9, 0.05, 0.15), row("ours", 0.8)]
    lines = format_table(rows, "512").splitlines()
    cells = [line.split("|")[6].strip() for line in lines]
    assert cells == ["subject % ↑", "---", "100", "**90** (+5 to +15)", "80"]


def test_a_row_with_the_same_key_is_not_measured_again(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr("lab.measure.table.command.row_key", lambda bench, name: bench.row_key)
    monkeypatch.setattr(
        "lab.measure.table.command.make_row",
        lambda bench, name: made.append(name) or {"key": bench.row_key, "name": name},
    )
    first, other = (SimpleNamespace(size_name="512", seed=0, row_key=key) for key in ("a", "b"))
    assert load_or_make_row(first, "ours", tmp_path) == load_or_make_row(first, "ours", tmp_path)
    assert made == ["ours"]
    assert load_or_make_row(other, "ours", tmp_path)["key"] == "b"
    assert made == ["ours", "ours"]
    assert json.loads((tmp_path / "512-ours.json").read_text())["key"] == "b"


def test_only_the_seconds_of_a_row_are_measured_again(tmp_path):
    bench = SimpleNamespace(size_name="512", seed=0, seconds_ratio=lambda name: 2.346)
    file = tmp_path / "512-ours.json"
    file.write_text(json.dumps({"title": "Ours", "key": "a", "seconds_of_base": 9.0}))
    for name in ("ours", "direct", "true-vae"):
        time_row(bench, name, tmp_path)
    assert json.loads(file.read_text()) == {"title": "Ours", "key": "a", "seconds_of_base": 2.35}
    assert list(tmp_path.iterdir()) == [file]


def test_a_difference_of_equal_rows_is_zero(faults):
    zero = faults["noisy"]["sharpness"] - faults["noisy"]["sharpness"]
    assert isinstance(zero, Estimate)
    assert (zero.value, zero.interval) == (0, (0, 0))
