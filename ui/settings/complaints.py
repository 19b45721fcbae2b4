"""Complaints about a finished picture, and how they move the settings from where they are now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any, NamedTuple

from engine.catalogue.entries import Facts
from engine.recipe.effects import ineffective_settings
from engine.recipe.options import OPTIONS
from engine.recipe.recipe import DEFAULTS, SETTINGS, Recipe
from ui.text import methods

Move = Callable[[Any], Any]
"""From a setting's value to the wanted one, before it is rounded and kept within its range."""

HALF_MORE, A_THIRD_LESS = 1.5, 2 / 3
LEAST = 1e-3
SYMBOLS = {"alpha1": "α₁", "alpha2": "α₂", "alpha3": "α₃", "sigma1": "σ₁", "sigma2": "σ₂"}
ON, OFF, NONE = "on", "off", "–"


class SettingChange(NamedTuple):
    """A setting that moves; values as a person sees them, so never empty."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Adjustment:
    """The recipe after a nudge; no changes where the settings are at their end."""

    recipe: Recipe
    changes: tuple[SettingChange, ...] = ()


def _add(amount: float) -> Move:
    return lambda value: value + amount


def _times(factor: float) -> Move:
    """Zero stays zero however often it is taken; so it is only told which way to go."""
    return lambda value: value * factor if value else (factor - 1) * LEAST


def _set(wanted: Any) -> Move:
    return lambda _: wanted


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
"""What to do about each complaint; the second group is for when the first moves nothing any more."""


def adjust_for_complaint(recipe: Recipe, of: str, facts: Facts) -> Adjustment:
    """The recipe with the present values moved against a complaint; settings without effect stay."""
    for moves in COMPLAINT_MOVES[of]:
        wanted = {name: _moved(recipe, name, move, facts) for name, move in moves.items()}
        idle = ineffective_settings(replace(recipe, **wanted))
        changes = tuple(
            SettingChange(name, before, after)
            for name, after in wanted.items()
            if (before := _present(recipe, name, facts)) != after and name not in idle
        )
        if changes:
            return Adjustment(replace(recipe, **{change.field: change.after for change in changes}), changes)
    return Adjustment(recipe)


def _present(recipe: Recipe, name: str, facts: Facts) -> Any:
    """What the recipe says; an empty stride is half the model's window."""
    value = getattr(recipe, name)
    if name != "stride":
        return value
    return facts.window // 2 if value is None else min(value, facts.window)


def _moved(recipe: Recipe, name: str, move: Move, facts: Facts) -> Any:
    """The value after a move: a step further at least, on the setting's steps, within its range."""
    now, setting = _present(recipe, name, facts), SETTINGS[name]
    wanted = move(now)
    if setting.kind not in ("integer", "number"):
        return wanted
    low, high, step = setting.low, setting.high, setting.step
    if name == "sigma1":  # It may not lie below the smoothing at last.
        low = max(low, recipe.sigma2)
    up = wanted > now
    steps = round(wanted / step)
    steps = max(steps, floor(_near(now / step)) + 1) if up else min(steps, ceil(_near(now / step)) - 1)
    steps = min(max(steps, ceil(_near(low / step))), floor(_near(high / step)))
    after = round(steps * step, 6)
    if (after <= now) if up else (after >= now):
        return now
    return int(after) if setting.kind == "integer" else after


def _near(steps: float) -> float:
    """Without the last bits, so that 0.8 / 0.05 is 16 steps."""
    return round(steps, 6)


def describe_changes(changes: tuple[SettingChange, ...]) -> str:
    """The changes in a line: σ₁ 0.8 → 1.2, α₂ 1 → 1.5."""
    return ", ".join(f"{_name(c.field)} {_value(c, c.before)} → {_value(c, c.after)}" for c in changes)


def _name(field: str) -> str:
    return SYMBOLS.get(field) or (SETTINGS | OPTIONS)[field].label


def _value(change: SettingChange, value: Any) -> str:
    """Choices in their own words."""
    named = {"method": methods.METHOD_TITLES, "views": methods.VIEW_TITLES, "network": methods.NETWORK_TITLES}.get(
        change.field, {}
    )
    return named.get(value) or _shown(value)


def _shown(value: Any) -> str:
    match value:
        case bool():
            return ON if value else OFF
        case tuple():
            return " · ".join(map(_shown, value))
        case int():
            return str(value)
        case float():
            return f"{value:g}"
    return str(value or NONE)
