"""The page as its handlers have it: the components that they read and write, and each visit for itself."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import gradio as gr

Outputs = dict[Any, Any]


def alone(handler: Callable[..., Outputs]) -> Callable[..., Outputs]:
    """A handler that has its visit for itself: what it reads and changes belongs together."""

    @wraps(handler)
    def locked(self: Any, *given: Any) -> Outputs:
        (request,) = (each for each in given if isinstance(each, gr.Request))
        with self.house.visits.of(request.session_hash).lock:
            return handler(self, *given)

    return locked


@dataclass(frozen=True, eq=False)
class ControlPanel:
    """Of the picture to follow. stage: whose map is shown. close: whether at 1:1.
    aside: on kinds that cannot be chosen, and what else is followed.
    """

    fold: gr.Accordion
    map: gr.HTML
    stage: gr.Radio
    close: gr.HTML
    aside: gr.HTML
    away: gr.Button

    @property
    def components(self) -> list[gr.components.Component]:
        return [self.fold, self.map, self.stage, self.close, self.aside, self.away]


@dataclass(frozen=True, eq=False)
class Page:
    """The components that handlers read and write."""

    controls: dict[str, gr.components.Component]
    chips: dict[str, gr.Radio]
    stages: gr.components.Component
    curves: gr.HTML
    sizes: gr.HTML
    windows: gr.HTML
    generate: gr.Button
    stop: gr.Button
    badge: gr.HTML
    methods: gr.Accordion
    alphas: gr.Markdown
    growing: gr.Accordion
    drop: gr.File
    start: gr.Accordion
    given: gr.HTML
    away: gr.Button
    follow_it: gr.Button
    follow: ControlPanel
    stored: gr.BrowserState
