"""Which model a page works with: chosen, fetched if need be, and loaded while the page goes on."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import gradio as gr

from engine.catalogue.entries import Facts
from engine.errors import Fault
from engine.recipe.recipe import DEFAULTS
from ui.actions.replan import again, read, take
from ui.handlers.page import Handlers
from ui.page import Outputs, alone
from ui.panels.badge import badge_html
from ui.panels.view import stages_panel_value
from ui.session.services import House
from ui.session.session import Visit
from ui.settings.widgets import recipe_from_widgets, widget_values
from ui.text import words

REST = 1.0
"""Seconds between looks at how much has been fetched."""


def carried(values: Mapping[str, Any], old: Facts, new: Facts) -> dict[str, Any]:
    """What the controls show under another model: what stood at the old one's defaults stands at the new
    one's, and a window's step is no longer than the window."""
    before, after = widget_values(DEFAULTS, old), widget_values(DEFAULTS, new)
    moved = {name: after[name] if value == before[name] else value for name, value in values.items()}
    return moved | {"stride": min(moved["stride"], new.window)}


def choose(visit: Visit, house: House, name: str) -> None:
    """Takes a model that is here for what the controls stand for."""
    old, new = house.facts(visit.model), house.facts(name)
    values = carried(widget_values(visit.recipe, old), old, new)
    take(visit, house, recipe_from_widgets(values | {"model": name}, visit.rest, new))


class Choosing:
    def __init__(self, handlers: Handlers) -> None:
        self.handlers, self.house = handlers, handlers.house
        # Of its own: fetching takes minutes, and asyncio's few threads are for what takes none.
        self._threads = ThreadPoolExecutor(len(self.house.lender.entries), "models")
        self._loads: dict[str, Future[Fault | None]] = {}

    @alone
    def chosen(self, given: dict, request: gr.Request) -> Outputs:
        """Another model was chosen. While it is not here the present one stays."""
        handlers, control = self.handlers, self.handlers.page.controls["model"]
        visit = handlers.visit(request, given)
        name = self.house.offered(given.get(control), visit.model)
        if name == (visit.model if visit.wanted is None else visit.wanted):  # A browser may say it twice.
            return {handlers.page.stages: gr.skip()}
        present = self.house.entry(visit.model).name
        read(visit, self.house, handlers.recipe(visit, given | {control: present}))
        visit.said = visit.step = visit.wanted = None
        if self.house.facts_if_here(name):
            choose(visit, self.house, name)
        else:
            visit.wanted = name
        return self._filled(visit)

    async def warmed(self, request: gr.Request) -> AsyncIterator[Outputs]:
        """Loads the page's model, or fetches the one it wants; time and memory are known from then on."""
        visit = self.handlers.visit(request)
        name = visit.model if visit.wanted is None else visit.wanted
        loading = asyncio.wrap_future(self._loading(name))
        while not (await asyncio.wait([loading], timeout=REST))[0]:
            if visit.wanted == name:
                yield await asyncio.to_thread(self._told, visit)
        yield await asyncio.to_thread(self._warmed, visit, name, loading.result())

    def _loading(self, name: str) -> Future[Fault | None]:
        """A model on its way, for all pages that wait for it."""
        entry = self.house.entry(name).name
        load = self._loads.get(entry)
        if load is None or load.done():
            load = self._loads[entry] = self._threads.submit(self._fault_of, entry)
        return load

    def _fault_of(self, name: str) -> Fault | None:
        """Loads a model, or says why it cannot be had."""
        try:
            self.house.lender.model(name)
        except Fault as fault:
            return fault
        return None

    def _told(self, visit: Visit) -> Outputs:
        with visit.lock:
            return {self.handlers.page.stages: stages_panel_value(visit, self.house)}

    def _warmed(self, visit: Visit, name: str, fault: Fault | None) -> Outputs:
        with visit.lock:
            was_wanted = visit.wanted == name
            if was_wanted:
                visit.wanted = None
            if fault and was_wanted and not self.house.entry(name).is_here:
                titles = {
                    "title": self.house.entry(name).title,
                    "present": self.house.entry(visit.model).title,
                }
                visit.say(words.DOWNLOAD_FAILED.format(**titles), fault=True)
            elif fault and (was_wanted or name == visit.model):
                visit.say(fault.sentence, fault=True)
            elif was_wanted:
                choose(visit, self.house, name)
                return self._filled(visit)
            again(visit, self.house)
            # Nothing else depends on it, and what came by another way meanwhile is newer.
            return self.handlers.looked_at(visit)

    def _filled(self, visit: Visit) -> Outputs:
        outputs = self.handlers.seen(visit, fill=True)
        return outputs | {self.handlers.page.badge: badge_html(self.house, visit.model)}
