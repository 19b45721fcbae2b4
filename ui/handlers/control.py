"""What the section of the picture to follow answers to, beside its knobs."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ui.actions import dropped
from ui.actions.replan import read
from ui.handlers.page import Handlers
from ui.page import Outputs, alone
from ui.panels import control
from ui.session.services import House
from ui.session.session import Visit


class Tracing:
    def __init__(self, handlers: Handlers) -> None:
        self.handlers, self.house = handlers, handlers.house

    @alone
    def mapped(self, given: dict, request: gr.Request) -> Outputs:
        """Another stage was chosen for the map to be shown at."""
        part = self.handlers.page.follow
        visit, stage = self.handlers.visit(request, given), given.get(part.stage)
        last = len(visit.plan.stages) if visit.plan else 0
        visit.map_stage = stage if isinstance(stage, int) and 0 < stage < last else None
        return {self.handlers.page.stages: gr.skip()} | control.update_control_panel(part, visit, self.house)

    @alone
    def traced(self, given: dict, request: gr.Request) -> Outputs:
        """The start picture is to be followed instead."""
        return self._done(dropped.follow_start, given, request)

    @alone
    def unfollowed(self, given: dict, request: gr.Request) -> Outputs:
        """The picture to follow is to go."""
        return self._done(dropped.unfollow, given, request)

    def _done(self, doing: Callable[[Visit, House], Any], given: dict, request: gr.Request) -> Outputs:
        visit = self.handlers.visit(request, given)
        read(visit, self.house, self.handlers.recipe(visit, given))
        doing(visit, self.house)
        return self.handlers.seen(visit, fill=True)
