"""The control panel: the section of the page with the control image's map and the first control's settings."""

from html import escape
from typing import Any

import gradio as gr

from engine.recipe.controls import CONTROL_SETTINGS
from ui.page import ControlPanel, Outputs
from ui.panels.control_map import map_html, map_stage
from ui.session.services import Services
from ui.session.session import Session
from ui.settings import control_settings
from ui.settings.control_settings import SETTING_BY_WIDGET, widget_name
from ui.settings.widgets import Widget, control_widget
from ui.text import formatting, words

# The checkbox that switches the control map between fitted and 1:1; only the page's styles read it. It is not
# part of the map's HTML, so that a new map leaves it unchanged.
MAP_SIZE_TOGGLE = (
    f'<label class="toggle"><input type="checkbox" id="map-close"> {words.MAP_ONE_TO_ONE}</label>'
)


def build_control_panel(values: dict[str, Any], widgets: dict[str, Widget]) -> ControlPanel:
    """Build the panel, and add the widgets of the first control to `widgets`.

    values: the first values of the widgets, by name.
    """
    with gr.Accordion(words.FOLLOW_SECTION, open=False, visible=False, elem_id="follow") as fold:
        map_view = gr.HTML(elem_id="map")
        full_size = gr.HTML(MAP_SIZE_TOGGLE, visible=False, elem_id="map-toggle")
        stage = gr.Radio([], label=words.MAP_STAGE, visible=False, interactive=True, elem_id="map-stage")
        _add_widget("kind", values, widgets)
        notes = gr.HTML(elem_id="aside")
        for setting in SETTING_BY_WIDGET.values():
            if setting != "kind":
                _add_widget(setting, values, widgets)
        remove = gr.Button(words.TAKE_AWAY, size="sm", visible=False, elem_id="unfollow")
    return ControlPanel(fold, map_view, stage, full_size, notes, remove)


def _add_widget(setting: str, values: dict[str, Any], widgets: dict[str, Widget]) -> None:
    """Build the widget of a setting of the first control, hidden at first, and add it to `widgets`."""
    name = widget_name(setting)
    widgets[name] = control_widget(setting, values.get(name), visible=False)


def update_control_panel(panel: ControlPanel, session: Session, services: Services) -> Outputs:
    """Return the panel's components whose content changed since the last update.

    The panel is unfolded if the control image is new.
    """
    return _update_around_map(panel, session, services) | _update_map(panel, session, services)


def _update_around_map(panel: ControlPanel, session: Session, services: Services) -> Outputs:
    """Return updates of the panel's components except for the control map; empty if nothing has changed."""
    facts = services.facts_or_none(session.model)
    control = control_settings.first_control(session.recipe)
    is_supported = facts is not None and bool(control_settings.supported_kinds(facts))
    sizes = tuple(stage.size for stage in session.plan.stages) if control and session.plan else ()
    notes = _notes(session, services) if facts else ()
    image = control.image if control else None
    before, now = session.shown_control, (is_supported, image, sizes, session.map_stage, notes)
    session.shown_control = now
    if now == before:
        return {}
    is_new_image = control is not None and (before is None or before[1] != image)
    fold = gr.update(visible=is_supported or control is not None)
    if is_new_image:
        fold["open"] = True
    return {
        panel.fold: fold,
        panel.map_stage: gr.update(
            choices=[(formatting.format_short_size(*size), number) for number, size in enumerate(sizes, 1)],
            value=map_stage(session).number if sizes else None,
            visible=len(sizes) > 1,
        ),
        panel.size_toggle: gr.update(visible=bool(sizes)),
        panel.notes: "".join(f'<p class="quiet">{escape(note)}</p>' for note in notes),
        panel.remove: gr.update(visible=control is not None),
    }


def _notes(session: Session, services: Services) -> tuple[str, ...]:
    """Return sentences on kinds of control maps that cannot be chosen, and on control settings without a widget."""
    control, others = control_settings.first_control(session.recipe), session.recipe.controls[1:]
    title, facts = services.entry(session.model).title, services.facts(session.model)
    notes = [control_settings.explain_missing_kinds(title, facts, control)]
    if control and control.stages:
        strengths = control_settings.format_value(control.stages)
        label = CONTROL_SETTINGS["scale"].label
        notes.append(words.STRENGTH_BY_STAGE.format(strengths=strengths, label=label))
    if others:
        notes.append(words.OTHER_CONTROLS.format(controls=control_settings.describe_controls(others)))
    return tuple(note for note in notes if note)


def _update_map(panel: ControlPanel, session: Session, services: Services) -> Outputs:
    """Return the new content of the control map; empty if it is the same as in the last update."""
    html = map_html(session, services)
    if html is None or hash(html) == session.shown_map_hash:
        return {}
    session.shown_map_hash = hash(html)
    return {panel.control_map: html}
