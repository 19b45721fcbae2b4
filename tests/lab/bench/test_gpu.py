"""What the benchmarks on a GPU run; the runs themselves need one."""

import pytest

from engine import plan
from engine.catalogue.entries import model_entries
from lab.bench.gpu import PUBLISHED, SIZES, recipes_of_size
from tests.support.planning import make_facts

SDXL = make_facts(defaults=next(entry.defaults for entry in model_entries() if entry.name == "sdxl"))


@pytest.mark.parametrize("size", SIZES)
def test_each_size_is_drawn_with_every_preset_and_as_published(size):
    plans = {name: plan(recipe, SDXL) for name, recipe in recipes_of_size(size, SDXL).items()}
    assert list(plans) == ["draft", "standard", "fine", PUBLISHED]
    evaluations = [each.evaluations for each in plans.values()]
    assert evaluations == sorted(set(evaluations))
    assert {each.stages[-1].size for each in plans.values()} == {size[::-1]}


def test_the_published_method_has_its_own_number_of_evaluations():
    # 50 steps with and without the prompt: the base, then windows and dilated views at 2048, 3072 and 4096 px.
    recipe = recipes_of_size((4096, 4096), SDXL)[PUBLISHED]
    assert plan(recipe, SDXL).evaluations == 2 * 50 * (1 + 9 + 4 + 25 + 9 + 49 + 16)
