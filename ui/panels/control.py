"""The folded section of the picture to follow: what stands in it, and what it shows of a visit."""

from html import escape
from typing import Any

import gradio as gr

from engine.recipe.controls import CONTROL_SETTINGS
from ui.page import ControlPanel, Outputs
from ui.panels.control_map import map_html, map_stage
from ui.session.services import House
from ui.session.session import Visit
from ui.settings import control_settings
from ui.settings.control_settings import SETTING_BY_WIDGET, widget_name
from ui.settings.widgets import control_widget
from ui.text import formatting, words

TOGGLE = f'<label class="toggle"><input type="checkbox" id="map-close"> {words.MAP_ONE_TO_ONE}</label>'
"""By style alone; apart from the map, so that it stays as it is while maps come and go."""


def build_control_panel(values: dict[str, Any], controls: dict[str, gr.components.Component]) -> ControlPanel:
    """Builds it, and adds its knobs to the page's controls."""
    with gr.Accordion(words.FOLLOW_SECTION, open=False, visible=False, elem_id="follow") as fold:
        shown = gr.HTML(elem_id="map")
        close = gr.HTML(TOGGLE, visible=False, elem_id="map-toggle")
        stage = gr.Radio([], label=words.MAP_STAGE, visible=False, interactive=True, elem_id="map-stage")
        _add("kind", values, controls)
        aside = gr.HTML(elem_id="aside")
        for name in SETTING_BY_WIDGET.values():
            if name != "kind":
                _add(name, values, controls)
        away = gr.Button(words.TAKE_AWAY, size="sm", visible=False, elem_id="unfollow")
    return ControlPanel(fold, shown, stage, close, aside, away)


def _add(name: str, values: dict[str, Any], controls: dict[str, gr.components.Component]) -> None:
    controls[widget_name(name)] = control_widget(name, values.get(widget_name(name)), visible=False)


def update_control_panel(part: ControlPanel, visit: Visit, house: House) -> Outputs:
    """What changed in it since it was last shown; a new picture is not overlooked."""
    return _around(part, visit, house) | _map(part, visit, house)


def _around(part: ControlPanel, visit: Visit, house: House) -> Outputs:
    """All but the map."""
    facts, control = house.facts_if_here(visit.model), control_settings.first_control(visit.recipe)
    offers = facts is not None and bool(control_settings.supported_kinds(facts))
    sizes = tuple(stage.size for stage in visit.plan.stages) if control and visit.plan else ()
    sentences = _asides(visit, house) if facts else ()
    now = (offers, control and control.image, sizes, visit.map_stage, sentences)
    before, visit.section = visit.section, now
    if now == before:
        return {}
    is_new = control is not None and (before is None or before[1] != control.image)
    return {
        part.fold: gr.update(visible=offers or control is not None, **({"open": True} if is_new else {})),
        part.stage: gr.update(
            choices=[(formatting.format_side(*size), n) for n, size in enumerate(sizes, 1)],
            value=map_stage(visit).number if sizes else None,
            visible=len(sizes) > 1,
        ),
        part.close: gr.update(visible=bool(sizes)),
        part.aside: "".join(f'<p class="quiet">{escape(text)}</p>' for text in sentences),
        part.away: gr.update(visible=control is not None),
    }


def _asides(visit: Visit, house: House) -> tuple[str, ...]:
    control, others = control_settings.first_control(visit.recipe), visit.recipe.controls[1:]
    entry, facts = house.entry(visit.model), house.facts(visit.model)
    told = [control_settings.explain_missing_kinds(entry.title, facts, control)]
    if control and control.stages:
        strengths = control_settings.format_value(control.stages)
        told.append(words.STRENGTH_BY_STAGE.format(strengths=strengths, label=CONTROL_SETTINGS["scale"].label))
    if others:
        told.append(words.OTHER_CONTROLS.format(controls=control_settings.told(others)))
    return tuple(filter(None, told))


def _map(part: ControlPanel, visit: Visit, house: House) -> Outputs:
    """The map, unless the very same is shown."""
    html = map_html(visit, house)
    if html is None or hash(html) == visit.mapped:
        return {}
    visit.mapped = hash(html)
    return {part.map: html}
