"""Every method with every architecture: it runs as planned, is repeatable, can be continued, and is unique."""

from functools import cache
from itertools import combinations, product

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.numpy import load_file

from engine import BadRecipe, Recipe, plan
from engine.formulas.noise import keyed_normal
from engine.formulas.timesteps import resolve_scheduler
from engine.methods import METHODS
from engine.network.patching.hooks import use_hooks
from engine.planning import cost
from engine.recipe.effects import changed_but_ineffective_settings, ineffective_settings
from tests.engine.network.test_families import CLOSE
from tests.support import single_file, tiny
from tests.support.planning import make_facts, small_recipe, total_cost
from tests.support.run_results import (
    StopAfter,
    max_difference,
    run_events,
    run_latents,
    run_with_cache,
    single_event,
    stage_done_events,
)
from tests.support.slow_cases import slow_cases

AT_ONCE = ("direct", "attention", "multidiffusion", "scalecrafter", "hidiffusion")
PATCHED_METHODS = ("scalecrafter", "hidiffusion")
SHAPES = {
    "2x": {"scales": (1, 2)},
    "1:2": {"scales": (1, 2), "width": 176, "height": 352},
    "4x": {"scales": (1, 2, 4), "steps": 4},
    "4x, 1:2": {"scales": (1, 2, 4), "width": 352, "height": 704, "steps": 4},
}


def recipe_for(method, **changes):
    return small_recipe(method=method, **{"scales": (1, 2), "steps": 6} | changes)


def final_latents(method, model, out, **changes):
    return run_latents(recipe_for(method, **changes), model, out)[-1]


@pytest.fixture(scope="module")
def finished_stages(models_by_architecture, tmp_path_factory):
    """A function that returns the StageDone events of a run without changes, which is made once."""
    folder = tmp_path_factory.mktemp("finished")

    @cache
    def make(method, architecture):
        return stage_done_events(run_events(recipe_for(method), models_by_architecture[architecture], folder))

    return make


def read_latents(event):
    return load_file(event.latents)["latents"]


@pytest.mark.parametrize("method", METHODS)
def test_a_run_costs_what_was_planned(method, architecture_model, finished_stages):
    planned = plan(recipe_for(method), architecture_model.facts)
    events = finished_stages(method, architecture_model.facts.architecture)
    assert [event.size for event in events] == [stage.size for stage in planned.stages]
    assert sum(event.evaluations for event in events) == planned.evaluations
    assert np.isfinite(read_latents(events[-1])).all()


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("method", METHODS)
def test_a_run_of_any_shape_costs_what_was_planned_and_is_repeatable(
    method, shape, architecture_model, tmp_path
):
    recipe = recipe_for(method, **SHAPES[shape])
    planned = plan(recipe, architecture_model.facts)
    first, again = (stage_done_events(run_events(recipe, architecture_model, tmp_path)) for _ in range(2))
    assert [event.size for event in first] == [stage.size for stage in planned.stages]
    assert sum(event.evaluations for event in first) == planned.evaluations
    assert np.isfinite(read_latents(first[-1])).all()
    assert read_latents(first[-1]).tobytes() == read_latents(again[-1]).tobytes()


QUICK_AT_FOUR_TIMES = {("scalecrafter", "sdxl"), ("hidiffusion", "sd15")}
ALL_AT_FOUR_TIMES = set(product(AT_ONCE, ["sdxl", "sd15", "sd21"]))


@pytest.mark.parametrize(
    "case",
    [*sorted(QUICK_AT_FOUR_TIMES), *slow_cases(*sorted(ALL_AT_FOUR_TIMES - QUICK_AT_FOUR_TIMES))],
    ids="-".join,
)
def test_four_times_the_side_is_one_stage(case, models_by_architecture, tmp_path):
    method, architecture = case
    model, recipe = models_by_architecture[architecture], recipe_for(method, scales=(1, 4), steps=4)
    (event,) = stage_done_events(run_events(recipe, model, tmp_path))
    assert event.size == (512, 512)
    assert event.evaluations == plan(recipe, model.facts).evaluations


def test_every_method_makes_a_different_picture(architecture_model, finished_stages):
    architecture = architecture_model.facts.architecture
    pictures = {method: read_latents(finished_stages(method, architecture)[-1]) for method in METHODS}
    for one, other in combinations(pictures, 2):
        assert max_difference(pictures[one], pictures[other]) > 1e-3, (one, other)


@pytest.mark.parametrize("method", METHODS)
def test_calls_are_as_planned_and_the_view_batch_changes_nothing(method, models_by_architecture, tmp_path):
    model, pictures = models_by_architecture["sdxl"], []
    for batch in (1, 4):
        called = []
        with use_hooks(model.unet.register_forward_hook(lambda *_, called=called: called.append(1))):
            pictures.append(final_latents(method, model, tmp_path, view_batch=batch))
        assert len(called) == total_cost(
            cost.network_call_count, plan(recipe_for(method, view_batch=batch), model.facts)
        )
    assert max_difference(*pictures) < 1e-4


# The architecture matters to methods that patch the network.
STOPPED_RUNS = [
    *product(METHODS, ["sdxl"]),
    *product(PATCHED_METHODS, ["sd15"]),
    *slow_cases(*product([name for name in METHODS if name not in PATCHED_METHODS], ["sd15"])),
    *slow_cases(*product(METHODS, ["sd21"])),
]


@pytest.mark.parametrize("case", STOPPED_RUNS, ids="-".join)
def test_a_stopped_run_repeats_its_stage_and_ends_in_the_same_bits(
    case, models_by_architecture, finished_stages, tmp_path
):
    method, architecture = case
    model, recipe = models_by_architecture[architecture], recipe_for(method)
    stopped = run_with_cache(recipe, model, tmp_path / "kept", stop=StopAfter(4))
    assert type(stopped[-1]).__name__ == "Stopped"
    continued = stage_done_events(run_with_cache(recipe, model, tmp_path / "kept"))[-1]
    uninterrupted = finished_stages(method, architecture)[-1]
    assert read_latents(continued).tobytes() == read_latents(uninterrupted).tobytes()


@pytest.mark.parametrize("family", ["sdxl", "sd"])
def test_the_direct_method_at_native_size_equals_diffusers_pipeline(family, tmp_path):
    from engine import load_model

    folder = (tiny.write if family == "sdxl" else single_file.sd)(tmp_path / "tiny")
    model, pipeline = load_model(folder, "cpu", "float32"), DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    recipe = recipe_for("direct", scales=(1,), steps=8, scheduler="ddim", negative="blue")
    kind, settings = resolve_scheduler("ddim", model.facts.scheduler)
    pipeline.scheduler = getattr(diffusers, kind.class_name).from_config(settings)
    expected = pipeline(
        recipe.prompt, negative_prompt="blue", num_inference_steps=8, guidance_scale=7.5,
        latents=torch.from_numpy(keyed_normal((1, 4, 16, 16), recipe.seed, "base", 1, 4, 16, 16)),
        output_type="latent",
    ).images.numpy()  # fmt: skip
    (ours,) = run_latents(recipe, model, tmp_path)
    assert np.abs(ours - expected).max() / np.abs(expected).max() < CLOSE


@pytest.mark.parametrize("method", AT_ONCE)
def test_a_method_with_one_stage_has_the_final_size_in_its_size_ids(method):
    (stage,) = plan(Recipe(method=method), make_facts()).stages
    assert stage.size == (4096, 4096)
    assert stage.whole_canvas_id == (4096, 4096)


def test_noise_damped_guidance_costs_a_third_evaluation():
    """At four times the side, 35 of 50 steps need a third evaluation; without guidance none does."""
    damped = plan(Recipe(method="scalecrafter", steps=50), make_facts()).stages[0]
    assert (damped.evaluations, cost.network_call_count(damped)) == (50 * 2 + 35, 50 + 35)
    plain = plan(Recipe(method="scalecrafter", steps=50, guidance=1), make_facts()).stages[0]
    assert (plain.evaluations, cost.network_call_count(plain)) == (50, 50)


def test_attention_over_the_whole_canvas_costs_the_square_of_its_area():
    """A native evaluation spends 11 % of its work on attention, which grows with the square of the area."""
    levels = ((0.067, 0.0), (0.177, 0.063), (0.647, 0.046))
    planned = plan(Recipe(method="direct", steps=50), make_facts(level_costs=levels))
    assert total_cost(cost.tile_areas, planned) == pytest.approx(100 * (0.891 * 16 + 0.109 * 256))
    windows = plan(Recipe(method="multidiffusion", steps=50), make_facts(level_costs=levels))
    assert total_cost(cost.tile_areas, windows) == 100 * 49


def test_a_stage_of_sdedit_begins_at_a_middle_step():
    base, larger = plan(Recipe(method="sdedit", scales=(1, 2), steps=50), make_facts()).stages
    assert (base.step_count, larger.step_count) == (50, 30)
    assert larger.sees_whole_canvas
    by_windows = plan(
        Recipe(method="sdedit", scales=(1, 2), options={"views": "windows"}), make_facts()
    ).stages[1]
    assert by_windows.window_count == 9


def test_windows_of_multidiffusion_are_not_shifted_and_can_have_true_size_ids():
    (stage,) = plan(Recipe(method="multidiffusion", scales=(1, 2)), make_facts()).stages
    assert (stage.jitter_reach, stage.method.true_size_ids) == (0, False)
    (stage,) = plan(
        Recipe(method="multidiffusion", scales=(1, 2), options={"placed": True}), make_facts()
    ).stages
    assert stage.method.true_size_ids


@pytest.fixture(scope="module")
def unpatched_latents(models_by_architecture, tmp_path_factory):
    """A function that returns the latents of a method with larger views, whose network is not patched."""
    folder = tmp_path_factory.mktemp("unpatched")

    @cache
    def make(method, views):
        options = {"views": views}
        return final_latents(
            method, models_by_architecture["sdxl"], folder, scales=(1, 3), steps=4, options=options
        )

    return make


# Of views of the whole canvas, which cost most, the quick cases have every method and every network once.
VIEWS_CASES = [
    *product(
        ["demofusion", "multidiffusion", "sdedit"], ["scalecrafter", "hidiffusion", "attention"], ["large"]
    ),
    ("demofusion", "hidiffusion", "whole"),
    ("multidiffusion", "attention", "whole"),
    ("sdedit", "scalecrafter", "whole"),
    *slow_cases(
        ("demofusion", "scalecrafter", "whole"),
        ("demofusion", "attention", "whole"),
        ("multidiffusion", "scalecrafter", "whole"),
        ("multidiffusion", "hidiffusion", "whole"),
        ("sdedit", "hidiffusion", "whole"),
        ("sdedit", "attention", "whole"),
    ),
]


@pytest.mark.parametrize("case", VIEWS_CASES, ids="-".join)
def test_a_patched_network_is_used_on_views_larger_than_native(
    case, models_by_architecture, unpatched_latents, tmp_path
):
    """Every way to patch the network is combined with every loop that uses views larger than native."""
    method, network, views = case
    model = models_by_architecture["sdxl"]
    recipe = recipe_for(method, scales=(1, 3), steps=4, options={"views": views, "network": network})
    events = stage_done_events(run_events(recipe, model, tmp_path))
    assert sum(event.evaluations for event in events) == plan(recipe, model.facts).evaluations
    assert max_difference(read_latents(events[-1]), unpatched_latents(method, views)) > 1e-4


@pytest.mark.parametrize("method", ["demofusion", "multidiffusion"])
def test_a_network_is_not_patched_for_native_windows(method):
    with pytest.raises(BadRecipe, match="windows have the native size") as refused:
        plan(Recipe(method=method, options={"network": "hidiffusion"}), make_facts())
    assert refused.value.field == "options"
    assert dict(refused.value.fit["options"]) == {"network": "hidiffusion", "views": "whole"}
    plan(Recipe(method=method, options=refused.value.fit["options"]), make_facts())


@pytest.mark.parametrize("method", AT_ONCE)
def test_methods_that_use_only_a_prompt_refuse_a_start_image(method, photo):
    with pytest.raises(BadRecipe, match="cannot start from a picture") as refused:
        plan(Recipe(method=method, image=photo), make_facts())
    plan(Recipe(image=photo, **refused.value.fit), make_facts())


def test_sdedit_starts_from_an_image(models_by_architecture, photo, tmp_path):
    low, high = (
        final_latents(
            "sdedit", models_by_architecture["sdxl"], tmp_path, image=photo, options={"restart": restart}
        )
        for restart in (0.2, 1.0)
    )
    assert max_difference(low, high) > 0.1


def test_methods_share_stages_that_do_not_differ(models_by_architecture, tmp_path):
    """DemoFusion and SDEdit make the same first stage."""
    model = models_by_architecture["sdxl"]
    run_with_cache(recipe_for("demofusion"), model, tmp_path)
    accepted = run_with_cache(recipe_for("sdedit"), model, tmp_path)[0]
    assert [stage.stage for stage in accepted.kept] == [1]


@pytest.mark.parametrize(
    ("method", "options", "fractions"),
    [
        ("demofusion", {}, (1, 1, 1)),
        ("relay", {}, (0.6, 0.6, 0.6)),
        ("demofusion", {"restart": 0.7}, (0.7, 0.7, 0.7)),
        ("demofusion", {"restart_stages": (1, 0.8, 0.6)}, (1, 0.8, 0.6)),
        ("sdedit", {"restart_stages": (1, 0.8), "restart": 0.3}, (1, 0.8, 0.8)),
        ("direct", {"restart": 0.3}, (1,)),
    ],
)
def test_restart_is_one_number_or_one_for_each_stage(method, options, fractions):
    planned = plan(Recipe(method=method, options=options, scales=(1, 2, 4)), make_facts())
    assert tuple(stage.start_fraction for stage in planned.stages) == fractions


def test_restart_leaves_out_the_steps_above_it_in_all_stages_but_the_base():
    stages = plan(Recipe(options={"restart": 0.6}, scales=(1, 2), steps=10), make_facts()).stages
    assert [stage.schedule.first for stage in stages] == [0, 4]
    assert stages[1].step_count == 6


def test_faithful_mode_starts_every_stage_from_noise():
    planned = plan(Recipe(faithful=True, scheduler="ddim", options={"restart": 0.6}), make_facts())
    assert {stage.start_fraction for stage in planned.stages} == {1.0}
    assert "restart" in ineffective_settings(planned.recipe)


def test_restart_has_no_effect_beside_values_for_each_stage():
    assert "restart" in ineffective_settings(Recipe(options={"restart_stages": (1, 0.8)}))


def test_faithful_mode_allows_only_demofusion():
    assert not plan(Recipe(method="direct", faithful=True), make_facts()).recipe.faithful
    assert "faithful" in ineffective_settings(Recipe(method="direct"))


def test_options_of_other_methods_are_reported_as_without_effect():
    recipe = Recipe(method="direct", alpha1=2, options={"restart": 0.3})
    assert set(changed_but_ineffective_settings(recipe)) == {"alpha1", "restart"}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"restart": 2}, "must be from 0 to 1"),
        ({"restart_stages": (1, 2)}, "restart_stages is 2; it must be from 0 to 1"),
        ({"restart_stages": 0.5}, "at most 8 numbers, one per stage"),
        ({"views": "all"}, "Choose one of: windows, large, whole"),
        ({"placed": 1}, "on or off"),
        ({"stars": 1}, "There is no option 'stars'"),
        (3, "names with values"),
        ((("restart",),), "names with values"),
    ],
)
def test_invalid_options_are_refused_in_a_sentence(options, reason):
    with pytest.raises(BadRecipe, match=reason):
        plan(Recipe(method="sdedit", options=options), make_facts())


def test_options_at_their_defaults_are_not_stored():
    planned = plan(Recipe(method="sdedit", options={"restart": 0.6, "views": "windows"}), make_facts())
    assert planned.recipe.options == (("views", "windows"),)


def test_a_network_of_another_architecture_is_refused_before_a_run(model, tmp_path):
    for method in PATCHED_METHODS:
        fault = single_event(run_with_cache(recipe_for(method, scales=(1, 4)), model, tmp_path))
        assert fault.field == "method"
        assert "has no part" in fault.sentence
