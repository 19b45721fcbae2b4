"""The pictures of a recipe as files. No torch.

A recipe that was stored names its pictures by their digests; to be planned or run it needs their files.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from engine import errors
from engine.errors import BadRecipe
from engine.recipe.controls import Control
from engine.recipe.recipe import Recipe

# Returns the file of a picture that a recipe names (by digest or path), or None if there is no such picture.
FindImage = Callable[[Any], Any]


def with_files(recipe: Recipe, find: FindImage) -> Recipe:
    """Return the recipe with its start image and control images as the files that `find` returns.

    Raises BadRecipe for a picture that is not found.
    """
    image = recipe.image
    if image is not None:
        image = _file(image, find, "image", errors.PICTURE_GONE)
    controls = tuple(_control_with_file(control, find) for control in recipe.controls)
    return replace(recipe, image=image, controls=controls)


def _control_with_file(control: Any, find: FindImage) -> Any:
    """Return the control with its image as a file; an incomplete one is left to the checks of a recipe."""
    if not isinstance(control, Control) or control.image is None:
        return control
    return replace(control, image=_file(control.image, find, "controls", errors.CONTROL_PICTURE_GONE))


def _file(image: Any, find: FindImage, field: str, sentence: str) -> Any:
    file = find(image)
    if file is None:
        raise BadRecipe(field, sentence)
    return os.fspath(file) if isinstance(file, os.PathLike) else file
