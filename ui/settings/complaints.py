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

# Maps a setting's value to the wanted one, which is then rounded and kept within the setting's range.
Move = Callable[[Any], Any]

HALF_MORE = 1.5
A_THIRD_LESS = 2 / 3
# Replaces zero where a value is multiplied, so that the direction of the change is known.
SMALL = 1e-3
SYMBOLS = {"alpha1": "α₁", "alpha2": "α₂", "alpha3": "α₃", "sigma1": "σ₁", "sigma2": "σ₂"}
# Titles of choices, by setting and value.
CHOICE_TITLES = {
    "method": methods.METHOD_TITLES,
    "views": methods.VIEW_TITLES,
    "network": methods.NETWORK_TITLES,
}
ON = "on"
OFF = "off"
NONE = "–"


class SettingChange(NamedTuple):
    """One changed setting. Both values are as people see them: an empty stride is half the window."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Adjustment:
    """The recipe that answers a complaint. No changes if all settings are at the end of their range."""

    recipe: Recipe
    changes: tuple[SettingChange, ...] = ()


def _add(amount: float) -> Move:
    """Return a move that adds an amount."""
    return lambda value: value + amount


def _times(factor: float) -> Move:
    """Return a move that multiplies. Zero becomes a small value of the right sign: one step is then taken."""
    return lambda value: value * factor if value else (factor - 1) * SMALL


def _set(wanted: Any) -> Move:
    """Return a move to a fixed value."""
    return lambda _: wanted


# How each complaint moves settings. The second group is used once the first has no effect any more.
COMPLAINT_MOVES: dict[str, tuple[Mapping[str, Move], ...]] = {
    "grainy": ({"sigma1": _times(HALF_MORE), "alpha2": _add(0.5)}, {"kernel": _set("paper")}),
    "repeats": (
        {"alpha2": _add(-0.3), "alpha1": _add(-0.5), "dilated": _set(True)},
        {"method": _set(DEFAULTS.method)},
    ),
    "soft": ({"alpha3": _add(0.5), "sigma1": _times(A_THIRD_LESS)},),
    "drifts": ({"alpha1": _add(-1), "skip_residual": _set(True)},),
    "stiff": ({"alpha1": _add(1)},),
    "seams": ({"stride": _times(0.5), "feather": _set(True), "jitter": _set(True)},),
}


def adjust_for_complaint(recipe: Recipe, complaint: str, facts: Facts) -> Adjustment:
    """Move a recipe's settings against a complaint, from their present values; skip those without effect."""
    for moves in COMPLAINT_MOVES[complaint]:
        wanted = {name: _moved_value(recipe, name, move, facts) for name, move in moves.items()}
        ineffective = ineffective_settings(replace(recipe, **wanted))
        changes = []
        for name, after in wanted.items():
            before = _present_value(recipe, name, facts)
            if before != after and name not in ineffective:
                changes.append(SettingChange(name, before, after))
        if changes:
            adjusted = replace(recipe, **{change.field: change.after for change in changes})
            return Adjustment(adjusted, tuple(changes))
    return Adjustment(recipe)


def _present_value(recipe: Recipe, name: str, facts: Facts) -> Any:
    """Return a setting of the recipe; an empty stride is half the model's window."""
    value = getattr(recipe, name)
    if name != "stride":
        return value
    return facts.window // 2 if value is None else min(value, facts.window)


def _moved_value(recipe: Recipe, name: str, move: Move, facts: Facts) -> Any:
    """Return a setting's value after a move: at least one step of its slider away, within its range."""
    now, setting = _present_value(recipe, name, facts), SETTINGS[name]
    wanted = move(now)
    if setting.kind not in ("integer", "number"):
        return wanted
    low, high, step = setting.low, setting.high, setting.step
    if name == "sigma1":  # A recipe is refused if sigma1 is less than sigma2.
        low = max(low, recipe.sigma2)
    is_increase = wanted > now
    steps = round(wanted / step)
    if is_increase:
        steps = max(steps, floor(_without_rounding_error(now / step)) + 1)
    else:
        steps = min(steps, ceil(_without_rounding_error(now / step)) - 1)
    lowest, highest = ceil(_without_rounding_error(low / step)), floor(_without_rounding_error(high / step))
    after = round(min(max(steps, lowest), highest) * step, 6)
    is_moved = after > now if is_increase else after < now
    if not is_moved:
        return now
    return int(after) if setting.kind == "integer" else after


def _without_rounding_error(steps: float) -> float:
    """Round away the last bits, so that 0.8 / 0.05 is exactly 16 steps."""
    return round(steps, 6)


def describe_changes(changes: tuple[SettingChange, ...]) -> str:
    """Describe changes in one line: "σ₁ 0.8 → 1.2, α₂ 1 → 1.5"."""
    return ", ".join(_describe_change(change) for change in changes)


def _describe_change(change: SettingChange) -> str:
    """Write one change: "σ₁ 0.8 → 1.2"."""
    label = SYMBOLS.get(change.field) or (SETTINGS | OPTIONS)[change.field].label
    titles = CHOICE_TITLES.get(change.field, {})
    before, after = (titles.get(value) or _format_value(value) for value in (change.before, change.after))
    return f"{label} {before} → {after}"


def _format_value(value: Any) -> str:
    """Write the value of a setting as people read it."""
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
