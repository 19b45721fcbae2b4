import re
from dataclasses import replace

import pytest

from engine import BadRecipe, Recipe, plan
from engine.catalogue.entries import Footprint
from engine.formulas.timesteps import SCHEDULERS
from engine.planning import cost
from engine.planning.plan import with_view_batch
from tests.support.planning import make_facts, total_cost
from tests.support.tiny import SCHEDULER

SDXL = make_facts()
FOOTPRINT = Footprint(weights=7 * 10**9, per_cell=20_000, per_px=3_000)


def sizes(**recipe):
    """(height, width) in px of every stage."""
    return [stage.size for stage in plan(Recipe(**recipe), SDXL).stages]


def test_an_empty_recipe_is_completed_from_the_models_defaults():
    recipe = plan(Recipe(), SDXL).recipe
    assert (recipe.width, recipe.height, recipe.scales) == (4096, 4096, (1, 2, 4))
    assert (recipe.steps, recipe.guidance, recipe.scheduler, recipe.stride) == (50, 7.5, "model", 64)
    assert recipe.model == "toy"


def test_a_completed_recipe_has_the_same_plan():
    first = plan(Recipe(width=2000, height=1200), SDXL)
    again = plan(first.recipe, SDXL)
    assert again.recipe == first.recipe
    assert [s.size for s in again.stages] == [s.size for s in first.stages]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"scales": (1, 2)}, [(1024, 1024), (2048, 2048)]),
        ({"scales": (1,)}, [(1024, 1024)]),
        ({"scales": (1, 1.5)}, [(1024, 1024), (1536, 1536)]),
        ({"width": 4096, "height": 4096}, [(1024, 1024), (2048, 2048), (4096, 4096)]),
        ({"width": 3072, "height": 3072}, [(1024, 1024), (2048, 2048), (3072, 3072)]),
        ({"width": 2048, "height": 1024}, [(728, 1448), (1024, 2048)]),
        ({"width": 4096, "height": 1024}, [(512, 2048), (1024, 4096)]),
        ({"width": 1024, "height": 4096}, [(2048, 512), (4096, 1024)]),
        ({"width": 2000, "height": 1200, "scales": (1, 1.5)}, [(800, 1336), (1200, 2000)]),
        ({"width": 1152, "height": 1152}, [(1152, 1152)]),
        ({"width": 512, "height": 512}, [(512, 512)]),
        ({"width": 8192, "height": 8192}, [(1024, 1024), (2048, 2048), (4096, 4096), (8192, 8192)]),
        ({"scales": (1, 2, 4), "progressive": False}, [(1024, 1024), (4096, 4096)]),
    ],
)
def test_stage_sizes(recipe, expected):
    assert sizes(**recipe) == expected


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"width": 4096, "height": 4096}, [(1024, 1024), (2048, 2048), (3072, 3072), (4096, 4096)]),
        ({"width": 4096, "height": 2048}, [(512, 1024), (1024, 2048), (1536, 3072), (2048, 4096)]),
        ({"width": 2048, "height": 1024}, [(512, 1024), (1024, 2048)]),
        ({"width": 1536, "height": 2048}, [(1024, 768), (2048, 1536)]),
        ({"width": 2048, "height": 1544}, [(768, 1024), (1544, 2048)]),
        ({"width": 3072, "height": 2304}, [(768, 1024), (1536, 2048), (2304, 3072)]),
    ],
)
def test_stage_sizes_in_faithful_mode(recipe, expected):
    assert sizes(faithful=True, **recipe) == expected


def cells(window, **recipe):
    """(rows, cols) of every stage in faithful mode."""
    planned = plan(Recipe(faithful=True, **recipe), make_facts(window=window))
    return [(stage.rows, stage.cols) for stage in planned.stages]


@pytest.mark.parametrize(
    ("window", "width", "height", "expected"),
    [
        # int(128 * 2 * 256 / 384) = 170 px, and 170 // 8 = 21 cells.
        (16, 384, 256, [(10, 16), (21, 32), (32, 48)]),
        (16, 256, 384, [(16, 10), (32, 21), (48, 32)]),
        (128, 3072, 2048, [(85, 128), (170, 256), (256, 384)]),
        # 1024 * 7 * (3624 / 7168) comes out just below 3624: the last stage has 452 cells, not 453.
        (
            128,
            7168,
            3624,
            [(64, 128), (129, 256), (194, 384), (258, 512), (323, 640), (388, 768), (452, 896)],
        ),
    ],
)
def test_faithful_mode_rounds_stages_down_to_whole_cells(window, width, height, expected):
    assert cells(window, width=width, height=height) == expected
    planned = plan(Recipe(faithful=True, width=width, height=height), make_facts(window=window))
    assert [stage.size for stage in planned.stages] == [(8 * rows, 8 * cols) for rows, cols in expected]
    assert {stage.whole_canvas_id for stage in planned.stages} == {(height, width)}


@pytest.mark.parametrize(
    ("height", "stride", "runs"),
    [
        (128, 8, True),
        (120, 8, False),  # 15 cells: windows of 16 that are shifted by up to 2 miss some of them.
        (112, 8, True),  # 14 cells and 2 of padding: every window sees all of them.
        (104, 8, False),  # 13 cells: windows reach beyond the padding and differ in size.
        (104, 13, True),  # No jitter.
        (64, 16, True),
        (64, 12, False),
    ],
)
def test_sizes_that_break_the_published_code_are_refused_and_no_others(height, stride, runs):
    recipe = Recipe(faithful=True, width=256, height=height, stride=stride)
    if runs:
        assert [stage.size for stage in plan(recipe, make_facts(window=16)).stages][1:] == [(height, 256)]
    else:
        with pytest.raises(BadRecipe, match="thinner than one window"):
            plan(recipe, make_facts(window=16))


def test_every_size_of_a_few_cells_plans_to_whole_cells():
    for width in range(512, 4096, 56):
        for height in (640, 1000, 1016, 2048):
            if max(width, height) > 4 * min(width, height):
                continue
            planned = plan(Recipe(width=width, height=height), SDXL)
            assert planned.stages[-1].size == (height, width)
            base = planned.stages[0]
            assert 0.2 < base.size[0] * base.size[1] / 1024**2 < 1.6
            assert base.size[0] / base.size[1] == pytest.approx(height / width, rel=0.02)


@pytest.mark.parametrize(
    ("scale", "factor"), [(2, 2), (3, 3), (1.5, 2), (1.2, 1), (2.5, 2), (2.6, 3), (3.9, 4)]
)
def test_dilation_of_whole_and_fractional_scales(scale, factor):
    assert plan(Recipe(scales=(1, scale)), SDXL).stages[-1].dilation == factor


def test_the_published_cost_of_4096_px():
    planned = plan(Recipe(faithful=True, scales=(1, 2, 3, 4)), SDXL)
    assert [(s.window_count, s.dilated_view_count) for s in planned.stages] == [
        (1, 0),
        (9, 4),
        (25, 9),
        (49, 16),
    ]
    assert planned.evaluations == 2 * 5650
    assert total_cost(cost.tile_areas, planned) == pytest.approx(2 * 5650)
    assert cost.fraction_saved_by_economy(planned) == 0


def test_economy_counts_what_it_skips():
    free, thrifty = (plan(Recipe(economy=e, scales=(1, 2)), SDXL) for e in (0, 0.005))
    assert cost.fraction_saved_by_economy(free) == 0
    assert thrifty.stages[1].step_count == 37
    assert thrifty.evaluations == 100 + 2 * (37 * 9 + 34 * 4)
    saved = total_cost(cost.tile_areas, free) - total_cost(cost.tile_areas, thrifty)
    assert cost.fraction_saved_by_economy(thrifty) == pytest.approx(saved / total_cost(cost.tile_areas, free))


def test_views_that_the_settings_exclude_are_not_counted_as_skipped_by_economy():
    assert cost.fraction_saved_by_economy(plan(Recipe(alpha2=0, economy=0, scales=(1, 2)), SDXL)) == 0
    assert cost.fraction_saved_by_economy(plan(Recipe(dilated=False, economy=0), SDXL)) == 0


def test_disabled_dilated_views_cost_nothing():
    stage = plan(Recipe(dilated=False, economy=0), SDXL).stages[-1]
    assert (stage.window_count, stage.dilated_view_count) == (49, 0)
    assert stage.evaluations == 2 * 50 * 49


def test_guidance_one_halves_the_evaluations():
    guided, plain = (plan(Recipe(guidance=g), SDXL) for g in (7.5, 1))
    assert guided.evaluations == 2 * plain.evaluations
    assert total_cost(cost.network_call_count, guided) == total_cost(cost.network_call_count, plain)


def test_the_number_of_calls_depends_on_the_view_batch():
    calls = [
        total_cost(cost.network_call_count, plan(Recipe(scales=(1, 2), economy=0, view_batch=b), SDXL))
        for b in (1, 4, 16)
    ]
    assert calls == [50 * (1 + 13), 50 * (1 + 3 + 1), 50 * (1 + 1 + 1)]


def test_later_stages_do_not_change_the_cost_of_the_first():
    alone, grown = (plan(Recipe(scales=s), SDXL).stages[0] for s in ((1,), (1, 2, 4)))
    assert (alone.size, alone.evaluations, alone.whole_canvas_id) == (
        grown.size,
        grown.evaluations,
        grown.whole_canvas_id,
    )


def test_memory_grows_with_the_view_batch():
    small, large = (
        cost.peak_memory(plan(Recipe(view_batch=b), make_facts(footprint=FOOTPRINT)).stages) for b in (1, 8)
    )
    assert large > small > FOOTPRINT.weights


def test_an_unusable_default_scheduler_is_replaced_and_a_chosen_one_is_refused():
    strange = make_facts(scheduler=SCHEDULER | {"_class_name": "HeunDiscreteScheduler"})
    assert plan(Recipe(), strange).recipe.scheduler == "ddim"
    with pytest.raises(BadRecipe, match="Heun"):
        plan(Recipe(scheduler="model"), strange)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_four_and_a_hundred_steps(name):
    assert len(plan(Recipe(scheduler=name, steps=4), SDXL).stages[0].schedule.t) == 4
    most = 50 if name == "lcm" else 100
    assert len(plan(Recipe(scheduler=name, steps=most), SDXL).stages[0].schedule.t) == most


BAD = [
    ({"width": 1020, "height": 1024}, "width", "1016 px would fit|1024 px would fit"),
    ({"width": 1024, "height": 1001}, "height", "1000 px would fit"),
    ({"width": 1024}, "height", "both"),
    ({"width": 5000, "height": 1000}, "width", "4000 x 1000"),
    ({"width": 1000, "height": 5000}, "height", "1000 x 4000"),
    ({"width": 64, "height": 64}, "width", "too small"),
    ({"scales": (1, 9)}, "scales", "8192"),
    ({"scales": (1e308,)}, "scales", "8 would fit"),
    ({"scales": (0.25,)}, "width", "too small"),
    ({"scales": (1e-9, 2)}, "scales", "0.5 to 1.25"),
    ({"width": 2048, "height": 2048, "scales": (1, 4)}, "scales", "1, 2 would fit"),
    ({"width": 2048, "height": 2048, "scales": (1, 1.5)}, "scales", "1, 2 would fit"),
    ({"scales": (2, 4)}, "scales", "start"),
    ({"width": 2048, "height": 2048, "scales": (1.25, 1.6)}, "scales", "1.5625 times"),
    ({"scales": (1, 2, 2.0001, 4)}, "scales", "2 and 2.0001 give two stages"),
    ({"model": "x" * 1999}, "model", "needs the model"),
    ({"stride": 129}, "stride", "128"),
    ({"stride": 65, "model": "other"}, "model", "other"),
    ({"scheduler": "lcm", "steps": 60}, "steps", "at most 50"),
    ({"faithful": True, "scheduler": "unipc"}, "scheduler", "first-order"),
    ({"faithful": True, "scheduler": "euler_a"}, "scheduler", "first-order"),
    ({"faithful": True, "width": 2000, "height": 2000}, "width", "2048"),
    ({"faithful": True, "width": 4096, "height": 1024}, "width", "thinner"),
    ({"faithful": True, "width": 2048, "height": 2048, "scales": (1, 1.9)}, "scales", "1, 2"),
]  # fmt: skip


@pytest.mark.parametrize(("recipe", "field", "words"), BAD)
def test_a_size_that_cannot_be_planned_is_refused_with_one_that_fits(recipe, field, words):
    with pytest.raises(BadRecipe, match=words) as fault:
        plan(Recipe(**recipe), SDXL)
    assert fault.value.field == field
    assert len(fault.value.sentence) <= 400


@pytest.mark.parametrize(
    "recipe",
    [{"width": 64, "height": 64}, {"width": 992, "height": 248}, {"width": 5000, "height": 1000}],
)
def test_the_size_that_a_refusal_suggests_fits(recipe):
    with pytest.raises(BadRecipe) as fault:
        plan(Recipe(**recipe), SDXL)
    width, height = map(int, re.findall(r"(\d+) x (\d+) px", fault.value.sentence)[-1])
    assert plan(Recipe(width=width, height=height), SDXL)


def test_a_view_batch_changes_nothing_else_in_a_plan():
    recipe = Recipe(scales=(1, 2), seed=7)
    changed, planned = with_view_batch(plan(recipe, SDXL), 3), plan(replace(recipe, view_batch=3), SDXL)
    assert changed.recipe == planned.recipe
    assert [stage.view_batch for stage in changed.stages] == [3, 3]
    for one, other in zip(changed.stages, planned.stages, strict=True):
        assert (one.recipe, one.size, one.patches) == (other.recipe, other.size, other.patches)
        assert (cost.network_call_count(one), cost.stage_memory(one)) == (
            cost.network_call_count(other),
            cost.stage_memory(other),
        )
