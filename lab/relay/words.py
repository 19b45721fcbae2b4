"""The four words that condition the first stage, as indices."""

import re

from lab.world.scenery import GROUNDS, SKIES
from lab.world.scenes import COLOURS, Scene
from lab.world.subjects import SUBJECTS

# The words of each kind, by the name of the scene's field.
WORDS = {"subject": tuple(SUBJECTS), "colour": tuple(COLOURS), "ground": tuple(GROUNDS), "sky": tuple(SKIES)}
# The index for no word of a kind.
NO_WORD = -1


def scene_words(scene: Scene) -> list[int]:
    """Return the index of each of a scene's four words."""
    return [names.index(getattr(scene, field)) for field, names in WORDS.items()]


def prompt_words(prompt: str) -> list[int]:
    """Return the index of the first word of each kind in a prompt, and NO_WORD where there is none."""
    found = []
    for names in WORDS.values():
        match = re.search(rf"\b({'|'.join(map(re.escape, names))})\b", prompt.lower())
        found.append(names.index(match[1]) if match else NO_WORD)
    return found
