"""The base class of all event handlers: finds the session of a request, reads its widgets and updates the page."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from engine.errors import BadRecipe, Fault
from engine.methods import METHODS
from engine.recipe.quality import find_quality
from engine.recipe.recipe import DEFAULTS, Recipe, to_dict
from ui.actions import restore, runs
from ui.actions.replan import current_notes, plan_settings, set_recipe, update_undo_notes
from ui.messages.status import continue_label
from ui.messages.summaries import describe_sizes, describe_windows, quality_choices
from ui.page import Outputs, Page, one_at_a_time
from ui.panels.control import update_control_panel
from ui.panels.curves import curves_html
from ui.panels.head import heading_html
from ui.panels.model_picker import model_picker_html
from ui.panels.slider_help import slider_help_html
from ui.panels.stages_value import stages_panel_value
from ui.panels.word_lists import word_lists_html
from ui.session.client import client_of
from ui.session.continuation import find_continuation
from ui.session.images import start_image_html
from ui.session.services import Services
from ui.session.session import Session
from ui.settings import control_settings
from ui.settings.link import ParsedLink
from ui.settings.looks import find_look
from ui.settings.sizes import has_input_image, overridden_widgets
from ui.settings.widgets import (
    clamp_to_slider,
    ineffective_widgets,
    method_widgets,
    model_choices,
    recipe_from_widgets,
    shape_choices,
    widget_values,
)
from ui.text import methods, words

# The name of the widget that chooses the kind of control.
KIND_WIDGET = control_settings.widget_name("kind")


class Handlers:
    """Base class of all event handlers.

    A handler takes a dict of values by component, and returns a dict of updates by component. The values come from a
    browser and may be anything. If a value is wrong, the page shows a message.
    """

    def __init__(self, services: Services, page: Page) -> None:
        self.services, self.page = services, page

    def session(self, request: gr.Request, values: Mapping[Any, Any] | None = None) -> Session:
        """Return the session of a request.

        values: values by component. If they are passed and the server has dropped the session, a new session is
        filled from the values that the browser stored.
        """
        session = self.services.sessions.get(client_of(request))
        session.address = str(request.request.base_url) if request.request else ""
        if values is not None and not session.is_restored:
            stored = values.get(self.page.browser_state)
            stored = stored if isinstance(stored, dict) else {}
            restore.restore_session(session, self.services, stored, ParsedLink(DEFAULTS))
            session.is_restored = True
        return session

    def read_recipe(self, session: Session, values: Mapping[Any, Any]) -> Recipe | BadRecipe:
        """Return the recipe that is set in the widgets, or a BadRecipe that says what is wrong with their values.

        The values are stored in session.widget_values.
        """
        widgets = self.page.widgets
        by_name = {name: clamp_to_slider(widget, values.get(widget)) for name, widget in widgets.items()}
        by_name["model"] = self.services.resolve_model(by_name["model"], session.model)
        session.widget_values = by_name
        try:
            facts = self.services.facts(by_name["model"])
            by_name["stride"] = clamp_to_slider(widgets["stride"], by_name["stride"], facts.window)
            return recipe_from_widgets(by_name, session.unlisted_settings, facts)
        except BadRecipe as fault:
            return fault
        except Fault as fault:
            return BadRecipe("model", fault.sentence)

    def plan_widgets(self, request: gr.Request, values: Mapping[Any, Any]) -> Session:
        """Plan the recipe that is set in the widgets, and return the session of the request.

        A preset may have changed the settings just before, so that the browser did not have the new values of its
        widgets yet when it sent these; then the new values hold.
        """
        session = self.session(request, values)
        present = session.recipe
        recipe = self.read_recipe(session, values)
        if self._precedes_last_answer(session, values, present):
            set_recipe(session, self.services, present)
        else:
            plan_settings(session, self.services, recipe)
        return session

    def _precedes_last_answer(self, session: Session, values: Mapping[Any, Any], present: Recipe) -> bool:
        """Return whether a browser sent its widgets before it knew the present recipe, and nobody changed them since.

        The browser also sends the recipe of the last answer that it has received.
        """
        stored = values.get(self.page.browser_state)
        known = restore.parse_recipe(stored.get("recipe")) if isinstance(stored, dict) else None
        if known is None or to_dict(known) == to_dict(present):
            return False
        try:
            shown = widget_values(known, self.services.facts(session.widget_values["model"]))
        except Fault:
            return False
        return shown == {name: session.widget_values[name] for name in shown}

    @one_at_a_time
    def apply_change(self, values: dict, request: gr.Request) -> Outputs:
        """Plan changed settings, and return updates that show the sizes and the time of a run with them."""
        session = self.session(request, values)
        cleared = self._overridden_widgets(session, values)
        recipe = self.read_recipe(session, {**values, **cleared})
        if recipe == session.recipe and session.refusal is None:  # The page itself set the widgets.
            return self.no_update()
        plan_settings(session, self.services, recipe)
        session.message = session.trial = None
        session.notes = (*update_undo_notes(session), *current_notes(session, self.services))
        updates = self.update_page(session)
        for widget, value in cleared.items():
            updates[widget] = gr.update(value=value) | updates.get(widget, {})
        return updates

    def _overridden_widgets(self, session: Session, values: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return new values, by widget, of those that do not fit the setting that was changed.

        They would leave a size setting without effect, or are the own value of a method that is no longer chosen.
        """
        by_name = {name: values.get(widget) for name, widget in self.page.widgets.items()}
        before = session.widget_values
        cleared = overridden_widgets(before, by_name) | method_widgets(before, by_name)
        return {self.page.widgets[name]: value for name, value in cleared.items()}

    def no_update(self) -> Outputs:
        """Return outputs that change nothing; Gradio requires at least one component."""
        return {self.page.stages: gr.skip()}

    def update_page(self, session: Session, *, fill: bool = False) -> Outputs:
        """Return updates of all components that depend on a session.

        fill: also set the widgets to the settings; needed unless the person changed the settings in the widgets.
        """
        page, services = self.page, self.services
        is_active = runs.is_run_active(session, services)
        continuation = None if is_active else find_continuation(session, services)
        updates: Outputs = {
            page.stages: stages_panel_value(session, services),
            page.generate_button: gr.update(
                value=continue_label(continuation, services) if continuation else words.GENERATE,
                visible=not is_active,
                # Settings that are refused start nothing. A page that lost its session may try.
                interactive=session.refusal is None,
            ),
            page.stop_button: gr.update(visible=is_active),
            page.browser_state: restore.browser_state(session, services),
            page.curves: curves_html(session.plan.stages[-1]) if session.plan else "",
            page.size_line: describe_sizes(session.plan),
            page.window_line: describe_windows(session.plan),
        }
        updates |= self._fill_widgets(session) if fill else self._show_effective_widgets(session)
        updates[page.looks] = self._update_looks(session)
        updates[page.quality] = self._update_quality(session)
        updates[page.word_lists] = word_lists_html(services.entry(session.model), session.recipe.prompt)
        return updates | update_control_panel(page.control_panel, session, services)

    def update_progress(self, session: Session) -> Outputs:
        """Return updates of the components that change while a run or the loading of a model is in progress."""
        with session.lock:
            return {self.page.stages: stages_panel_value(session, self.services)} | self.update_model_picker(
                session
            )

    def update_model_picker(self, session: Session) -> Outputs:
        """Return the update of the model picker, which says which model is loaded."""
        return {self.page.model_picker: model_picker_html(self.services, session.model)}

    def _fill_widgets(self, session: Session) -> Outputs:
        """Return updates that set all widgets to the session's recipe and hide widgets without effect."""
        widgets, facts = self.page.widgets, self.services.facts(session.model)
        values = widget_values(session.recipe, facts) | {"model": self.services.entry(session.model).name}
        session.ineffective_widgets, session.widget_values = self._ineffective_widgets(session), values
        updates: Outputs = {
            widget: gr.update(value=values[name], visible=name not in session.ineffective_widgets)
            for name, widget in widgets.items()
        }
        updates[widgets["stride"]]["maximum"] = facts.window
        updates[widgets["model"]]["choices"] = model_choices(self.services.pool.entries.values())
        updates[widgets["shape"]]["choices"] = shape_choices(has_input_image(session.recipe))
        updates[widgets[KIND_WIDGET]]["choices"] = self._kind_choices(session)
        updates[self.page.keep_seed] = session.keeps_seed
        return updates | self._update_headings(session) | self._update_start_image(session)

    def _show_effective_widgets(self, session: Session) -> Outputs:
        """Return updates that hide widgets that lost their effect, and show widgets that have an effect again."""
        ineffective = self._ineffective_widgets(session)
        changed = ineffective ^ session.ineffective_widgets
        session.ineffective_widgets = ineffective
        updates = {self.page.widgets[name]: gr.update(visible=name not in ineffective) for name in changed}
        if changed:
            updates |= self._update_headings(session)
        if KIND_WIDGET not in ineffective:
            updates.setdefault(self.page.widgets[KIND_WIDGET], gr.update())["choices"] = self._kind_choices(
                session
            )
        return updates

    def _update_headings(self, session: Session) -> Outputs:
        """Return updates of the headings and the help that depend on the method."""
        page, recipe, facts = self.page, session.recipe, self.services.facts(session.model)
        growth = words.FROM_STAGE_ONE if recipe.image else words.FROM_STAGE_TWO
        method = methods.METHOD_HEADING_CHOSEN.format(title=methods.METHOD_TITLES[recipe.method])
        has_base = METHODS[recipe.method].has_base
        return {
            page.method_fold: gr.update(label=method),
            page.look_heading: heading_html(growth if has_base else methods.METHOD_SETTINGS),
            page.slider_help: gr.update(
                value=slider_help_html(facts, recipe.method),
                visible="alpha1" not in session.ineffective_widgets,
            ),
        }

    def _update_start_image(self, session: Session) -> Outputs:
        """Return updates of the section of the start image. The section opens when the start image is new."""
        page, image = self.page, session.recipe.image
        is_new = image is not None and image != session.shown_start_image
        session.shown_start_image = image
        can_be_followed = image is not None and bool(
            control_settings.supported_kinds(self.services.facts(session.model))
        )
        return {
            page.start_fold: gr.update(visible=image is not None) | ({"open": True} if is_new else {}),
            page.start_image: gr.update(
                value=start_image_html(session, self.services), visible=image is not None
            ),
            page.remove_image_button: gr.update(visible=image is not None),
            page.control_button: gr.update(visible=can_be_followed),
        }

    def _update_looks(self, session: Session) -> dict[str, Any]:
        """Return the update of the looks: the one that is set, if any. They are hidden where they have no effect."""
        look = find_look(session.recipe, self.services.facts(session.model))
        return gr.update(value=look, visible="alpha1" not in session.ineffective_widgets)

    def _update_quality(self, session: Session) -> dict[str, Any]:
        """Return the update of the quality presets: the one that is set, if any.

        They are hidden for methods that read only some of their settings.
        """
        recipe, facts = session.recipe, self.services.facts(session.model)
        choices = quality_choices(facts)
        has_effect = bool(choices) and {"restart", "dilated"} <= METHODS[recipe.method].reads
        return gr.update(choices=choices, value=find_quality(recipe, facts), visible=has_effect)

    def _ineffective_widgets(self, session: Session) -> frozenset[str]:
        """Return the names of the widgets that have no effect with the session's settings."""
        recipe = session.plan.recipe if session.plan else session.recipe
        facts = self.services.facts(session.model)
        return ineffective_widgets(recipe, facts) & frozenset(self.page.widgets)

    def _kind_choices(self, session: Session) -> list[tuple[str, str]]:
        """Return (title, name) of each kind of control that the person may choose."""
        facts, control = self.services.facts(session.model), control_settings.first_control(session.recipe)
        return control_settings.kind_choices(control_settings.selectable_kinds(facts, control))
