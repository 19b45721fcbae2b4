"""Tests of the looks, which set several settings at once."""

from dataclasses import replace

import pytest

from engine import Recipe
from tests.support.planning import make_facts
from ui.settings.looks import COMPLAINT_OF_LOOK, LOOK_SETTINGS, apply_look, find_look
from ui.text import words

FACTS = make_facts()


@pytest.mark.parametrize("look", COMPLAINT_OF_LOOK)
def test_a_look_is_found_again_in_its_settings(look):
    assert find_look(apply_look(Recipe(), look, FACTS), FACTS) == look


@pytest.mark.parametrize("look", COMPLAINT_OF_LOOK)
def test_a_look_does_not_depend_on_the_look_before(look):
    strange = Recipe(alpha1=0.5, alpha3=4, sigma1=2)
    assert apply_look(strange, look, FACTS) == apply_look(Recipe(), look, FACTS)


def test_looks_differ():
    assert len({apply_look(Recipe(), look, FACTS) for look in COMPLAINT_OF_LOOK}) == len(COMPLAINT_OF_LOOK)


def test_looks_change_what_their_names_say():
    changes = {
        look: {
            name: getattr(apply_look(Recipe(), look, FACTS), name)
            for name in LOOK_SETTINGS
            if getattr(apply_look(Recipe(), look, FACTS), name) != getattr(Recipe(), name)
        }
        for look in COMPLAINT_OF_LOOK
    }
    assert changes == {
        "balanced": {},
        "close": {"alpha1": 2},
        "inventive": {"alpha1": 4},
        "crisp": {"alpha3": 1.5, "sigma1": 0.55},
        "calm": {"sigma1": 1.2, "alpha2": 1.5},
    }


def test_other_settings_are_left_alone():
    recipe = Recipe(prompt="a boat", seed=3, guidance=7, steps=20, economy=0)
    assert apply_look(recipe, "crisp", FACTS) == replace(recipe, alpha3=1.5, sigma1=0.55)


def test_changed_settings_are_no_look():
    assert find_look(Recipe(alpha1=2.5), FACTS) is None


def test_the_distance_of_windows_belongs_to_no_look():
    assert find_look(Recipe(stride=FACTS.window // 4), FACTS) == "balanced"
    assert apply_look(Recipe(stride=4), "close", FACTS).stride == 4


def test_every_look_has_a_title():
    assert list(words.LOOK_TITLES) == list(COMPLAINT_OF_LOOK)
