"""The picture to follow: which kinds of maps a model follows, and the knobs of the first control.

The page has knobs for the first control of a recipe; its picture and all others are carried along.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from engine.catalogue.entries import Facts
from engine.control import detectors
from engine.planning.controlnets import offered_kinds
from engine.recipe.controls import CONTROL_SETTINGS, KINDS, Control
from engine.recipe.images import is_digest
from engine.recipe.recipe import Recipe
from ui.text import words

SETTINGS_WITH_WIDGET = ("kind", "scale", "start", "end", "low", "high", "blur", "given")
"""Settings of a control that have a knob, in the order in which they stand."""


def widget_name(name: str) -> str:
    """What a setting of the first control is called among the page's controls."""
    return f"follow_{name}"


SETTING_BY_WIDGET = {widget_name(name): name for name in SETTINGS_WITH_WIDGET}


def first_control(recipe: Recipe) -> Control | None:
    return recipe.controls[0] if recipe.controls else None


def control_widget_values(recipe: Recipe) -> dict[str, Any]:
    """What the knobs show for a recipe; without a picture to follow, the defaults."""
    control = first_control(recipe) or Control()
    return {each: getattr(control, name) for each, name in SETTING_BY_WIDGET.items()}


def apply_widget_values(controls: tuple[Control, ...], values: Mapping[str, Any]) -> tuple[Control, ...]:
    """The controls with the first as the knobs have it. Values come from a browser and may be anything."""
    if not controls:
        return controls
    given = {name: values.get(each) for each, name in SETTING_BY_WIDGET.items()}
    control = replace(controls[0], **{name: value for name, value in given.items() if value is not None})
    if control.scale != controls[0].scale:  # One strength for all stages takes the place of one for each.
        control = replace(control, stages=())
    return (control, *controls[1:])


def reset_first_control(controls: tuple[Control, ...]) -> tuple[Control, ...]:
    """The controls with the first as it was when its picture was taken."""
    kept = ("image", "kind", "given", "net")
    return tuple(Control(**{name: getattr(c, name) for name in kept}) for c in controls[:1]) + controls[1:]


def supported_kinds(facts: Facts) -> tuple[str, ...]:
    """The kinds of maps that a model follows."""
    return tuple(name for name, offers in offered_kinds(facts).items() if offers)


def selectable_kinds(facts: Facts, control: Control | None) -> tuple[str, ...]:
    """The kinds to choose from: those whose maps can be had, and the present one whatever it is."""
    control = control or Control()
    known = (kind for kind in supported_kinds(facts) if control.given or not _missing(kind))
    kinds = {control.kind, *known}
    return tuple(kind for kind in KINDS if kind in kinds)


def default_kind(facts: Facts) -> str | None:
    """Of those that a model follows, the first whose maps can be had; None if it follows nothing."""
    known = supported_kinds(facts)
    return next((kind for kind in known if not _missing(kind)), known[0] if known else None)


def _missing(kind: str) -> str:
    """Why maps of a kind cannot be drawn here; empty if they can."""
    return detectors.unavailable_reason(kind) if KINDS[kind].source else ""


def kind_choices(kinds: Iterable[str]) -> list[tuple[str, str]]:
    return [(KINDS[kind].title, kind) for kind in kinds]


def explain_missing_kinds(title: str, facts: Facts, control: Control | None) -> str:
    """A sentence on the kinds that cannot be chosen under a model of this title."""
    known = supported_kinds(facts)
    if not known:
        return ""
    told = [words.FOLLOWS_ONE_KIND.format(title=title, kind=_named(known))] if len(known) == 1 else []
    if len(known) > 1 and len(known) < len(KINDS):
        told.append(words.KINDS_NOT_FOLLOWED.format(title=title, kinds=_named(k for k in KINDS if k not in known)))
    shown = selectable_kinds(facts, control)
    reasons: dict[tuple[str, str], list[str]] = {}
    for kind in known:
        if kind not in shown and (reason := _missing(kind)):
            reasons.setdefault((KINDS[kind].source, reason), []).append(kind)
    for (source, reason), kinds in reasons.items():
        said = {"kinds": _named(kinds), "source": source, "reason": reason.rstrip(".")}
        told.append(words.KINDS_NOT_AVAILABLE.format(**said))
    return " ".join(told)


def _named(kinds: Iterable[str]) -> str:
    titles = (KINDS[kind].title for kind in kinds)
    return ", ".join(title[0].lower() + title[1:] for title in titles)


def ineffective_control_widgets(recipe: Recipe, facts: Facts) -> frozenset[str]:
    """Knobs that have no effect, or nothing to choose from."""
    control = first_control(recipe)
    if control is None:
        return frozenset(SETTING_BY_WIDGET)
    kinds = KINDS.values()
    unread = {name for kind in kinds for name in kind.knobs} - set(
        () if control.given else KINDS[control.kind].knobs
    )
    if len(selectable_kinds(facts, control)) == 1:
        unread.add("kind")
    return frozenset(map(widget_name, unread))


def describe_controls(controls: tuple[Any, ...]) -> str:
    """Controls in a line: Edges of 3f2a1c, How closely 0.8."""
    return "; ".join(_told(control) for control in controls if isinstance(control, Control))


def _told(control: Control) -> str:
    default = Control()
    of = (control.image or "").removeprefix("sha256:")[:6] if is_digest(control.image) else "–"
    named = ((name, getattr(control, name)) for name in CONTROL_SETTINGS if name not in ("image", "kind"))
    parts = [
        f"{CONTROL_SETTINGS[name].label} {format_value(value)}"
        for name, value in named
        if value != getattr(default, name)
    ]
    return ", ".join([words.KIND_OF_PICTURE.format(kind=KINDS[control.kind].title, picture=of), *parts])


def describe_control_differences(before: tuple[Control, ...], after: tuple[Control, ...]) -> list[str]:
    """How what is followed changed, in words."""
    if [control.image for control in before] != [control.image for control in after]:
        return [words.CONTROL_IMAGE_CHANGED]
    return [
        f"{CONTROL_SETTINGS[name].label} {format_value(getattr(one, name))} → {format_value(getattr(other, name))}"
        for one, other in zip(before, after, strict=True)
        for name in CONTROL_SETTINGS
        if getattr(one, name) != getattr(other, name)
    ]


def format_value(value: Any) -> str:
    """A setting of a control as a person reads it."""
    match value:
        case bool():
            return "on" if value else "off"
        case tuple():
            return " · ".join(map(format_value, value)) or "–"
        case int() | float():
            return f"{value:g}"
        case str() if value in KINDS:
            return KINDS[value].title
    return str(value or "–")
