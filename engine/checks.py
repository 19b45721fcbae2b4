"""Is every value of a recipe of its kind and within its range? Asks only what its settings say."""

import math
from dataclasses import replace
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

from engine import errors
from engine.errors import BadRecipe
from engine.recipe import LONGEST_PROMPT, SETTINGS, Recipe, Setting


def clean(recipe: Recipe) -> Recipe:
    """The recipe with every value of its own kind and within its range, or BadRecipe."""
    values = {name: _checked(name, setting, getattr(recipe, name)) for name, setting in SETTINGS.items()}
    if values["sigma1"] < values["sigma2"]:
        raise BadRecipe("sigma1", errors.SIGMAS.format(sigma1=recipe.sigma1, sigma2=recipe.sigma2))
    return replace(recipe, **values)


def _checked(name: str, setting: Setting, value: Any) -> Any:
    if value is None and setting.optional:
        return None
    return _CHECKS[setting.kind](name, setting, value)


def _text(name: str, setting: Setting, value: Any) -> str:
    if not isinstance(value, str):
        raise BadRecipe(name, errors.NOT_TEXT.format(field=name))
    if len(value) > LONGEST_PROMPT:
        raise BadRecipe(name, errors.TOO_LONG.format(field=name, count=len(value), limit=LONGEST_PROMPT))
    return value


def _number(name: str, setting: Setting, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise BadRecipe(name, errors.NOT_A_NUMBER.format(field=name, value=value))
    if not setting.low <= value <= setting.high:
        low, high = f"{setting.low:g}", f"{setting.high:.0f}" if setting.high > 1e5 else f"{setting.high:g}"
        raise BadRecipe(name, errors.OUT_OF_RANGE.format(field=name, value=value, low=low, high=high))
    return float(value)


def _integer(name: str, setting: Setting, value: Any) -> int:
    _number(name, setting, value)
    if not isinstance(value, Integral) and value != int(value):
        raise BadRecipe(name, errors.NOT_WHOLE.format(field=name, value=value))
    return int(value)


def _flag(name: str, setting: Setting, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadRecipe(name, errors.NOT_A_FLAG.format(field=name, value=value))
    return value


def _choice(name: str, setting: Setting, value: Any) -> str:
    if value not in setting.choices:
        known = ", ".join(filter(None, setting.choices))
        raise BadRecipe(name, errors.UNKNOWN_CHOICE.format(field=name, value=value, known=known))
    return value


def _scales(name: str, setting: Setting, value: Any) -> tuple[float, ...]:
    if not isinstance(value, tuple):
        raise BadRecipe(name, errors.SCALES_RISE.format(scales=value))
    for scale in value:
        if isinstance(scale, bool) or not isinstance(scale, Real) or not math.isfinite(scale):
            raise BadRecipe(name, errors.NOT_A_NUMBER.format(field=name, value=scale))
    if value and (value[0] <= 0 or any(a >= b for a, b in pairwise(value))):
        raise BadRecipe(name, errors.SCALES_RISE.format(scales=", ".join(f"{s:g}" for s in value)))
    return tuple(map(float, value))


def _later(name: str, setting: Setting, value: Any) -> Any:
    if value:
        raise BadRecipe(name, errors.NOT_YET.format(field=name))
    return value


def _options(name: str, setting: Setting, value: Any) -> Any:
    if value == ():
        return value
    names = ", ".join(str(option[0]) for option in value) if isinstance(value, tuple) else repr(value)
    raise BadRecipe(name, errors.UNKNOWN_OPTION.format(names=names))


_CHECKS = {
    "text": _text, "number": _number, "integer": _integer, "flag": _flag,
    "choice": _choice, "scales": _scales, "later": _later, "options": _options,
}  # fmt: skip
