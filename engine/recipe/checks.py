"""Validate a recipe's values by the kind and range in their Setting. Opens no files.

Each `_check_<kind>` returns the value of one setting, normalized, or raises BadRecipe if it is not valid.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from numbers import Real
from typing import Any

from engine import errors
from engine.catalogue.entries import lora_names
from engine.catalogue.upscalers import upscaler_entry, upscaler_names
from engine.errors import BadRecipe, short_repr
from engine.methods import METHODS
from engine.recipe import images
from engine.recipe.controls import (
    CONTROL_SETTINGS,
    MAX_CONTROLS,
    Control,
)
from engine.recipe.fields import Setting
from engine.recipe.options import OPTIONS, Options, changed_options
from engine.recipe.recipe import (
    LATENT,
    MAX_LORA_STRENGTH,
    MAX_LORAS,
    MAX_PROMPT_LENGTH,
    MAX_SCALES,
    SETTINGS,
    Recipe,
)


def check(recipe: Recipe) -> Recipe:
    """Return a recipe with all values validated and normalized; raise BadRecipe for the first invalid value."""
    values = {name: _check_field(name, getattr(recipe, name)) for name in SETTINGS}
    if values["sigma1"] < values["sigma2"]:
        sentence = errors.SIGMAS_WRONG_ORDER.format(sigma1=values["sigma1"], sigma2=values["sigma2"])
        raise BadRecipe("sigma1", sentence, {"sigma1": values["sigma2"]})
    return replace(recipe, **values)


def check_value(name: str, value: object) -> Any:
    """Return the value of one setting from an untrusted source, validated and normalized; else raise BadRecipe.

    name: the setting. Untrusted values may not contain paths: images must be digests, and LoRAs and upscalers must
    be names in the catalogue.
    """
    if SETTINGS[name].kind == "picture" and value is not None and not images.is_digest(value):
        raise BadRecipe(name, errors.PICTURE_NOT_A_DIGEST.format(value=short_repr(value)))
    checked = _check_field(name, value)
    if SETTINGS[name].kind == "loras":
        _check_loras_listed(checked)
    if SETTINGS[name].kind == "upscaler" and checked not in ("", LATENT, *upscaler_names()):
        raise BadRecipe(name, _unknown_upscaler(checked))
    if SETTINGS[name].kind == "controls":
        _check_controls_external(checked)
    return checked


def check_upscaler(recipe: Recipe) -> None:
    """Raise BadRecipe if a checked recipe uses an upscaler that is in the catalogue, but not on this machine."""
    entry = upscaler_entry(recipe.enlarge)
    if entry is None or entry.is_local or "enlarge" not in METHODS[recipe.method].reads:
        return
    sentence = entry.note or errors.UPSCALER_TO_INSTALL.format(source=entry.title, command=entry.install)
    raise BadRecipe("enlarge", sentence, {"enlarge": ""})


def _check_field(name: str, value: object, settings: Mapping[str, Setting] = SETTINGS) -> Any:
    """Return the value of a field, validated by the check for the setting's kind; else raise BadRecipe."""
    setting = settings[name]
    if value is None and setting.optional:
        return None
    return _CHECKS[setting.kind](name, setting, value)


def _check_text(name: str, setting: Setting, value: object) -> str:
    """Return a text that can be encoded and is at most MAX_PROMPT_LENGTH characters long; else raise BadRecipe."""
    if not isinstance(value, str) or value != value.encode(errors="replace").decode():
        raise BadRecipe(name, errors.NOT_TEXT.format(field=name))
    if len(value) > MAX_PROMPT_LENGTH:
        raise BadRecipe(name, errors.TOO_LONG.format(field=name, count=len(value), limit=MAX_PROMPT_LENGTH))
    return value


def _check_finite(name: str, value: object) -> float:
    """Return a finite number as a float; raise BadRecipe for other values, booleans included."""
    try:
        if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass
    raise BadRecipe(name, errors.NOT_A_NUMBER.format(field=name, value=short_repr(value)))


def _check_number(name: str, setting: Setting, value: object) -> float:
    """Return a number in the setting's range as a float; else raise BadRecipe."""
    number, (low, high) = _check_finite(name, value), setting.bounds
    if not low <= number <= high:
        sentence = errors.OUT_OF_RANGE.format(
            field=name, value=short_repr(value), low=f"{low:.10g}", high=f"{high:.10g}"
        )
        raise BadRecipe(name, sentence)
    return number


def _check_integer(name: str, setting: Setting, value: object) -> int:
    """Return a whole number in the setting's range as an int; else raise BadRecipe."""
    number = _check_number(name, setting, value)
    if number != int(number):
        raise BadRecipe(name, errors.NOT_WHOLE.format(field=name, value=short_repr(value)))
    return int(number)


def _check_flag(name: str, setting: Setting, value: object) -> bool:
    """Return True or False; raise BadRecipe for other values."""
    if not isinstance(value, bool):
        raise BadRecipe(name, errors.NOT_A_FLAG.format(field=name, value=short_repr(value)))
    return value


def _check_choice(name: str, setting: Setting, value: object) -> str:
    """Return one of the setting's choices; raise BadRecipe for other values."""
    if not isinstance(value, str) or value not in setting.choices:
        known = ", ".join(filter(None, setting.choices))
        raise BadRecipe(name, errors.UNKNOWN_CHOICE.format(field=name, value=short_repr(value), known=known))
    return value


def _check_upscaler(name: str, setting: Setting, value: object) -> str:
    """Return "", "latent", a name in the catalogue or the path of a file, as a string; else raise BadRecipe."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or "\0" in value:
        raise BadRecipe(name, _unknown_upscaler(value))
    is_path = os.sep in value or bool(os.path.splitext(value)[1])
    if not is_path and value not in ("", LATENT, *upscaler_names()):
        raise BadRecipe(name, _unknown_upscaler(value))
    return value


def _unknown_upscaler(value: object) -> str:
    """Return the sentence that the catalogue lists no upscaler of this name."""
    known = ", ".join((LATENT, *upscaler_names()))
    return errors.UNKNOWN_CHOICE.format(field="enlarge", value=short_repr(value), known=known)


def _check_scales(name: str, setting: Setting, value: object) -> tuple[float, ...]:
    """Return positive, rising scales as floats, or an empty tuple; else raise BadRecipe."""
    if not isinstance(value, tuple):
        raise BadRecipe(name, errors.SCALES_NOT_RISING.format(scales=short_repr(value)))
    if len(value) > MAX_SCALES:
        raise BadRecipe(name, errors.TOO_MANY_SCALES.format(count=len(value), limit=MAX_SCALES))
    scales = tuple(_check_finite(name, scale) for scale in value)
    if scales and (scales[0] <= 0 or any(a >= b for a, b in pairwise(scales))):
        raise BadRecipe(
            name, errors.SCALES_NOT_RISING.format(scales=short_repr(", ".join(f"{s:g}" for s in scales)))
        )
    return scales


def _check_image(name: str, setting: Setting, value: object) -> str:
    """Return a path or a digest as a string. Whether the image exists is not checked."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadRecipe(name, errors.NOT_A_PICTURE.format(value=short_repr(value)))
    return value


def _check_loras(name: str, setting: Setting, value: object) -> tuple[tuple[str, float], ...]:
    """Return LoRAs as (name or path, strength) pairs."""
    if not isinstance(value, tuple):
        raise BadRecipe(name, errors.NOT_LORAS.format(value=short_repr(value)))
    if len(value) > MAX_LORAS:
        raise BadRecipe(name, errors.TOO_MANY_LORAS.format(count=len(value), limit=MAX_LORAS))
    return tuple(_check_lora(name, pair) for pair in value)


def _check_lora(name: str, pair: object) -> tuple[str, float]:
    """Return one LoRA as a (name or path, strength) pair."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise BadRecipe(name, errors.NOT_LORAS.format(value=short_repr(pair)))
    source = os.fspath(pair[0]) if isinstance(pair[0], os.PathLike) else pair[0]
    if not isinstance(source, str) or not source or "\0" in source:
        raise BadRecipe(name, errors.NOT_LORAS.format(value=short_repr(pair)))
    weight = _check_finite(name, pair[1])
    if abs(weight) > MAX_LORA_STRENGTH:
        low, high = -MAX_LORA_STRENGTH, MAX_LORA_STRENGTH
        sentence = errors.OUT_OF_RANGE.format(field=name, value=short_repr(pair[1]), low=low, high=high)
        raise BadRecipe(name, sentence)
    return source, weight


def _check_loras_listed(loras: tuple[tuple[str, float], ...]) -> None:
    """Raise BadRecipe if LoRAs from an untrusted source are not in the catalogue."""
    for source, _ in loras:
        if source not in lora_names():
            known = ", ".join(lora_names())
            raise BadRecipe("loras", errors.LORA_NOT_OFFERED.format(source=short_repr(source), known=known))


def _check_controls(name: str, setting: Setting, value: object) -> tuple[Control, ...]:
    """Return the controls of a recipe, each validated; else raise BadRecipe."""
    if not isinstance(value, tuple):
        raise BadRecipe(name, errors.NOT_CONTROLS.format(value=short_repr(value)))
    if len(value) > MAX_CONTROLS:
        raise BadRecipe(name, errors.TOO_MANY_CONTROLS.format(count=len(value), limit=MAX_CONTROLS))
    return tuple(_check_control(name, control) for control in value)


def _check_control(name: str, control: object) -> Control:
    """Return a control with all its values validated. A BadRecipe names the recipe's field, not the control's."""
    if not isinstance(control, Control):
        raise BadRecipe(name, errors.NOT_CONTROLS.format(value=short_repr(control)))
    if control.image is None:
        raise BadRecipe(name, errors.CONTROL_WITHOUT_PICTURE)
    try:
        values = {k: _check_field(k, getattr(control, k), CONTROL_SETTINGS) for k in CONTROL_SETTINGS}
    except BadRecipe as fault:
        raise BadRecipe(name, fault.sentence) from None
    if values["low"] > values["high"]:
        low, high = f"{values['low']:g}", f"{values['high']:g}"
        raise BadRecipe(name, errors.CONTROL_THRESHOLDS.format(low=low, high=high))
    return replace(control, **values)


def _check_numbers(name: str, setting: Setting, value: object) -> tuple[float, ...]:
    """Return numbers in the setting's range as floats, at most one for each stage; else raise BadRecipe."""
    if not isinstance(value, tuple) or len(value) > MAX_SCALES:
        sentence = errors.NOT_NUMBERS_BY_STAGE.format(field=name, limit=MAX_SCALES, value=short_repr(value))
        raise BadRecipe(name, sentence)
    return tuple(_check_number(name, setting, number) for number in value)


def _check_controls_external(controls: tuple[Control, ...]) -> None:
    """Raise BadRecipe if controls from an untrusted source name a file or a ControlNet."""
    for control in controls:
        if not images.is_digest(control.image):
            raise BadRecipe("controls", errors.PICTURE_NOT_A_DIGEST.format(value=short_repr(control.image)))
        if control.net:
            raise BadRecipe("controls", errors.CONTROLNET_NOT_OFFERED.format(net=short_repr(control.net)))


def _check_options(name: str, setting: Setting, value: object) -> tuple[tuple[str, Any], ...]:
    """Return (name, value) pairs of the options that differ from their defaults."""
    if not isinstance(value, tuple) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        raise BadRecipe(name, errors.NOT_OPTIONS.format(value=short_repr(value)))
    values = {}
    for option, option_value in value:
        if option not in OPTIONS:
            known = ", ".join(OPTIONS)
            raise BadRecipe(name, errors.UNKNOWN_OPTION.format(option=short_repr(option), known=known))
        values[option] = _check_field(option, option_value, OPTIONS)
    return changed_options(Options(**values))


# The check for each kind of setting.
_CHECKS = {
    "text": _check_text, "number": _check_number, "integer": _check_integer, "flag": _check_flag,
    "choice": _check_choice, "scales": _check_scales, "picture": _check_image, "loras": _check_loras,
    "controls": _check_controls, "numbers": _check_numbers, "options": _check_options,
    "upscaler": _check_upscaler,
}  # fmt: skip
