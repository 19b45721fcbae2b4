"""Estimates of a run's duration, learned from finished stages."""

from dataclasses import replace

import pytest

from engine import Recipe, generate, plan
from engine.planning import cost
from engine.runs.pace import Pace
from tests.support.planning import make_facts, small_recipe, total_cost

FACTS = make_facts(device="some card", dtype="float16", name="mine")


def stages(model=FACTS, **changes):
    return plan(Recipe(**{"scales": (1, 2), "steps": 20} | changes), model).stages


def test_without_a_finished_stage_there_is_no_estimate(tmp_path):
    assert Pace(tmp_path / "nowhere").estimate(stages()) is None
    assert Pace(tmp_path).estimate_each(stages()) == (None, None)


def test_a_plan_without_stages_takes_no_time(tmp_path):
    assert Pace(tmp_path).estimate(()) == 0


def test_a_finished_stage_gives_estimates_of_others_by_their_tile_areas(tmp_path):
    pace, (first, second) = Pace(tmp_path), stages()
    pace.learn(first, 4.0)
    assert pace.estimate([first]) == pytest.approx(4)
    assert Pace(tmp_path).estimate([second]) == pytest.approx(
        4 * cost.tile_areas(second) / cost.tile_areas(first)
    )


def test_newer_stages_have_more_weight_than_older_ones(tmp_path):
    pace, (first, _) = Pace(tmp_path), stages()
    pace.learn(first, 1.0)
    pace.learn(first, 3.0)
    assert 1 < pace.estimate([first]) < 3
    for _ in range(20):
        pace.learn(first, 3.0)
    assert pace.estimate([first]) == pytest.approx(3, rel=0.01)


def test_the_range_of_a_stage_is_that_of_the_last_five_of_its_shape(tmp_path):
    pace, (first, second) = Pace(tmp_path), stages()
    for seconds in (50.0, 4.0, 9.0, 5.0, 6.0, 7.0):
        pace.learn(first, seconds)
    assert pace.estimate_range([first]) == (4, 9)
    assert pace.estimate([first]) == 6
    assert Pace(tmp_path).estimate_range([first, first]) == (8, 18)
    # Of the second stage's shape nothing is known, so that its range is a single estimate.
    low, high = pace.estimate_range([second])
    assert low == high == pace.estimate([second])
    assert pace.estimate_range(stages(replace(FACTS, device="another"))) is None


def test_stages_of_other_work_have_ranges_of_their_own(tmp_path):
    pace, (first, _) = Pace(tmp_path), stages()
    pace.learn(first, 4.0)
    longer, _ = stages(steps=40)
    low, high = pace.estimate_range([longer])
    assert low == high == pytest.approx(8, rel=0.2)


@pytest.mark.parametrize("other", [{"device": "another"}, {"dtype": "float32"}, {"name": "theirs"}])
def test_each_machine_model_and_format_has_a_pace_of_its_own(other, tmp_path):
    pace = Pace(tmp_path)
    pace.learn(stages()[0], 4.0)
    assert pace.estimate(stages(replace(FACTS, **other))) is None


def test_known_devices_have_estimates_from_published_timings(tmp_path):
    card = replace(FACTS, device="NVIDIA GeForce RTX 3090", name="sdxl")
    published = plan(Recipe(faithful=True, width=2048, height=2048, steps=50, scheduler="ddim"), card)
    assert total_cost(cost.tile_areas, published) == 1400
    assert Pace(tmp_path).estimate(published.stages) == pytest.approx(180, rel=0.05)


def test_timings_of_a_large_model_give_no_estimate_for_a_small_one(tmp_path):
    card = replace(FACTS, device="NVIDIA GeForce RTX 3090", window=32)
    assert Pace(tmp_path).estimate(stages(card)) is None


@pytest.mark.parametrize("text", ["", "[]", "null", '{"x": "y"}', '{"x": -1}', "{"])
def test_a_damaged_file_is_ignored_and_replaced(text, tmp_path):
    path = Pace(tmp_path).path
    path.parent.mkdir()
    path.write_text(text)
    assert Pace(tmp_path).estimate(stages()) is None
    Pace(tmp_path).learn(stages()[0], 4.0)
    assert Pace(tmp_path).estimate(stages()[:1]) == pytest.approx(4)


def test_a_file_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    Pace(tmp_path / "file").learn(stages()[0], 4.0)


def test_a_run_records_its_pace(model, tmp_path):
    recipe = small_recipe()
    assert Pace(tmp_path).estimate(plan(recipe, model.facts).stages) is None
    for _ in generate(recipe, model, out=tmp_path):
        pass
    assert Pace(tmp_path).estimate(plan(recipe, model.facts).stages) > 0
