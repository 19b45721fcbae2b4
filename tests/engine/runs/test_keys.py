"""The key of a stage depends on everything that changes its picture, and on nothing else."""

from dataclasses import replace

import pytest

from engine import Recipe, plan
from engine.recipe.controls import Control
from engine.runs import keys
from tests.support.planning import make_facts

FACTS = make_facts(hash="weights")


def keys_of(known=FACTS, **changes):
    recipe = Recipe(**{"prompt": "a house", "scales": (1, 2, 4), "scheduler": "ddim"} | changes)
    return keys.stage_keys(plan(recipe, known).stages)


BASE = keys_of()


def count_shared_stages(other):
    """Count the first stages whose keys are the same."""
    return next((n for n, (a, b) in enumerate(zip(BASE, other, strict=False)) if a != b), min(3, len(other)))


def test_a_key_has_128_bits_and_never_changes():
    assert [len(key) for key in BASE] == [32, 32, 32]
    assert len(set(BASE)) == 3
    assert keys_of() == BASE


LATER_BETAS = dict(FACTS.scheduler) | {"beta_end": 0.02}
EVERYTHING = [
    {"prompt": "a boat"},
    {"negative": "fog"},
    {"seed": 1},
    {"steps": 20},
    {"guidance": 3},
    {"guidance_rescale": 0.5},
    {"scheduler": "euler"},
    {"scales": (), "faithful": True, "width": 4096, "height": 4096},
]


@pytest.mark.parametrize("changes", EVERYTHING, ids=str)
def test_settings_that_every_stage_uses_are_in_every_key(changes):
    assert not set(keys_of(**changes)) & set(BASE)


@pytest.mark.parametrize("change", [{"hash": "others"}, {"window": 64}, {"scheduler": LATER_BETAS}])
def test_the_model_is_in_every_key(change):
    assert not set(keys_of(replace(FACTS, **change))) & set(BASE)


LATER = [
    {"alpha1": 2},
    {"alpha2": 2},
    {"alpha3": 2},
    {"sigma1": 0.5},
    {"sigma2": 0.1},
    {"stride": 32},
    {"jitter": False},
    {"feather": False},
    {"economy": 0},
    {"kernel": "code"},
    {"lattice": "raw"},
    {"dilated": False},
    {"skip_residual": False},
    {"progressive": False},
]


@pytest.mark.parametrize("changes", LATER, ids=str)
def test_settings_that_only_later_stages_use_are_not_in_the_first_key(changes):
    assert count_shared_stages(keys_of(**changes)) == 1


@pytest.mark.parametrize(
    "changes", [{"view_batch": 2}, {"fidelity": 0.9}, {"width": 4096, "height": 4096}], ids=str
)
def test_settings_that_change_no_picture_are_in_no_key(changes):
    assert keys_of(**changes) == BASE


def test_the_source_of_a_config_is_in_no_key():
    moved = dict(FACTS.scheduler) | {"_name_or_path": "elsewhere", "_diffusers_version": "9"}
    assert keys_of(replace(FACTS, scheduler=moved)) == BASE


def test_settings_that_a_run_does_not_use_are_in_no_key():
    plain = keys_of(dilated=False, skip_residual=False)
    assert keys_of(dilated=False, skip_residual=False, alpha1=1, alpha2=3, sigma1=2) == plain


def test_a_longer_plan_has_the_same_keys_for_its_first_stages():
    assert count_shared_stages(keys_of(scales=(1, 2))) == 2
    assert count_shared_stages(keys_of(scales=(1, 2, 3, 4))) == 2


def test_in_faithful_mode_the_first_key_depends_on_the_final_size():
    two, four = (keys_of(scales=(), width=side, height=side, faithful=True) for side in (2048, 4096))
    assert not set(two) & set(four)


def test_keys_of_control_maps_that_scale_with_the_stage_depend_on_the_size_of_the_first(photo):
    soft = {"method": "direct", "controls": (Control(image=str(photo), kind="soft"),)}
    assert keys_of(scales=(1, 4), **soft)[-1] != keys_of(scales=(0.5, 4), **soft)[-1]
    edges = {"method": "direct", "controls": (Control(image=str(photo), kind="canny"),)}
    assert keys_of(scales=(1, 4), **edges)[-1] == keys_of(scales=(0.5, 4), **edges)[-1]


def test_keys_of_later_stages_depend_on_the_key_of_the_stage_below():
    ahead = plan(Recipe(scales=(1, 2, 4)), FACTS).stages[1:]
    assert not set(keys.stage_keys(ahead, "a" * 32)) & set(keys.stage_keys(ahead, "b" * 32))


RELAY = keys_of(method="relay")


def test_relay_shares_its_first_stage_with_other_methods():
    assert count_shared_stages(RELAY) == 1
    assert not set(RELAY[1:]) & set(keys_of(method="sdedit", options={"views": "windows"}))


@pytest.mark.parametrize("options", [{"block": 0.2}, {"unblur": 0.5}, {"restart": 0.5}], ids=str)
def test_options_of_relay_are_in_the_keys_of_its_later_stages(options):
    changed = keys_of(method="relay", options=options)
    assert [a == b for a, b in zip(changed, RELAY, strict=True)] == [True, False, False]


@pytest.mark.parametrize("options", [{"block": 0.2}, {"unblur": 0.5}, {"restart": 1.0}], ids=str)
def test_options_without_effect_are_in_no_key(options):
    assert keys_of(options=options) == BASE


def test_only_a_stage_that_starts_elsewhere_has_another_key():
    assert count_shared_stages(keys_of(options={"restart_stages": (1, 1, 0.7)})) == 2
    assert keys_of(options={"restart_stages": (1, 0.7, 0.7)}) == keys_of(options={"restart": 0.7})
    assert keys_of(method="sdedit", options={"restart": 0.6}) == keys_of(method="sdedit")


def test_the_side_of_blocks_is_in_the_keys_of_relay_alone():
    for method, is_part in (("relay", True), ("sdedit", False), ("demofusion", False)):
        stage = plan(Recipe(method=method, scales=(1, 2), scheduler="ddim"), FACTS).stages[1]
        key, other = keys.stage_key(stage, ""), keys.stage_key(replace(stage, block_side=5), "")
        assert (key != other) == is_part, method


def test_keys_with_a_noise_source_are_unique():
    assert keys.unique_key() != keys.unique_key()
