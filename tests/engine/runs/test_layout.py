"""The layout of a stage's views travels with its record."""

import json

import pytest

from engine import Recipe, plan
from engine.recipe.recall import recall
from engine.runs import layout
from tests.support.planning import make_facts, small_recipe
from tests.support.run_results import run_with_cache, stage_done_events

PLANNED = plan(Recipe(scales=(1, 2), width=2048, height=1536), make_facts())


@pytest.mark.parametrize("number", [1, 2])
def test_a_layout_survives_json(number):
    made = layout.stage_layout(PLANNED, number)
    assert layout.from_dict(json.loads(json.dumps(layout.to_dict(made)))) == made


def test_a_layout_holds_what_the_plan_says():
    stage, made = PLANNED.stages[1], layout.stage_layout(PLANNED, 2)
    assert (made.stage_count, made.canvas, made.dilation) == (2, (stage.rows, stage.cols), stage.dilation)
    assert (made.window, made.grid) == (stage.window, stage.window_grid)
    assert made.window_count == stage.window_count > 1


@pytest.mark.parametrize("values", [None, [], "x", {}, {"grid": 3}, {"grid": [[0], [0]], "stage_count": "x"}])
def test_what_is_no_layout_is_none(values):
    assert layout.from_dict(values) is None


def test_the_record_of_a_finished_stage_holds_its_layout(model, tmp_path):
    planned = plan(small_recipe(), model.facts)
    for number, stage in enumerate(stage_done_events(run_with_cache(small_recipe(), model, tmp_path)), 1):
        recorded = layout.from_dict(recall(stage.image).record["layout"])
        assert recorded == layout.stage_layout(planned, number)
