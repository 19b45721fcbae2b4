"""Read a recipe from the record in a PNG, or from JSON. Neither is trusted. No torch."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine import errors
from engine.errors import BadRecipe, short_repr
from engine.recipe.checks import check, check_value
from engine.recipe.image_headers import UnusualImage, find_format
from engine.recipe.png_text import BrokenText, read_text
from engine.recipe.recipe import DEFAULTS, SETTINGS, Recipe, from_dict

# The name of the PNG text chunk, and of the metadata entry in a latents file, that contain a stage's record.
RECORD_NAME = "demofusion"
# The engine's version, which is written into records.
ENGINE_VERSION = "0.3.0"
# The longest JSON that is read, in bytes; a recipe has about two thousand.
MAX_JSON_LENGTH = 1 << 18
# The deepest nesting of lists and mappings that is read; a recipe has a depth of four.
MAX_DEPTH = 20
# The largest number of unknown or invalid names that are reported.
MAX_UNKNOWN_NAMES = 8
# The number of characters after which a reported name is cut off.
MAX_NAME_LENGTH = 40


@dataclass(frozen=True)
class Recalled:
    """The result of reading a recipe."""

    # The recipe, with defaults for values that are invalid.
    recipe: Recipe
    # The names of the values that are unknown or invalid.
    strange: tuple[str, ...] = ()
    # The record that contained the recipe and says how the image was made; empty if the recipe had no record.
    record: Mapping[str, Any] = field(default_factory=dict)


def recall(path: str | os.PathLike[str]) -> Recalled:
    """Read a recipe from a PNG that this program made, or from a JSON file.

    Raise BadRecipe if the file contains no recipe or cannot be read.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            start = file.read(MAX_JSON_LENGTH + 1)
    except OSError as fault:
        raise BadRecipe("recipe", errors.RECALL_UNREADABLE.format(name=short_repr(path.name))) from fault
    if start.startswith(b"\x89PNG"):
        return recall_json(_read_record(path))
    if _is_image(path):
        raise BadRecipe("recipe", errors.RECALL_NONE)
    if len(start) > MAX_JSON_LENGTH:
        raise BadRecipe("recipe", errors.RECALL_TOO_LARGE)
    try:
        return recall_json(start.decode("utf-8"))
    except UnicodeDecodeError as fault:
        raise BadRecipe("recipe", errors.RECALL_UNREADABLE.format(name=short_repr(path.name))) from fault


def recall_json(text: str) -> Recalled:
    """Read a recipe from JSON: a mapping of its settings, or a record with such a mapping under "recipe".

    Raise BadRecipe if the text is neither.
    """
    if len(text) > MAX_JSON_LENGTH:
        raise BadRecipe("recipe", errors.RECALL_TOO_LARGE)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise BadRecipe("recipe", errors.RECALL_NOT_JSON) from fault
    if _is_too_deep(values):
        raise BadRecipe("recipe", errors.RECALL_NOT_JSON)
    record: Mapping[str, Any] = {}
    if isinstance(values, Mapping) and isinstance(values.get("recipe"), Mapping):
        record, values = values, values["recipe"]
    if not isinstance(values, Mapping) or not set(values) & set(SETTINGS):
        raise BadRecipe("recipe", errors.NOT_A_RECIPE)
    recipe, strange = _keep_valid_values(values)
    return Recalled(recipe, strange, record)


def _is_too_deep(values: object) -> bool:
    """Return whether lists and mappings are nested deeper than MAX_DEPTH; does not recurse."""
    nested = [values]
    for _ in range(MAX_DEPTH):
        nested = [child for value in nested for child in _children(value)]
    return bool(nested)


def _children(value: object) -> list[object]:
    """Return the values in a mapping or a list; none for any other value."""
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []


def _keep_valid_values(values: Mapping[str, Any]) -> tuple[Recipe, tuple[str, ...]]:
    """Return a recipe of the valid values, with defaults for the others, and the names that are not valid."""
    unchecked, unknown = from_dict(values)
    strange = list(unknown)
    recipe = DEFAULTS
    for name in SETTINGS:
        if name not in values:
            continue
        try:
            recipe = replace(recipe, **{name: check_value(name, getattr(unchecked, name))})
        except BadRecipe:
            strange.append(name)
    try:
        check(recipe)
    except BadRecipe:  # The two sigmas are the only valid values that can contradict each other.
        strange += ["sigma1", "sigma2"]
        recipe = replace(recipe, sigma1=DEFAULTS.sigma1, sigma2=DEFAULTS.sigma2)
    unique = list(dict.fromkeys(strange))
    return recipe, tuple(_printable(name) for name in unique[:MAX_UNKNOWN_NAMES])


def _printable(name: str) -> str:
    """Return a name from an untrusted file in a form that can be shown: without lone surrogates, and cut off."""
    name = name.encode(errors="replace").decode()
    return name if len(name) <= MAX_NAME_LENGTH else name[:MAX_NAME_LENGTH] + "…"


def _read_record(path: Path) -> str:
    """Return the record in a PNG as JSON text, without decoding the px; raise BadRecipe if there is none."""
    try:
        with open(path, "rb") as file:
            text = read_text(file, RECORD_NAME, MAX_JSON_LENGTH + 1)
    except (OSError, BrokenText) as fault:
        raise BadRecipe("recipe", errors.RECALL_UNREADABLE.format(name=short_repr(path.name))) from fault
    if text is None:
        raise BadRecipe("recipe", errors.RECALL_NONE)
    return text


def _is_image(path: Path) -> bool:
    """Return whether a file begins as an image does."""
    try:
        with open(path, "rb") as file:
            find_format(file)
    except (OSError, UnusualImage):
        return False
    return True
