"""Runs in which an upscaler enlarges a stage: as the method, or between the stages of another method."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine import BadRecipe, Failed, Finished, Retreated, StageDone, Stopped, plan, recall
from engine.catalogue.entries import Footprint
from engine.paths import ROOT
from engine.planning.cost import denoising_cost, relative_cost, stage_memory, upscaling_cost
from engine.recipe import images
from engine.recipe.checks import check_value
from engine.recipe.effects import changed_but_ineffective_settings
from engine.runs import keys
from engine.runs.events import Upscaling
from engine.runs.pace import Pace
from engine.upscale.load import PixelUpscaler
from tests.support.pictures import save_squares
from tests.support.planning import make_facts, small_recipe
from tests.support.run_results import (
    StopAfter,
    event_types,
    latent_bytes,
    run_events,
    run_with_cache,
    stage_done_events,
)
from tests.support.upscalers import write_compact

FACTS = make_facts(hash="weights")


@pytest.fixture
def network(tmp_path):
    """The path of a tiny upscaling network."""
    return str(write_compact(tmp_path / "network.safetensors"))


def upscaled(**changes):
    return small_recipe(**{"method": "upscaler", "enlarge": "lanczos"} | changes)


def pixels(event):
    return np.asarray(images.read(event.image))


def test_the_picture_of_the_base_is_enlarged_and_shown_as_it_is(model, tmp_path):
    base, large = stage_done_events(run_events(upscaled(), model, tmp_path))
    height, width = large.size
    enlarged = images.read(base.image).resize((width, height), Image.Resampling.LANCZOS)
    assert (pixels(large) == np.asarray(enlarged)).all()
    assert large.evaluations == 0


def test_only_the_first_and_the_last_scale_are_made():
    planned = plan(upscaled(scales=(1, 2, 4)), FACTS)
    assert [stage.scale for stage in planned.stages] == [1, 4]
    assert [stage.step_count for stage in planned.stages] == [6, 0]


def test_the_base_is_shared_with_the_other_methods(model, tmp_path):
    run_with_cache(small_recipe(), model, tmp_path)
    assert [e.stage for e in run_with_cache(upscaled(), model, tmp_path)[0].kept] == [1]


def test_a_start_picture_takes_the_place_of_the_base(model, tmp_path, network):
    image = save_squares(tmp_path / "wide.png", 64, 96)
    recipe = small_recipe(
        method="upscaler", enlarge=network, image=str(image), width=192, height=128, scales=()
    )
    (event,) = stage_done_events(run_events(recipe, model, tmp_path))
    assert (event.stage, event.size) == (1, (128, 192))
    shrunk = np.asarray(images.read(event.image).resize((96, 64), Image.Resampling.BOX), float)
    assert np.abs(shrunk - np.asarray(images.read(image))).mean() < 12


def test_what_only_denoising_reads_has_no_effect_on_a_start_picture(photo):
    changed = changed_but_ineffective_settings(upscaled(image=str(photo), guidance=3, negative="fog"))
    assert changed == ("guidance", "negative", "prompt", "seed", "steps")


def test_the_seed_of_an_enlargement_is_not_part_of_its_key():
    stages = [
        plan(upscaled(seed=seed, prompt=prompt), FACTS).stages[1] for seed, prompt in ((1, "a"), (2, "b"))
    ]
    assert keys.stage_key(stages[0], "below") == keys.stage_key(stages[1], "below")
    assert keys.stage_key(stages[0], "below") != keys.stage_key(stages[0], "other")


def test_the_key_holds_the_file_of_the_upscaler_and_not_its_name(tmp_path):
    paths = [
        write_compact(tmp_path / "a.safetensors"),
        write_compact(tmp_path / "b.safetensors"),
        write_compact(tmp_path / "c.safetensors", seed=1),
    ]
    for method in ("upscaler", "demofusion", "sdedit"):
        same, renamed, other = (
            keys.stage_keys(plan(small_recipe(method=method, enlarge=str(path)), FACTS).stages)[1]
            for path in paths
        )
        assert same == renamed
        assert same != other


def test_an_upscaler_between_stages_changes_the_next_stage_alone(model, tmp_path, network):
    plain = stage_done_events(run_with_cache(small_recipe(), model, tmp_path))
    events = run_with_cache(small_recipe(enlarge=network), model, tmp_path)
    assert [e.stage for e in events[0].kept] == [1]
    (second,) = stage_done_events(events)
    assert latent_bytes(second) != latent_bytes(plain[1])
    assert [e for e in events if isinstance(e, Upscaling)]
    assert second.evaluations == plain[1].evaluations


@pytest.mark.parametrize(
    "changes", [{"method": "upscaler"}, {"method": "sdedit"}, {"scales": (1, 1.5, 2)}], ids=str
)
def test_a_resumed_run_is_the_same_run(changes, model, tmp_path, network):
    recipe = small_recipe(enlarge=network, **changes)
    whole = stage_done_events(run_events(recipe, model, tmp_path))
    run_with_cache(recipe, model, tmp_path, until=1)
    resumed = stage_done_events(run_with_cache(recipe, model, tmp_path))
    assert [latent_bytes(e) for e in resumed] == [latent_bytes(e) for e in whole[1:]]
    assert (pixels(resumed[-1]) == pixels(whole[-1])).all()


def test_a_finished_enlargement_is_not_made_again(model, tmp_path, network):
    run_with_cache(upscaled(enlarge=network), model, tmp_path)
    again = run_with_cache(upscaled(enlarge=network), model, tmp_path)
    assert event_types(again)[1:] == [Finished]


def test_the_picture_names_its_upscaler_without_its_folder(model, tmp_path, network):
    *_, large = stage_done_events(run_events(upscaled(enlarge=network), model, tmp_path))
    assert recall(large.image).record["recipe"]["enlarge"] == "network.safetensors"
    *_, large = stage_done_events(run_events(upscaled(), model, tmp_path))
    assert recall(large.image).recipe.enlarge == "lanczos"


def test_a_run_stops_within_a_tile_and_keeps_its_finished_stages(model, tmp_path, network):
    recipe = upscaled(enlarge=network, scales=(1, 8))
    run_with_cache(recipe, model, tmp_path, until=1)
    # One check at the start and five in each tile, one before each convolution.
    events = run_with_cache(recipe, model, tmp_path, stop=StopAfter(8))
    assert [(e.tile, e.tiles) for e in events if isinstance(e, Upscaling)] == [(0, 6), (1, 6)]
    assert events[-1] == Stopped(2, 0)
    assert [e.stage for e in events[0].kept] == [1]
    finished = run_with_cache(recipe, model, tmp_path)
    assert [e.stage for e in stage_done_events(finished)] == [2]


def test_an_enlarged_stage_grows_on_by_another_method(model, tmp_path):
    first = run_with_cache(upscaled(scales=(1, 1.5)), model, tmp_path)
    grown = run_with_cache(small_recipe(scales=(1, 1.5, 2)), model, tmp_path, resume=(first[0].run, 2))
    assert [e.stage for e in stage_done_events(grown)] == [3]


def test_a_missing_upscaler_fails_before_anything_is_made(model, tmp_path):
    events = run_with_cache(upscaled(enlarge=str(tmp_path / "none.safetensors")), model, tmp_path)
    (failed,) = events
    assert isinstance(failed, Failed)
    assert failed.field == "enlarge"
    assert "none.safetensors" in failed.sentence


def test_a_file_of_another_kind_is_refused_with_a_sentence(model, tmp_path):
    (tmp_path / "renamed.safetensors").write_bytes(b"PK\x03\x04" + bytes(200))
    (failed,) = run_with_cache(upscaled(enlarge=str(tmp_path / "renamed.safetensors")), model, tmp_path)
    assert (failed.field, failed.code) == ("enlarge", "")


@pytest.mark.parametrize(
    ("changes", "fit"),
    [
        ({"method": "upscaler", "enlarge": "latent"}, {"enlarge": "lanczos"}),
        ({"faithful": True}, {"faithful": False}),
    ],
    ids=["latent", "faithful"],
)
def test_an_enlargement_that_a_method_cannot_use_is_refused(changes, fit):
    with pytest.raises(BadRecipe) as refused:
        plan(refused_recipe(**changes), FACTS)
    assert refused.value.field == "enlarge"
    assert refused.value.fit == fit


def refused_recipe(**changes):
    return replace(small_recipe(scheduler="ddim", scales=()), **{"enlarge": "lanczos"} | changes)


@pytest.mark.parametrize("name", ["", "nothing", "../../etc/passwd.txt", "a\0b", 3])
def test_a_name_from_outside_must_be_in_the_catalogue(name):
    if name == "":
        assert check_value("enlarge", name) == ""
        return
    with pytest.raises(BadRecipe) as refused:
        check_value("enlarge", name)
    assert "lanczos" in refused.value.sentence


def test_the_price_is_that_of_every_pass_of_the_network():
    """Real-ESRGAN x4plus takes 35.854 million operations a px, SDXL 6,761 billion an evaluation."""
    facts = replace(FACTS, gigaflops=6761.0)
    base, large = plan(upscaled(enlarge="realesrgan", scales=(1, 4)), facts).stages
    assert upscaling_cost(base) == 0
    # Four tiles an axis, of 256 px with 64 px around them: 320 + 384 + 384 + 320 px.
    assert upscaling_cost(large) == pytest.approx(1408**2 * 35.854e6 / 6761e9)
    assert relative_cost(large) == upscaling_cost(large)
    between = plan(small_recipe(enlarge="realesrgan", scales=(1, 2, 4)), facts).stages
    assert [round(upscaling_cost(stage), 2) for stage in between] == [0, 10.51, 45.96]
    assert all(denoising_cost(stage) > 0 for stage in between)


def test_an_upscaler_has_a_pace_of_its_own(tmp_path):
    pace = Pace(tmp_path)
    base, large = plan(upscaled(enlarge="realesrgan"), FACTS).stages
    pace.learn(base, 10.0)
    pace.learn(large, 100.0)
    assert pace.estimate([base]) == pytest.approx(10)
    assert pace.estimate([large]) == pytest.approx(100)
    (_, between) = plan(small_recipe(enlarge="realesrgan"), FACTS).stages
    denoising = 10 * denoising_cost(between) / denoising_cost(base)
    assert pace.estimate([between]) == pytest.approx(100 + denoising)


def test_stages_are_stored_before_the_next_one_begins(model, tmp_path, network):
    events = run_events(upscaled(enlarge=network), model, tmp_path)
    first = next(n for n, e in enumerate(events) if isinstance(e, StageDone))
    assert Path(events[first].image).exists()
    assert isinstance(events[first + 1], Upscaling)


def test_short_memory_makes_smaller_tiles_and_the_same_picture(model, tmp_path, network, monkeypatch):
    whole = stage_done_events(run_events(upscaled(enlarge=network), model, tmp_path))[-1]
    upscale = PixelUpscaler.upscale

    def fails_above_96_px(upscaler, given, check=None):
        if max(given.shape[-2:]) > 96:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return upscale(upscaler, given, check)

    monkeypatch.setattr(PixelUpscaler, "upscale", fails_above_96_px)
    events = run_events(upscaled(enlarge=network), model, tmp_path)
    assert [e for e in events if isinstance(e, Retreated)]
    assert np.abs(pixels(stage_done_events(events)[-1]).astype(int) - pixels(whole)).max() <= 2


KILLED_RUN = """
import os, signal, sys
from engine import generate, load_model
from tests.support.planning import small_recipe

class KillInSecondTile:
    checks = 0
    def is_set(self):
        self.checks += 1
        if self.checks == 8:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

model, network, out = sys.argv[1:]
recipe = small_recipe(method="upscaler", enlarge=network, scales=(1, 8))
for event in generate(recipe, load_model(model, "cpu", "float32"), out=out, until=1):
    pass
for event in generate(recipe, load_model(model, "cpu", "float32"), out=out, stop=KillInSecondTile()):
    print(type(event).__name__, flush=True)
"""


@pytest.mark.slow
def test_a_run_killed_in_a_tile_keeps_its_finished_stages(model, tiny_folder, tmp_path, network):
    process = subprocess.run(
        [sys.executable, "-c", KILLED_RUN, tiny_folder, network, tmp_path / "runs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert process.returncode == -signal.SIGKILL
    assert process.stdout.split() == ["Accepted", "Upscaling", "Upscaling"]
    recipe = upscaled(enlarge=network, scales=(1, 8))
    continued = run_with_cache(recipe, model, tmp_path / "runs")
    assert [e.stage for e in continued[0].kept] == [1]
    assert [e.stage for e in stage_done_events(continued)] == [2]


def test_an_upscaler_is_needed_for_the_remaining_stages_alone(model, tmp_path):
    missing = upscaled(enlarge=str(tmp_path / "none.safetensors"))
    events = run_with_cache(missing, model, tmp_path, until=1)
    assert [e.stage for e in stage_done_events(events)] == [1]


def test_a_start_picture_with_more_pixels_is_enlarged_in_place_of_the_stage_below(model, tmp_path, network):
    image = str(save_squares(tmp_path / "large.png", 192, 192))
    recipe = small_recipe(enlarge=network, image=image)
    planned = plan(recipe, model.facts)
    assert [stage.size_below for stage in planned.stages] == [(192, 192), (192, 192)]
    events = run_events(recipe, model, tmp_path)
    assert [(e.stage, e.tile, e.tiles) for e in events if isinstance(e, Upscaling)] == [(2, 0, 1), (2, 1, 1)]
    small = replace(recipe, image=str(save_squares(tmp_path / "small.png", 64, 64)))
    assert plan(small, model.facts).stages[1].size_below == (128, 128)


def test_a_picture_made_by_an_upscaler_from_a_start_picture_grows_on(model, tmp_path):
    image = str(save_squares(tmp_path / "image.png", 64, 64))
    first = run_with_cache(upscaled(image=image, scales=(1, 2)), model, tmp_path)
    grown = run_with_cache(upscaled(image=image, scales=(1, 4)), model, tmp_path, resume=(first[0].run, 1))
    (event,) = stage_done_events(grown)
    assert event.size == (512, 512)
    assert len(grown[0].kept) == 1


def test_denoising_has_its_own_pace_beside_a_filter(tmp_path):
    pace = Pace(tmp_path)
    (base, second) = plan(small_recipe(enlarge="lanczos"), FACTS).stages
    pace.learn(second, 10.0)
    assert pace.estimate([second]) == pytest.approx(10)
    assert pace.estimate([base]) == pytest.approx(10 * denoising_cost(base) / denoising_cost(second))


def test_an_upscaler_that_takes_pictures_whole_is_refused_for_large_ones():
    with pytest.raises(BadRecipe) as refused:
        plan(small_recipe(method="upscaler", enlarge="sd-x2", scales=(1, 8)), FACTS)
    assert (refused.value.field, refused.value.fit) == ("enlarge", {"enlarge": "lanczos"})
    assert plan(small_recipe(method="upscaler", enlarge="sd-x2", scales=(1, 4)), FACTS)


def test_an_enlargement_needs_no_memory_for_the_network():
    facts = replace(FACTS, footprint=Footprint(weights=0, per_cell=1e6, per_px=1.0))
    base, large = plan(upscaled(scales=(1, 4)), facts).stages
    assert stage_memory(large) < stage_memory(base)
