"""Event handlers of the control panel, except the settings of the control, which are ordinary widgets."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ui.actions import dropped
from ui.handlers.base import Handlers
from ui.page import Outputs, one_at_a_time
from ui.panels.control import update_control_panel
from ui.session.services import Services
from ui.session.session import Session


class ControlHandlers(Handlers):
    """Handlers of the control panel."""

    @one_at_a_time
    def on_map_stage_choice(self, values: dict, request: gr.Request) -> Outputs:
        """Show the control map of the chosen stage."""
        panel = self.page.control_panel
        session, stage = self.session(request, values), values.get(panel.map_stage)
        last = len(session.plan.stages) if session.plan else 0
        session.map_stage = stage if isinstance(stage, int) and 0 < stage < last else None
        return self.no_update() | update_control_panel(panel, session, self.services)

    @one_at_a_time
    def on_use_start_image_as_control(self, values: dict, request: gr.Request) -> Outputs:
        """Make the start image the control image, and remove the start image."""
        return self._change_control(dropped.use_start_image_as_control, values, request)

    @one_at_a_time
    def on_remove_control(self, values: dict, request: gr.Request) -> Outputs:
        """Remove the first control."""
        return self._change_control(dropped.remove_control, values, request)

    def _change_control(
        self, change: Callable[[Session, Services], Any], values: dict, request: gr.Request
    ) -> Outputs:
        """Plan the settings in the widgets, apply a change of the control and return updates of the page."""
        session = self.plan_widgets(request, values)
        change(session, self.services)
        return self.update_page(session, fill=True)
