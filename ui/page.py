"""The components of the page that event handlers read and write."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import gradio as gr
from gradio.blocks import BlockContext
from gradio.components.base import Component

from ui.session.client import client_of
from ui.settings.widgets import Widget

# What a handler returns: the new value of each component that changes, or its gr.update().
Outputs = dict[Any, Any]


def one_at_a_time(handler: Callable[..., Outputs]) -> Callable[..., Outputs]:
    """Decorate a handler so that it runs while no other handler changes the same session."""

    @wraps(handler)
    def locked(self: Any, *arguments: Any) -> Outputs:
        (request,) = (argument for argument in arguments if isinstance(argument, gr.Request))
        with self.services.sessions.get(client_of(request)).lock:
            return handler(self, *arguments)

    return locked


@dataclass(frozen=True, eq=False)
class ControlPanel:
    """The components of the control panel, except the widgets of the control's settings (see Page.widgets)."""

    # The section that contains the panel.
    fold: gr.Accordion
    # Shows the control map, such as the edges of the control image.
    control_map: gr.HTML
    # Chooses the stage whose control map is shown.
    map_stage: gr.Radio
    # Switches the control map between full size and reduced to the width of the panel.
    size_toggle: gr.HTML
    # Says which kinds of control cannot be chosen, and which further controls the recipe has.
    notes: gr.HTML
    # The button that removes the control.
    remove: gr.Button

    @property
    def components(self) -> list[Component | BlockContext]:
        """All components of the panel."""
        return [self.fold, self.control_map, self.map_stage, self.size_toggle, self.notes, self.remove]


@dataclass(frozen=True, eq=False)
class Page:
    """The components of the page that handlers read and write."""

    # The widgets of all settings, by name of the widget.
    widgets: dict[str, Widget]
    # Lists of the words that a model knows, which build a prompt.
    word_lists: gr.HTML
    # Status line, viewer, cards of the stages, notes and earlier runs; see ui/panels/stages.py.
    stages: gr.HTML
    # The chart of the weights and other curves over the steps of the last stage.
    curves: gr.HTML
    # The sizes of the stages.
    size_line: gr.HTML
    # The number and the overlap of the windows.
    window_line: gr.HTML
    # Starts a run, or continues the one on display.
    generate_button: gr.Button
    # Sets the settings that trade seconds for detail to a quality preset.
    quality: gr.Radio
    # Whether Generate keeps the seed even if nothing has changed.
    keep_seed: gr.Checkbox
    # Stops the active run.
    stop_button: gr.Button
    # Says which model is in use, and lists the others.
    model_picker: gr.HTML
    # The section in which a method is chosen.
    method_fold: gr.Accordion
    # The heading above the settings of the stages after the first.
    look_heading: gr.HTML
    # Sets the settings of the stages after the first to a look, such as the defaults.
    looks: gr.Radio
    # Shows the help on the slider with the focus; holds the default values of the sliders.
    slider_help: gr.HTML
    # Takes a file, also one that is dropped anywhere on the page.
    add_picture_button: gr.UploadButton
    # The section with the start image, hidden without one.
    start_fold: gr.Accordion
    # Shows the start image.
    start_image: gr.HTML
    # Removes the start image.
    remove_image_button: gr.Button
    # Makes the start image the control image.
    control_button: gr.Button
    # The control image, its control map and messages about controls.
    control_panel: ControlPanel
    # What the browser stores, such as the settings and the names of its runs.
    browser_state: gr.BrowserState
