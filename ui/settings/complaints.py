"""Complaints about a finished picture ("too soft"), and the changes of settings that answer them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any, NamedTuple

from engine.catalogue.entries import Facts
from engine.recipe.effects import ineffective_settings
from engine.recipe.options import OPTIONS
from engine.recipe.recipe import DEFAULTS, SETTINGS, Recipe
from ui.text import methods

# A function from a setting's current value to the wanted value, which need not be rounded or within range.
Adjuster = Callable[[Any], Any]

# Factors by which complaints change a setting.
HALF_MORE = 1.5
A_THIRD_LESS = 2 / 3
# A setting that is 0 becomes this value or its negative if a complaint multiplies it, so that it changes.
ZERO_SUBSTITUTE = 1e-3
# Symbols of settings, shown in place of their labels.
SETTING_SYMBOLS = {"alpha1": "α₁", "alpha2": "α₂", "alpha3": "α₃", "sigma1": "σ₁", "sigma2": "σ₂"}
# Titles of the values of settings that are choices, by setting and value.
CHOICE_TITLES = {
    "method": methods.METHOD_TITLES,
    "enlarge": methods.ENLARGE_TITLES,
    "views": methods.VIEW_TITLES,
    "network": methods.NETWORK_TITLES,
}
# Texts for the values True, False, and empty.
ON = "on"
OFF = "off"
NONE = "–"


class SettingChange(NamedTuple):
    """A change of one setting of a recipe."""

    # The name of the setting.
    field: str
    # The old value as the page shows it: an empty stride as half the window.
    before: Any
    # The new value as the page shows it.
    after: Any


@dataclass(frozen=True)
class Adjustment:
    """The result of changing a recipe's settings in answer to a complaint."""

    # The changed recipe; the original recipe if nothing changes.
    recipe: Recipe
    # The changed settings; empty if no setting can go further.
    changes: tuple[SettingChange, ...] = ()


def _make_adder(amount: float) -> Adjuster:
    """Return a function that adds an amount to a setting's value."""
    return lambda value: value + amount


def _make_multiplier(factor: float) -> Adjuster:
    """Return a function that multiplies a setting's value by a factor.

    Zero becomes ZERO_SUBSTITUTE if the factor increases values, else its negative.
    """
    return lambda value: value * factor if value else (factor - 1) * ZERO_SUBSTITUTE


def _make_constant(wanted: object) -> Adjuster:
    """Return a function that replaces a setting's value by a fixed one."""
    return lambda _: wanted


# The functions that change settings in answer to each complaint, in groups. A group is used when the groups
# before it change nothing any more.
COMPLAINT_ADJUSTERS: dict[str, tuple[Mapping[str, Adjuster], ...]] = {
    "grainy": (
        {"sigma1": _make_multiplier(HALF_MORE), "alpha2": _make_adder(0.5)},
        {"kernel": _make_constant("paper")},
    ),
    "repeats": (
        {"alpha2": _make_adder(-0.3), "alpha1": _make_adder(-0.5), "dilated": _make_constant(True)},
        {"method": _make_constant(DEFAULTS.method)},
    ),
    "soft": ({"alpha3": _make_adder(0.5), "sigma1": _make_multiplier(A_THIRD_LESS)},),
    "drifts": ({"alpha1": _make_adder(-1), "skip_residual": _make_constant(True)},),
    "stiff": ({"alpha1": _make_adder(1)},),
    "seams": (
        {"stride": _make_multiplier(0.5), "feather": _make_constant(True), "jitter": _make_constant(True)},
    ),
}


def adjust_for_complaint(recipe: Recipe, complaint: str, facts: Facts) -> Adjustment:
    """Change the settings that remedy a complaint, starting from their current values.

    Settings that would have no effect are left as they are.
    """
    for adjusters in COMPLAINT_ADJUSTERS[complaint]:
        wanted = {
            name: _adjusted_value(recipe, name, adjuster, facts) for name, adjuster in adjusters.items()
        }
        ineffective = ineffective_settings(replace(recipe, **wanted))
        changes = []
        for name, after in wanted.items():
            before = _current_value(recipe, name, facts)
            if before != after and name not in ineffective:
                changes.append(SettingChange(name, before, after))
        if changes:
            adjusted = replace(recipe, **{change.field: change.after for change in changes})
            return Adjustment(adjusted, tuple(changes))
    return Adjustment(recipe)


def _current_value(recipe: Recipe, name: str, facts: Facts) -> Any:
    """Return the value of a setting; an empty stride is half the model's window."""
    value = getattr(recipe, name)
    if name != "stride":
        return value
    return facts.window // 2 if value is None else min(value, facts.window)


def _adjusted_value(recipe: Recipe, name: str, adjuster: Adjuster, facts: Facts) -> Any:
    """Return a setting's new value, a multiple of the slider step within the setting's range.

    A number changes by at least one slider step, unless it is at the end of its range.
    """
    now, setting = _current_value(recipe, name, facts), SETTINGS[name]
    wanted = adjuster(now)
    if setting.kind not in ("integer", "number"):
        return wanted
    (low, high), step = setting.bounds, setting.step or 1.0
    if name == "sigma1":  # A recipe is refused if sigma1 is less than sigma2.
        low = max(low, recipe.sigma2)
    is_increase = wanted > now
    steps = round(wanted / step)
    if is_increase:
        steps = max(steps, floor(_remove_rounding_error(now / step)) + 1)
    else:
        steps = min(steps, ceil(_remove_rounding_error(now / step)) - 1)
    lowest, highest = ceil(_remove_rounding_error(low / step)), floor(_remove_rounding_error(high / step))
    after = round(min(max(steps, lowest), highest) * step, 6)
    is_moved = after > now if is_increase else after < now
    if not is_moved:
        return now
    return int(after) if setting.kind == "integer" else after


def _remove_rounding_error(steps: float) -> float:
    """Return a number of slider steps without floating-point error: 0.8 / 0.05 becomes exactly 16."""
    return round(steps, 6)


def describe_changes(changes: tuple[SettingChange, ...]) -> str:
    """Return changes in one line: "σ₁ 0.8 → 1.2, α₂ 1 → 1.5"."""
    return ", ".join(_describe_change(change) for change in changes)


def _describe_change(change: SettingChange) -> str:
    """Return one change as text: "σ₁ 0.8 → 1.2"."""
    label = SETTING_SYMBOLS.get(change.field) or (SETTINGS | OPTIONS)[change.field].label
    titles = CHOICE_TITLES.get(change.field, {})
    before, after = (titles.get(value) or _format_value(value) for value in (change.before, change.after))
    return f"{label} {before} → {after}"


def _format_value(value: object) -> str:
    """Return the value of a setting as text: "on", "0.8", "1 · 2", "–" for an empty one."""
    match value:
        case bool():
            return ON if value else OFF
        case tuple():
            return " · ".join(map(_format_value, value))
        case int():
            return str(value)
        case float():
            return f"{value:g}"
    return str(value or NONE)
