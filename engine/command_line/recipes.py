"""Make the recipe of a run from the arguments of the command line. No torch.

Values are not validated here, except that a file must hold a recipe: engine/recipe/checks.py does it, with the same
messages as everywhere. A text that is not of its setting's kind therefore stays a text.
"""

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from engine import errors
from engine.command_line.arguments import suggest
from engine.errors import BadRecipe, short_repr
from engine.recipe.checks import check
from engine.recipe.controls import CONTROL_SETTINGS
from engine.recipe.fields import Setting
from engine.recipe.options import OPTIONS
from engine.recipe.recall import MAX_JSON_LENGTH, recall
from engine.recipe.recipe import DEFAULTS, SETTINGS, Recipe, from_dict


class RequestedRecipe(NamedTuple):
    """A recipe, and what was left out of it."""

    # The checked recipe.
    recipe: Recipe
    # Names in the picture's record that are unknown, or whose values are not allowed.
    ignored: tuple[str, ...] = ()


def build_recipe(arguments: Namespace) -> RequestedRecipe:
    """Return the recipe of the file in `--recipe`, changed by the other arguments; raise BadRecipe if it is wrong."""
    start = read_recipe(Path(arguments.recipe)) if arguments.recipe else RequestedRecipe(DEFAULTS)
    given = vars(arguments)
    changes = {name: parse_setting(name, given[name]) for name in SETTINGS if name in given}
    options = {name: parse_value(OPTIONS[name], given[name]) for name in OPTIONS if name in given}
    if options:
        changes["options"] = dict(start.recipe.options) | options
    return RequestedRecipe(check(replace(start.recipe, **changes)), start.ignored)


def read_recipe(path: Path) -> RequestedRecipe:
    """Return the recipe in a file of settings (.json) or in a picture; raise BadRecipe if it holds none.

    A file of settings may contain paths, and a wrong value in it is an error. From a picture, which may come from
    another version or from someone else, values that are not valid are left out.
    """
    if path.suffix.lower() == ".json":
        return RequestedRecipe(_read_json(path))
    recalled = recall(path)
    return RequestedRecipe(recalled.recipe, recalled.strange)


def _read_json(path: Path) -> Recipe:
    """Return the checked recipe in a file of settings."""
    try:
        if path.stat().st_size > MAX_JSON_LENGTH:
            raise BadRecipe("recipe", errors.RECALL_TOO_LARGE)
        values = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(values, Mapping) and isinstance(values.get("recipe"), Mapping):
            values = values["recipe"]  # The record in a picture has this form.
        recipe, unknown = from_dict(values)
    except OSError as fault:
        raise BadRecipe("recipe", errors.RECALL_UNREADABLE.format(name=short_repr(path.name))) from fault
    except (ValueError, RecursionError) as fault:
        raise BadRecipe("recipe", errors.RECALL_NOT_JSON) from fault
    if unknown:
        suggestion = suggest(unknown[0], SETTINGS)
        sentence = errors.UNKNOWN_SETTING.format(name=short_repr(unknown[0]), suggestion=suggestion)
        raise BadRecipe("recipe", sentence)
    return check(recipe)


def parse_setting(name: str, value: Any) -> Any:
    """Return the value of a recipe's setting from an argument."""
    if name == "controls":
        return tuple(_parse_control(text) for text in value)
    if name == "loras":
        return tuple(_parse_lora(text) for text in value)
    return parse_value(SETTINGS[name], value)


def parse_value(setting: Setting, value: Any) -> Any:
    """Return the value of a setting of any other kind. For numbers an empty text means "not given"."""
    match setting.kind:
        case "number" | "integer":
            return None if setting.optional and not value.strip() else _parse_number(value)
        case "scales" | "numbers":
            return tuple(_parse_number(part) for part in value.replace(",", " ").split())
    return value


def _parse_number(text: str) -> int | float | str:
    """Return a text as a number; the text itself if it is none."""
    for number_type in (int, float):
        try:
            return number_type(text)
        except ValueError:
            continue
    return text


def _parse_control(text: str) -> dict[str, Any]:
    """Return a control's settings from KIND=FILE or from JSON; raise BadRecipe if the text is neither."""
    refusal = BadRecipe("controls", errors.NOT_A_CONTROL_ARGUMENT.format(value=short_repr(text)))
    if text.lstrip().startswith("{"):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as fault:
            raise refusal from fault
        unknown = [name for name in values if name not in CONTROL_SETTINGS]
        if unknown:
            suggestion = suggest(unknown[0], CONTROL_SETTINGS)
            sentence = errors.UNKNOWN_SETTING.format(name=short_repr(unknown[0]), suggestion=suggestion)
            raise BadRecipe("controls", sentence)
        return values
    kind, equals, file = text.partition("=")
    if not equals:
        raise refusal
    return {"kind": kind, "image": file}


def _parse_lora(text: str) -> tuple[str, Any]:
    """Return a LoRA's (name, strength) from NAME=STRENGTH, or from NAME alone, whose strength is 1."""
    name, equals, strength = text.rpartition("=")
    return (name, _parse_number(strength)) if equals else (text, 1.0)
