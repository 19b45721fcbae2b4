"""What the section of the picture to follow answers to, beside its knobs."""

import gradio as gr

from ui import dropping, section
from ui.handlers import Handlers
from ui.page import Outputs, alone
from ui.reading import read


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
        return {self.handlers.page.stages: gr.skip()} | section.shown(part, visit, self.house)

    @alone
    def unfollowed(self, given: dict, request: gr.Request) -> Outputs:
        """The picture to follow is to go."""
        visit = self.handlers.visit(request, given)
        read(visit, self.house, self.handlers.recipe(visit, given))
        dropping.unfollow(visit, self.house)
        return self.handlers.seen(visit, fill=True)
