"""Events can be pickled, the plan in Accepted included."""

import pickle

from engine import Accepted
from tests.support.planning import small_recipe
from tests.support.run_results import run_with_cache


def test_all_events_of_a_run_can_be_pickled(model, tmp_path):
    events = run_with_cache(small_recipe(), model, tmp_path)
    assert pickle.loads(pickle.dumps(events)) == events


def test_an_accepted_run_carries_its_plan(model, tmp_path):
    accepted = run_with_cache(small_recipe(), model, tmp_path)[0]
    read = pickle.loads(pickle.dumps(accepted))
    assert isinstance(read, Accepted)
    assert read.plan.recipe == accepted.recipe
    assert [(stage.scale, stage.size) for stage in read.plan.stages] == list(accepted.stages)
    assert read.plan.evaluations == accepted.plan.evaluations == accepted.evaluations
