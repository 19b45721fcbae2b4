"""Recipes read back from a picture's text or from JSON, which may come from anywhere. No torch."""

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from engine import errors
from engine.errors import BadRecipe, short
from engine.recipe.checks import check, check_value
from engine.recipe.recipe import DEFAULTS, SETTINGS, Recipe, from_dict
from engine.runs.store import RECORD

ENGINE = "0.2"
"""The engine's version, as pictures tell it."""
LONGEST = 1 << 20
"""Bytes of JSON that are read; a recipe has about two thousand."""
DEEPEST = 20
"""Lists within lists; a recipe has four."""
NAMED = 8
"""Names that are told at most; nobody reads a hundred."""


@dataclass(frozen=True)
class Recalled:
    """A recipe, the names of what could not be understood in it, and what was really run, if told."""

    recipe: Recipe
    strange: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)


def recall(path: str | os.PathLike[str]) -> Recalled:
    """The recipe in a PNG that was made here, or in a JSON file; BadRecipe says what is wrong."""
    path = Path(path)
    try:
        with open(path, "rb") as file:
            start = file.read(LONGEST + 1)
    except OSError as fault:
        raise BadRecipe("recipe", errors.RECALL_UNREADABLE.format(name=short(path.name))) from fault
    if start.startswith(b"\x89PNG"):
        return recall_json(_text_of(path))
    if _is_picture(path):
        raise BadRecipe("recipe", errors.RECALL_NONE)
    if len(start) > LONGEST:
        raise BadRecipe("recipe", errors.RECALL_LARGE)
    try:
        return recall_json(start.decode("utf-8"))
    except UnicodeDecodeError as fault:
        raise BadRecipe("recipe", errors.RECALL_UNREADABLE.format(name=short(path.name))) from fault


def recall_json(text: str) -> Recalled:
    """The recipe in JSON: its values alone, or a record that holds them under "recipe"."""
    if len(text) > LONGEST:
        raise BadRecipe("recipe", errors.RECALL_LARGE)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise BadRecipe("recipe", errors.RECALL_JSON) from fault
    if _is_deep(values):
        raise BadRecipe("recipe", errors.RECALL_JSON)
    record = values if isinstance(values, Mapping) and isinstance(values.get("recipe"), Mapping) else {}
    values = record.get("recipe", values)
    if not isinstance(values, Mapping) or not set(values) & set(SETTINGS):
        raise BadRecipe("recipe", errors.NOT_A_RECIPE)
    recipe, strange = _sound(values)
    return Recalled(recipe, strange, record)


def _is_deep(values: Any) -> bool:
    """Whether lists and mappings lie within each other more often than any recipe's; without recursion."""
    layer = [values]
    for _ in range(DEEPEST):
        layer = [inner for value in layer for inner in _inside(value)]
    return bool(layer)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []


def _sound(values: Mapping[str, Any]) -> tuple[Recipe, tuple[str, ...]]:
    """What can be understood, value by value, and the names of the rest."""
    read, foreign = from_dict(values)
    strange = list(foreign)
    sound = DEFAULTS
    for name in SETTINGS:
        if name not in values:
            continue
        try:
            sound = replace(sound, **{name: check_value(name, getattr(read, name))})
        except BadRecipe:
            strange.append(name)
    try:
        check(sound)
    except BadRecipe:
        strange += ["sigma1", "sigma2"]
        sound = replace(sound, sigma1=DEFAULTS.sigma1, sigma2=DEFAULTS.sigma2)
    printable = (name.encode(errors="replace").decode() for name in dict.fromkeys(strange))
    return sound, tuple(name if len(name) <= 40 else name[:40] + "…" for name in printable)[:NAMED]


def _text_of(path: Path) -> str:
    """The record in a PNG. Its pixels are not decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=["PNG"]) as picture:
                text = picture.info.get(RECORD)
    except Exception as fault:
        raise BadRecipe("recipe", errors.RECALL_UNREADABLE.format(name=short(path.name))) from fault
    if not isinstance(text, str):
        raise BadRecipe("recipe", errors.RECALL_NONE)
    return text


def _is_picture(path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.open(path).close()
    except Exception:
        return False
    return True
