"""Event handlers for the choice of a model. The model is downloaded and loaded while the page stays usable."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import gradio as gr

from engine.catalogue.entries import Facts
from engine.errors import Fault
from engine.recipe.quality import apply_quality, default_recipe, find_quality, quality_names
from ui.actions.replan import plan_settings, replan, set_recipe
from ui.handlers.base import Handlers
from ui.page import Outputs, Page, one_at_a_time
from ui.panels.stages_value import stages_panel_value
from ui.session.client import client_of
from ui.session.services import Services
from ui.session.session import Session
from ui.settings.widgets import recipe_from_widgets, widget_values
from ui.text import words

# Seconds between two updates of the page while a model is downloaded.
DOWNLOAD_UPDATE_INTERVAL = 1.0


def carry_over_defaults(values: Mapping[str, Any], old: Facts, new: Facts) -> dict[str, Any]:
    """Return the values of the widgets, by name, after a change from the old model to the new model.

    The old model's default values become the new model's default values. The stride is reduced to the new window.
    """
    old_defaults, new_defaults = (widget_values(default_recipe(facts), facts) for facts in (old, new))
    carried = {
        name: new_defaults[name] if value == old_defaults[name] else value for name, value in values.items()
    }
    return carried | {"stride": min(carried["stride"], new.window)}


def select_model(session: Session, services: Services, name: str) -> None:
    """Select a model that is on this machine, and adapt the settings to it.

    name: the name of the model as recipes store it; empty for the first model.
    """
    old, new = services.facts(session.model), services.facts(name)
    values = carry_over_defaults(widget_values(session.recipe, old), old, new) | {"model": name}
    recipe, quality = (
        recipe_from_widgets(values, session.unlisted_settings, new),
        find_quality(session.recipe, old),
    )
    if quality in quality_names(new):
        recipe = apply_quality(recipe, quality, new)
    set_recipe(session, services, recipe)


class ModelHandlers(Handlers):
    """Handlers of the events that select a model and load it."""

    def __init__(self, services: Services, page: Page) -> None:
        super().__init__(services, page)
        # Separate threads, because downloads take minutes and would use up asyncio's few threads.
        self._threads = ThreadPoolExecutor(len(services.pool.entries), "models")
        # The loading of each model that is being loaded or was loaded, by name of the model.
        self._loads: dict[str, Future[Fault | None]] = {}

    @one_at_a_time
    def on_model_choice(self, values: dict, request: gr.Request, event: gr.EventData) -> Outputs:
        """Select another model. If it must be downloaded first, the present model stays selected until then."""
        widget, session = self.page.widgets["model"], self.session(request, values)
        action = event._data if isinstance(event._data, Mapping) else {}
        name = self.services.resolve_model(action.get("model"), session.model)
        current = session.model if session.wanted_model is None else session.wanted_model
        if name == current:  # A browser may report the same choice twice.
            return self.no_update()
        present = self.services.entry(session.model).name
        plan_settings(session, self.services, self.read_recipe(session, values | {widget: present}))
        session.message = session.undoable_change = session.wanted_model = None
        if self.services.facts_or_none(name):
            select_model(session, self.services, name)
        else:
            session.wanted_model = name
        return self.update_page(session, fill=True) | self.update_model_picker(session)

    async def on_load_model(self, request: gr.Request) -> AsyncIterator[Outputs]:
        """Load the page's model, after downloading it if necessary, and update the page meanwhile."""
        session = self.services.sessions.find(client_of(request))
        if session is None:
            yield self.no_update()
            return
        name = session.model if session.wanted_model is None else session.wanted_model
        loading = asyncio.wrap_future(self._start_loading(name))
        while not loading.done():
            await asyncio.wait([loading], timeout=DOWNLOAD_UPDATE_INTERVAL)
            if not loading.done() and session.wanted_model == name:
                yield await asyncio.to_thread(self._show_download_progress, session)
        yield await asyncio.to_thread(self._update_after_loading, session, name, loading.result())

    def _start_loading(self, name: str) -> Future[Fault | None]:
        """Start to load a model unless it is being loaded already.

        The future's result is the Fault that made the loading fail; None if the model was loaded.
        """
        entry = self.services.entry(name).name
        load = self._loads.get(entry)
        if load is None or load.done():
            load = self._loads[entry] = self._threads.submit(self._load_model, entry)
        return load

    def _load_model(self, name: str) -> Fault | None:
        """Load a model. Return the Fault that made the loading fail; None if the model was loaded."""
        try:
            self.services.pool.load(name)
        except Fault as fault:
            return fault
        return None

    def _show_download_progress(self, session: Session) -> Outputs:
        """Return the update of the stages panel, which shows how much has been downloaded."""
        with session.lock:
            return {self.page.stages: stages_panel_value(session, self.services)}

    def _update_after_loading(self, session: Session, name: str, fault: Fault | None) -> Outputs:
        """Select the loaded model if the page waits for it, or show why loading failed. Return updates of the page.

        fault: the reason why loading failed; None if the model was loaded.
        """
        with session.lock:
            was_wanted = session.wanted_model == name
            if was_wanted:
                session.wanted_model = None
            entry = self.services.entry(name)
            if fault and was_wanted and not entry.is_local:
                present = self.services.entry(session.model).title
                session.show_message(
                    words.DOWNLOAD_FAILED.format(title=entry.title, present=present), fault=True
                )
            elif fault and (was_wanted or name == session.model):
                session.show_message(fault.sentence, fault=True)
            elif was_wanted:
                select_model(session, self.services, name)
                return self.update_page(session, fill=True) | self.update_model_picker(session)
            replan(session, self.services)
            # Only the components that depend on the model: another handler may have updated the others meanwhile.
            return self.update_progress(session)
