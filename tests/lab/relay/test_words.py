"""Words of prompts and of scenes."""

import pytest

from lab.relay.words import NO_WORD, WORDS, prompt_words, scene_words
from lab.world.scenes import make_scene, phrases


def test_a_prompt_names_subject_colour_ground_and_sky():
    kinds = list(WORDS.values())
    found = prompt_words("A red house on autumn leaves at night")
    assert [names[k] for names, k in zip(kinds, found, strict=True)] == [
        "house",
        "red",
        "autumn leaves",
        "night",
    ]


def test_words_that_a_prompt_lacks_are_left_out():
    assert prompt_words("a windmill") == [WORDS["subject"].index("windmill"), NO_WORD, NO_WORD, NO_WORD]
    assert prompt_words("reddish catnip") == [NO_WORD] * 4


@pytest.mark.parametrize("seed", range(12))
def test_all_phrases_of_a_scene_give_the_scenes_words(seed):
    scene = make_scene(seed)
    assert all(prompt_words(phrase) == scene_words(scene) for phrase in phrases(scene))
