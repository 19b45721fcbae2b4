"""Find the image files of a stored recipe. No torch.

A stored recipe names its images by digest. To plan or run the recipe, the digests are replaced by paths.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from engine import errors
from engine.errors import BadRecipe
from engine.recipe.controls import Control
from engine.recipe.recipe import Recipe

# A function that returns the path of an image from a recipe (a digest or a path); None if there is no such image.
FindImage = Callable[[Any], Any]


def with_files(recipe: Recipe, find: FindImage) -> Recipe:
    """Return the recipe with its start image and control images replaced by the paths that `find` returns.

    Raise BadRecipe for an image that is not found.
    """
    image = recipe.image
    if image is not None:
        image = _find_file(image, find, "image", errors.PICTURE_GONE)
    controls = tuple(_control_with_file(control, find) for control in recipe.controls)
    return replace(recipe, image=image, controls=controls)


def _control_with_file(control: Control, find: FindImage) -> Control:
    """Return a control with its image replaced by a path. An invalid control is returned unchanged."""
    if not isinstance(control, Control) or control.image is None:
        return control
    return replace(control, image=_find_file(control.image, find, "controls", errors.CONTROL_PICTURE_GONE))


def _find_file(image: object, find: FindImage, field: str, sentence: str) -> Any:
    """Return the path of an image; raise BadRecipe(field, sentence) if it is not found."""
    file = find(image)
    if file is None:
        raise BadRecipe(field, sentence)
    return os.fspath(file) if isinstance(file, os.PathLike) else file
