"""Tests of the complaints about a picture and of the changes of settings that each one makes."""

from dataclasses import replace

import pytest

from engine import Recipe, plan
from engine.recipe.checks import check
from tests.support.planning import make_facts
from ui.settings.complaints import COMPLAINT_ADJUSTERS, adjust_for_complaint, describe_changes

TOY = make_facts(window=32, channels=8)


def complain(complaint, times=1, **recipe):
    """Apply a complaint so many times to a recipe; return the last adjustment."""
    adjusted = adjust_for_complaint(Recipe(**recipe), complaint, TOY)
    for _ in range(times - 1):
        adjusted = adjust_for_complaint(adjusted.recipe, complaint, TOY)
    return adjusted


@pytest.mark.parametrize(
    ("complaint", "recipe", "expected"),
    [
        ("grainy", {}, "σ₁ 0.8 → 1.2, α₂ 1 → 1.5"),
        ("grainy", {"sigma1": 2, "alpha2": 5, "kernel": "code"}, "Smoothing width code → paper"),
        ("grainy", {"sigma1": 0, "sigma2": 0, "alpha2": 5}, "σ₁ 0 → 0.05"),
        ("repeats", {}, "α₂ 1 → 0.7, α₁ 3 → 2.5"),
        ("repeats", {"dilated": False}, "α₂ 1 → 0.7, α₁ 3 → 2.5, Use the overview off → on"),
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
            "Feather window edges off → on, Jitter windows off → on",
        ),
    ],
)
def test_a_complaint_changes_the_present_values(complaint, recipe, expected):
    assert describe_changes(complain(complaint, **recipe).changes) == expected


def test_the_same_complaint_again_changes_the_values_further():
    assert describe_changes(complain("grainy", 2).changes) == "σ₁ 1.2 → 1.8, α₂ 1.5 → 2"


def test_the_adjusted_recipe_has_the_changes_and_no_others():
    assert complain("grainy").recipe == replace(Recipe(), sigma1=1.2, alpha2=1.5)


@pytest.mark.parametrize("complaint", COMPLAINT_ADJUSTERS)
def test_every_complaint_stops_changing_the_recipe_which_stays_valid(complaint):
    recipe, presses = Recipe(kernel="code", dilated=False, feather=False, scales=(1, 2)), 0
    while (adjusted := adjust_for_complaint(recipe, complaint, TOY)).changes:
        recipe, presses = check(adjusted.recipe), presses + 1
        assert plan(recipe, TOY)
        assert presses < 30
    assert adjusted.recipe == recipe
    assert describe_changes(adjusted.changes) == ""


def test_sigma1_is_not_moved_below_sigma2():
    assert complain("soft", 9, sigma1=0.9, sigma2=0.42).recipe.sigma1 == 0.45


def test_a_value_between_two_slider_steps_is_moved_onto_a_step():
    assert describe_changes(complain("stiff", alpha1=3.14159).changes) == "α₁ 3.14159 → 4.1"


def test_a_stride_larger_than_the_window_is_replaced_by_half_the_window():
    assert describe_changes(complain("seams", stride=128).changes) == "Window step (stride) 32 → 16"


def test_settings_without_effect_are_not_changed():
    assert not complain("stiff", skip_residual=False).changes
    assert not complain("soft", dilated=False).changes
    assert not complain("grainy", dilated=False, kernel="code").changes
