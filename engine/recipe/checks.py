"""Is every value of a recipe of its kind and within its range? Asks only what its settings say."""

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from numbers import Real
from typing import Any

from engine import errors
from engine.catalogue.entries import lora_names
from engine.errors import BadRecipe, short
from engine.recipe import images
from engine.recipe.controls import CONTROL_SETTINGS, MOST_CONTROLS, MOST_STAGES, STRONGEST, Control
from engine.recipe.fields import Setting
from engine.recipe.options import OPTIONS, Options, changed
from engine.recipe.recipe import LONGEST_PROMPT, MOST_LORAS, MOST_SCALES, SETTINGS, STRONGEST_LORA, Recipe


def check(recipe: Recipe) -> Recipe:
    """The recipe with every value of its own kind and within its range, or BadRecipe."""
    values = {name: _checked(name, getattr(recipe, name)) for name in SETTINGS}
    if values["sigma1"] < values["sigma2"]:
        sentence = errors.SIGMAS.format(sigma1=values["sigma1"], sigma2=values["sigma2"])
        raise BadRecipe("sigma1", sentence, {"sigma1": values["sigma2"]})
    return replace(recipe, **values)


def check_value(name: str, value: Any) -> Any:
    """One value, which may come from anywhere, of its own kind and within its range, or BadRecipe.

    It names no file: what comes from elsewhere tells a picture by its digest, a LoRA by its listed name.
    """
    if SETTINGS[name].kind == "picture" and value is not None and not images.is_digest(value):
        raise BadRecipe(name, errors.PICTURE_NAMED.format(value=short(value)))
    value = _checked(name, value)
    if SETTINGS[name].kind == "loras":
        _check_listed(value)
    if SETTINGS[name].kind == "controls":
        _check_foreign(value)
    return value


def _checked(name: str, value: Any, settings: Mapping[str, Setting] = SETTINGS) -> Any:
    setting = settings[name]
    if value is None and setting.optional:
        return None
    return _CHECKS[setting.kind](name, setting, value)


def _text(name: str, setting: Setting, value: Any) -> str:
    if not isinstance(value, str) or value != value.encode(errors="replace").decode():
        raise BadRecipe(name, errors.NOT_TEXT.format(field=name))
    if len(value) > LONGEST_PROMPT:
        raise BadRecipe(name, errors.TOO_LONG.format(field=name, count=len(value), limit=LONGEST_PROMPT))
    return value


def _finite(name: str, value: Any) -> float:
    """The value as a float; a boolean, text, NaN, infinity and what no float can hold are refused."""
    try:
        if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass
    raise BadRecipe(name, errors.NOT_A_NUMBER.format(field=name, value=short(value)))


def _number(name: str, setting: Setting, value: Any) -> float:
    number = _finite(name, value)
    if not setting.low <= number <= setting.high:
        low, high = f"{setting.low:.10g}", f"{setting.high:.10g}"
        raise BadRecipe(name, errors.OUT_OF_RANGE.format(field=name, value=short(value), low=low, high=high))
    return number


def _integer(name: str, setting: Setting, value: Any) -> int:
    number = _number(name, setting, value)
    if number != int(number):
        raise BadRecipe(name, errors.NOT_WHOLE.format(field=name, value=short(value)))
    return int(value)


def _flag(name: str, setting: Setting, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadRecipe(name, errors.NOT_A_FLAG.format(field=name, value=short(value)))
    return value


def _choice(name: str, setting: Setting, value: Any) -> str:
    if not isinstance(value, str) or value not in setting.choices:
        known = ", ".join(filter(None, setting.choices))
        raise BadRecipe(name, errors.UNKNOWN_CHOICE.format(field=name, value=short(value), known=known))
    return value


def _scales(name: str, setting: Setting, value: Any) -> tuple[float, ...]:
    if not isinstance(value, tuple):
        raise BadRecipe(name, errors.SCALES_RISE.format(scales=short(value)))
    if len(value) > MOST_SCALES:
        raise BadRecipe(name, errors.SCALES_MANY.format(count=len(value), limit=MOST_SCALES))
    scales = tuple(_finite(name, scale) for scale in value)
    if scales and (scales[0] <= 0 or any(a >= b for a, b in pairwise(scales))):
        raise BadRecipe(name, errors.SCALES_RISE.format(scales=short(", ".join(f"{s:g}" for s in scales))))
    return scales


def _picture(name: str, setting: Setting, value: Any) -> str:
    """A path, or a digest; whether a picture is there is seen by whoever opens it."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadRecipe(name, errors.NOT_A_PICTURE.format(value=short(value)))
    return value


def _loras(name: str, setting: Setting, value: Any) -> tuple[tuple[str, float], ...]:
    """Pairs of a name, or a file, and how strongly it is felt."""
    if not isinstance(value, tuple):
        raise BadRecipe(name, errors.LORA_PAIRS.format(value=short(value)))
    if len(value) > MOST_LORAS:
        raise BadRecipe(name, errors.LORA_MANY.format(count=len(value), limit=MOST_LORAS))
    return tuple(_lora(name, pair) for pair in value)


def _lora(name: str, pair: Any) -> tuple[str, float]:
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise BadRecipe(name, errors.LORA_PAIRS.format(value=short(pair)))
    source = os.fspath(pair[0]) if isinstance(pair[0], os.PathLike) else pair[0]
    if not isinstance(source, str) or not source or "\0" in source:
        raise BadRecipe(name, errors.LORA_PAIRS.format(value=short(pair)))
    strength = _finite(name, pair[1])
    if abs(strength) > STRONGEST_LORA:
        low, high = -STRONGEST_LORA, STRONGEST_LORA
        sentence = errors.OUT_OF_RANGE.format(field=name, value=short(pair[1]), low=low, high=high)
        raise BadRecipe(name, sentence)
    return source, strength


def _check_listed(loras: tuple[tuple[str, float], ...]) -> None:
    for source, _ in loras:
        if source not in lora_names():
            known = ", ".join(lora_names())
            raise BadRecipe("loras", errors.LORA_NAMED.format(source=short(source), known=known))


def _controls(name: str, setting: Setting, value: Any) -> tuple[Control, ...]:
    if not isinstance(value, tuple):
        raise BadRecipe(name, errors.CONTROLS_ARE.format(value=short(value)))
    if len(value) > MOST_CONTROLS:
        raise BadRecipe(name, errors.CONTROLS_MANY.format(count=len(value), limit=MOST_CONTROLS))
    return tuple(_control(name, control) for control in value)


def _control(name: str, control: Any) -> Control:
    """A control with sound values; what is wrong in it is told as wrong in `controls`."""
    if not isinstance(control, Control):
        raise BadRecipe(name, errors.CONTROLS_ARE.format(value=short(control)))
    if control.image is None:
        raise BadRecipe(name, errors.CONTROL_PICTURE)
    try:
        values = {k: _checked(k, getattr(control, k), CONTROL_SETTINGS) for k in CONTROL_SETTINGS}
    except BadRecipe as fault:
        raise BadRecipe(name, fault.sentence) from None
    if values["low"] > values["high"]:
        low, high = f"{values['low']:g}", f"{values['high']:g}"
        raise BadRecipe(name, errors.CONTROL_EDGES.format(low=low, high=high))
    return replace(control, **values)


def _strengths(name: str, setting: Setting, value: Any) -> tuple[float, ...]:
    """How closely a control is followed at each stage."""
    if not isinstance(value, tuple) or len(value) > MOST_STAGES:
        raise BadRecipe(name, errors.CONTROL_STAGES.format(limit=MOST_STAGES, value=short(value)))
    return tuple(_number(name, replace(setting, low=0.0, high=STRONGEST), strength) for strength in value)


def _check_foreign(controls: tuple[Control, ...]) -> None:
    """What comes from elsewhere names no file, and no net either."""
    for control in controls:
        if not images.is_digest(control.image):
            raise BadRecipe("controls", errors.PICTURE_NAMED.format(value=short(control.image)))
        if control.net:
            raise BadRecipe("controls", errors.CONTROL_NET_NAMED.format(net=short(control.net)))


def _options(name: str, setting: Setting, value: Any) -> tuple[tuple[str, Any], ...]:
    """Pairs of a name and a value, those at their defaults left out."""
    if not isinstance(value, tuple) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        raise BadRecipe(name, errors.OPTION_PAIRS.format(value=short(value)))
    values = {}
    for option, given in value:
        if option not in OPTIONS:
            known = ", ".join(OPTIONS)
            raise BadRecipe(name, errors.UNKNOWN_OPTION.format(option=short(option), known=known))
        values[option] = _checked(option, given, OPTIONS)
    return changed(Options(**values))


_CHECKS = {
    "text": _text, "number": _number, "integer": _integer, "flag": _flag,
    "choice": _choice, "scales": _scales, "picture": _picture, "loras": _loras,
    "controls": _controls, "strengths": _strengths, "options": _options,
}  # fmt: skip
