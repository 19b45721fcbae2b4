"""The components of the page that event handlers read and write."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import gradio as gr

# What a handler returns: new values or gr.update() by component.
Outputs = dict[Any, Any]


def one_at_a_time(handler: Callable[..., Outputs]) -> Callable[..., Outputs]:
    """Decorate a handler so that it runs while no other handler changes the same session."""

    @wraps(handler)
    def locked(self: Any, *arguments: Any) -> Outputs:
        (request,) = (argument for argument in arguments if isinstance(argument, gr.Request))
        with self.services.sessions.get(request.session_hash).lock:
            return handler(self, *arguments)

    return locked


@dataclass(frozen=True, eq=False)
class ControlPanel:
    """The components that show the control image and its map; the control's settings are in Page.widgets."""

    fold: gr.Accordion
    # The control map.
    map: gr.HTML
    # Chooses the stage whose map is shown.
    stage: gr.Radio
    # Switches between the map reduced to fit and at full size.
    full_size: gr.HTML
    # Sentences on kinds of control that cannot be chosen, and on further controls.
    notes: gr.HTML
    # Removes the control.
    remove: gr.Button

    @property
    def components(self) -> list[gr.components.Component]:
        return [self.fold, self.map, self.stage, self.full_size, self.notes, self.remove]


@dataclass(frozen=True, eq=False)
class Page:
    """The components of the page that handlers read and write."""

    # The widgets of all settings, by name.
    widgets: dict[str, gr.components.Component]
    # Radio buttons that build a prompt from the words that a model knows, by kind of word.
    word_choices: dict[str, gr.Radio]
    # Status line, viewer, cards of the stages, notes and earlier runs; see ui/panels/stages.py.
    stages: gr.components.Component
    # The curves of the last stage.
    curves: gr.HTML
    # The sizes of the stages.
    size_line: gr.HTML
    # Number and overlap of the windows.
    window_line: gr.HTML
    generate_button: gr.Button
    stop_button: gr.Button
    # Which model is loaded, and where.
    badge: gr.HTML
    # The section for the choice of a method.
    method_fold: gr.Accordion
    # Help on the exponents alpha1 to alpha3.
    alpha_help: gr.Markdown
    # The section for the settings of the stages above the base.
    growth_fold: gr.Accordion
    # Takes files that are dropped on the page.
    drop_zone: gr.File
    # The section for the start image.
    start_fold: gr.Accordion
    # Shows the start image.
    start_image: gr.HTML
    # Removes the start image.
    remove_image_button: gr.Button
    # Makes the start image the control image.
    control_button: gr.Button
    control_panel: ControlPanel
    # What the browser stores for the page.
    browser_state: gr.BrowserState
