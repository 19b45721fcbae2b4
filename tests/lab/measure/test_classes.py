"""Measurements of drawn pictures by subject, ground and sky."""

import json

import numpy as np
import pytest

from engine.paths import ASSETS
from lab.measure import classes
from lab.measure.base_quality import scene_prompts
from lab.measure.classes import ALL, PLACED, VAE, Result, Seen, choose_classes, choose_samples, measure_set
from lab.measure.features import fit_scaling
from lab.world.scenes import held_out_scenes, render
from lab.world.subjects import SUBJECTS


def test_the_first_held_out_scenes_of_every_subject_are_chosen():
    samples, scenes = choose_samples(2), held_out_scenes(100)
    assert sorted(one.scene.subject for one in samples) == sorted(2 * list(SUBJECTS))
    assert [one.scene for one in samples] == [scenes[one.number] for one in samples]
    assert [one.prompt for one in samples] == [scene_prompts(scenes)[one.number] for one in samples]
    assert samples[0].number == 0


def test_a_scene_is_placed_otherwise_by_the_same_words():
    for sample in choose_samples(1):
        other = classes.place_otherwise(sample)
        for field in ("subject", "colour", "ground", "sky"):
            assert getattr(other, field) == getattr(sample.scene, field)
        assert other.across != sample.scene.across


def seen(pictures=12, seed=0, shift=0.0, each=2):
    """What is seen in random pictures: every third one has a wrong subject, and every fourth one no subject."""
    draw, places = np.random.RandomState(seed), np.arange(pictures)
    right = {head: np.ones(pictures, bool) for head in ("colour", "ground", "sky")}
    return Seen(
        {"subject": places % 3 > 0} | right,
        np.where(places % 4 > 0, 1, 0),
        np.full(pictures, 2.0 + shift),
        {"net": draw.standard_normal((each * pictures, 6)) + shift},
    )


def test_shares_slopes_and_distances_are_those_of_the_chosen_pictures():
    true, made = seen(), seen(shift=1)
    scalings = {"net": fit_scaling(true.features["net"])}
    one = measure_set(made, true, scalings, np.array([0, 1, 2, 4]))
    assert (one.pictures, one.hits("subject"), one.hits("sky")) == (4, 3, 4)
    assert (one.hits("none"), one.hits("one"), one.hits("more")) == (2, 2, 0)
    assert one.slopes == pytest.approx(1.5)
    assert one.kernel["net"].value > 0.5
    assert len(one.kernel["net"].left_out) == 4


def test_the_truth_has_the_distance_zero_to_itself():
    true = seen()
    one = measure_set(true, true, {"net": fit_scaling(true.features["net"])}, np.arange(12))
    assert one.kernel["net"].value == pytest.approx(0, abs=1e-12)


def test_every_sample_belongs_to_one_subject_ground_and_sky():
    samples = choose_samples(10)
    chosen = dict(choose_classes(samples))
    assert len(chosen.pop(ALL)) == len(samples) == 120
    assert len(chosen) == 24
    assert sum(map(len, chosen.values())) == 3 * len(samples)
    assert [samples[k].scene.subject for k in chosen["cat"]] == ["cat"] * 10


def test_classes_of_few_samples_are_left_out():
    samples = choose_samples(2)
    chosen = dict(choose_classes(samples))
    assert "cat" not in chosen
    assert min(map(len, chosen.values())) >= 5


def result():
    """The numbers of two sets of drawn pictures, of which the second one is nearer to the truth."""
    true = seen()
    scalings, chosen = {"net": fit_scaling(true.features["net"])}, np.arange(12)
    sets = {"drawn, a": seen(shift=1), "drawn, b": seen(shift=0.1), PLACED: true}
    return Result(
        "base", {title: {ALL: measure_set(made, true, scalings, chosen)} for title, made in sets.items()}
    )


def test_other_models_are_compared_with_the_first_one():
    text = classes.report(result())
    difference = text.split("drawn, b minus drawn, a")[1].splitlines()[2]
    cells = difference.split(" | ")
    assert cells[2] == "+0 (+0 to +0)"
    assert cells[-1].startswith("-")
    assert PLACED + " minus" not in text


def test_the_json_has_a_row_for_each_set_and_class():
    rows = json.loads(json.dumps(result().to_json()))["rows"]
    assert [(row["set"], row["class"]) for row in rows] == [(title, ALL) for title in result().sets]
    assert rows[0]["pictures"] == 12
    assert rows[0]["subject"] == 8
    value, low, high = rows[0]["kernel"]["net"]
    assert low < value < high


@pytest.mark.slow
def test_true_pictures_are_near_the_truth_and_worn_ones_farther(monkeypatch):
    def draw(model, samples, way):
        return [render(one.scene, (way.side, way.side)) // 2 for one in samples]

    monkeypatch.setattr(classes, "draw", draw)
    made = classes.measure_all([ASSETS / "postcards"], "windows", 1)
    dark, vae, placed = (classes_of[ALL] for classes_of in made.sets.values())
    assert list(made.sets)[1:] == [VAE, PLACED]
    # EfficientNet-Lite0's features hardly depend on the brightness.
    for name in ("judge", "judge, crops"):
        assert dark.kernel[name].value > 2 * abs(vae.kernel[name].value)
    assert placed.hits("subject") == placed.pictures == 12
