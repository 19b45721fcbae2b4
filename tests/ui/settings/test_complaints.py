"""Complaints about a picture, and the changes of settings that answer them."""

from dataclasses import replace

import pytest

from engine import Recipe, plan
from engine.recipe.checks import check
from tests.support.planning import make_facts
from ui.settings.complaints import COMPLAINT_MOVES, adjust_for_complaint, describe_changes

TOY = make_facts(window=32, channels=8)


def complain(complaint, times=1, **recipe):
    adjusted = adjust_for_complaint(Recipe(**recipe), complaint, TOY)
    for _ in range(times - 1):
        adjusted = adjust_for_complaint(adjusted.recipe, complaint, TOY)
    return adjusted


@pytest.mark.parametrize(
    ("complaint", "recipe", "words"),
    [
        ("grainy", {}, "σ₁ 0.8 → 1.2, α₂ 1 → 1.5"),
        ("grainy", {"sigma1": 2, "alpha2": 5, "kernel": "code"}, "Smoothing width code → paper"),
        ("grainy", {"sigma1": 0, "sigma2": 0, "alpha2": 5}, "σ₁ 0 → 0.05"),
        ("repeats", {}, "α₂ 1 → 0.7, α₁ 3 → 2.5"),
        ("repeats", {"dilated": False}, "α₂ 1 → 0.7, α₁ 3 → 2.5, Look at the whole off → on"),
        ("soft", {}, "α₃ 1 → 1.5, σ₁ 0.8 → 0.55"),
        ("soft", {"sigma1": 0, "sigma2": 0}, "α₃ 1 → 1.5"),
        ("drifts", {}, "α₁ 3 → 2"),
        ("drifts", {"skip_residual": False}, "α₁ 3 → 2, Follow the smaller picture off → on"),
        ("stiff", {}, "α₁ 3 → 4"),
        ("stiff", {"alpha1": 4.5}, "α₁ 4.5 → 5"),
        ("seams", {}, "Window step (stride) 16 → 8"),
        (
            "seams",
            {"stride": 1, "feather": False, "jitter": False},
            "Soft window edges off → on, Shake the windows off → on",
        ),
    ],
)
def test_a_complaint_moves_the_present_values(complaint, recipe, words):
    assert describe_changes(complain(complaint, **recipe).changes) == words


def test_a_second_press_goes_further():
    assert describe_changes(complain("grainy", 2).changes) == "σ₁ 1.2 → 1.8, α₂ 1.5 → 2"


def test_the_recipe_holds_the_changes_and_nothing_else():
    assert complain("grainy").recipe == replace(Recipe(), sigma1=1.2, alpha2=1.5)


@pytest.mark.parametrize("complaint", COMPLAINT_MOVES)
def test_every_complaint_comes_to_an_end_and_stays_a_recipe(complaint):
    recipe, presses = Recipe(kernel="code", dilated=False, feather=False, scales=(1, 2)), 0
    while (adjusted := adjust_for_complaint(recipe, complaint, TOY)).changes:
        recipe, presses = check(adjusted.recipe), presses + 1
        assert plan(recipe, TOY)
        assert presses < 30
    assert adjusted.recipe == recipe
    assert describe_changes(adjusted.changes) == ""


def test_smoothing_at_first_stays_above_smoothing_at_last():
    assert complain("soft", 9, sigma1=0.9, sigma2=0.42).recipe.sigma1 == 0.45


def test_a_value_between_the_steps_of_its_slider_moves_onto_one():
    assert describe_changes(complain("stiff", alpha1=3.14159).changes) == "α₁ 3.14159 → 4.1"


def test_a_stride_wider_than_the_window_is_halved_from_the_window():
    assert describe_changes(complain("seams", stride=128).changes) == "Window step (stride) 32 → 16"


def test_what_has_no_effect_is_not_moved():
    assert not complain("stiff", skip_residual=False).changes
    assert not complain("soft", dilated=False).changes
    assert not complain("grainy", dilated=False, kernel="code").changes
