"""Settings of controls: widgets, the kinds of control maps that can be chosen, and descriptions.

The page has widgets for the first control of a recipe only. The control's image and all further controls have
no widget and stay as they are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from engine.catalogue.entries import Facts
from engine.control import detectors
from engine.planning.controlnets import offered_kinds
from engine.recipe.controls import CONTROL_SETTINGS, MAP_KINDS, Control
from engine.recipe.images import is_digest
from engine.recipe.recipe import Recipe
from ui.text import words

# Settings of the first control that have a widget, in the order in which the page shows them.
SETTINGS_WITH_WIDGET = ("kind", "scale", "start", "end", "low", "high", "blur", "given")
# Settings of a control that stay when the button "Reset to the defaults" resets the others.
SETTINGS_KEPT_ON_RESET = ("image", "kind", "given", "net")
# Characters of an image's digest that are shown to people.
SHORT_DIGEST_LENGTH = 6


def widget_name(setting: str) -> str:
    """Return the name of the widget for a setting of the first control: follow_kind for "kind"."""
    return f"follow_{setting}"


# The control setting that each control widget shows, by the widget's name.
SETTING_BY_WIDGET = {widget_name(setting): setting for setting in SETTINGS_WITH_WIDGET}


def first_control(recipe: Recipe) -> Control | None:
    """Return the control that the page has widgets for, None if the recipe has no control."""
    return recipe.controls[0] if recipe.controls else None


def control_widget_values(recipe: Recipe) -> dict[str, Any]:
    """Return the values of the control widgets by name: those of the first control, else the defaults."""
    control = first_control(recipe) or Control()
    return {widget: getattr(control, setting) for widget, setting in SETTING_BY_WIDGET.items()}


def apply_widget_values(controls: tuple[Control, ...], values: Mapping[str, Any]) -> tuple[Control, ...]:
    """Return the controls with the widgets' values in the first control.

    values: by widget. They come from a browser and may be of any type; the caller checks them.
    """
    if not controls:
        return controls
    settings = {setting: values.get(widget) for widget, setting in SETTING_BY_WIDGET.items()}
    control = replace(controls[0], **{name: value for name, value in settings.items() if value is not None})
    # If the common strength of all stages changes, the separate strengths of the stages are discarded.
    if control.scale != controls[0].scale:
        control = replace(control, stages=())
    return (control, *controls[1:])


def reset_first_control(controls: tuple[Control, ...]) -> tuple[Control, ...]:
    """Return the controls with the first one reset to its defaults, except for SETTINGS_KEPT_ON_RESET."""
    if not controls:
        return controls
    kept = {name: getattr(controls[0], name) for name in SETTINGS_KEPT_ON_RESET}
    return (Control(**kept), *controls[1:])


def supported_kinds(facts: Facts) -> tuple[str, ...]:
    """Return the kinds of control maps for which this model has a ControlNet."""
    return tuple(kind for kind, networks in offered_kinds(facts).items() if networks)


def selectable_kinds(facts: Facts, control: Control | None) -> tuple[str, ...]:
    """Return the kinds of control maps that the page offers.

    They are the supported kinds whose maps can be made on this machine, and always the control's own kind. For
    a ready-made map they are all supported kinds.
    """
    control = control or Control()
    kinds = {control.kind}
    for kind in supported_kinds(facts):
        if control.given or not _unavailable_reason(kind):
            kinds.add(kind)
    return tuple(kind for kind in MAP_KINDS if kind in kinds)


def default_kind(facts: Facts) -> str | None:
    """Return the first supported kind whose maps can be made on this machine.

    If there is none, return the first supported kind; None if no kind is supported.
    """
    supported = supported_kinds(facts)
    available = (kind for kind in supported if not _unavailable_reason(kind))
    return next(available, supported[0] if supported else None)


def _unavailable_reason(kind: str) -> str:
    """Return why maps of a kind cannot be made on this machine; empty if they can."""
    return detectors.unavailable_reason(kind) if MAP_KINDS[kind].detector_package else ""


def kind_choices(kinds: Iterable[str]) -> list[tuple[str, str]]:
    """Return kinds of control maps as (title, name) pairs for a Gradio dropdown."""
    return [(MAP_KINDS[kind].title, kind) for kind in kinds]


def explain_missing_kinds(title: str, facts: Facts, control: Control | None) -> str:
    """Return sentences that name the kinds that cannot be chosen and say why; empty if there are none.

    title: of the model, as the sentences name it.
    """
    supported = supported_kinds(facts)
    if not supported:
        return ""
    sentences = []
    if len(supported) == 1:
        sentences.append(words.FOLLOWS_ONE_KIND.format(title=title, kind=_join_titles(supported)))
    elif len(supported) < len(MAP_KINDS):
        unsupported = _join_titles(kind for kind in MAP_KINDS if kind not in supported)
        sentences.append(words.KINDS_NOT_FOLLOWED.format(title=title, kinds=unsupported))
    selectable = selectable_kinds(facts, control)
    # Kinds with the same detector package and the same reason are named in one sentence.
    missing: dict[tuple[str, str], list[str]] = {}
    for kind in supported:
        reason = _unavailable_reason(kind)
        if kind not in selectable and reason:
            missing.setdefault((MAP_KINDS[kind].detector_package, reason), []).append(kind)
    for (source, reason), kinds in missing.items():
        sentences.append(
            words.KINDS_NOT_AVAILABLE.format(
                kinds=_join_titles(kinds), source=source, reason=reason.rstrip(".")
            )
        )
    return " ".join(sentences)


def _join_titles(kinds: Iterable[str]) -> str:
    """Return the titles of kinds, uncapitalized and joined with commas."""
    titles = (MAP_KINDS[kind].title for kind in kinds)
    return ", ".join(title[0].lower() + title[1:] for title in titles)


def ineffective_control_widgets(recipe: Recipe, facts: Facts) -> frozenset[str]:
    """Return the names of the control widgets that have no effect on this recipe or offer only one choice."""
    control = first_control(recipe)
    if control is None:
        return frozenset(SETTING_BY_WIDGET)
    read_by_any_kind = {setting for kind in MAP_KINDS.values() for setting in kind.settings}
    read_by_this_kind = set() if control.given else set(MAP_KINDS[control.kind].settings)
    ineffective = read_by_any_kind - read_by_this_kind
    if len(selectable_kinds(facts, control)) == 1:
        ineffective.add("kind")
    return frozenset(widget_name(setting) for setting in ineffective)


def describe_controls(controls: Iterable[object]) -> str:
    """Return controls in one line: "Edges of 3f2a1c, Control strength 0.8; Depth of 77e0b4"."""
    return "; ".join(_describe_control(control) for control in controls if isinstance(control, Control))


def _describe_control(control: Control) -> str:
    """Return a control as text: its kind, its image, and its settings that differ from the defaults."""
    default = Control()
    picture = "–"
    if is_digest(control.image):
        picture = control.image.removeprefix("sha256:")[:SHORT_DIGEST_LENGTH]
    parts = [words.KIND_OF_PICTURE.format(kind=MAP_KINDS[control.kind].title, picture=picture)]
    for name, setting in CONTROL_SETTINGS.items():
        value = getattr(control, name)
        if name not in ("image", "kind") and value != getattr(default, name):
            parts.append(f"{setting.label} {format_value(value)}")
    return ", ".join(parts)


def describe_control_differences(before: tuple[Control, ...], after: tuple[Control, ...]) -> list[str]:
    """Return one text for each control setting that differs between two recipes.

    If the control images differ, return one text that says only so.
    """
    if [control.image for control in before] != [control.image for control in after]:
        return [words.CONTROL_IMAGE_CHANGED]
    return [
        f"{setting.label} {format_value(getattr(old, name))} → {format_value(getattr(new, name))}"
        for old, new in zip(before, after, strict=True)
        for name, setting in CONTROL_SETTINGS.items()
        if getattr(old, name) != getattr(new, name)
    ]


def format_value(value: object) -> str:
    """Return the value of a control's setting as text: "on", "0.8", "Soft edges", "–" if empty."""
    match value:
        case bool():
            return "on" if value else "off"
        case tuple():
            return " · ".join(map(format_value, value)) or "–"
        case int() | float():
            return f"{value:g}"
        case str() if value in MAP_KINDS:
            return MAP_KINDS[value].title
    return str(value or "–")
