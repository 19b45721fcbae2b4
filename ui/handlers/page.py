"""What the page does when it is opened, moved, started, stopped. Nothing here raises for a known fault."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from engine.catalogue import vocabulary
from engine.errors import BadRecipe, Fault
from engine.methods import METHODS
from engine.recipe.recipe import DEFAULTS, LARGEST_SEED, Recipe
from ui.actions import restore, runs
from ui.actions.replan import again, is_shown, notes, read, undoable
from ui.messages import summaries as readouts
from ui.messages.status import describe_unknown_words
from ui.page import Outputs, Page, alone
from ui.panels import control as section
from ui.panels.badge import badge_html
from ui.panels.curves import curves_html
from ui.panels.view import stages_panel_value
from ui.session import images
from ui.session.services import House
from ui.session.session import Visit
from ui.settings import control_settings, link
from ui.settings.sizes import has_input_image
from ui.settings.widgets import (
    clamp_to_slider,
    ineffective_widgets,
    model_choices,
    recipe_from_widgets,
    shape_choices,
    widget_values,
)
from ui.text import methods, words

KIND = control_settings.widget_name("kind")


class Handlers:
    """page is given once it is built."""

    page: Page

    def __init__(self, house: House) -> None:
        self.house = house

    def visit(self, request: gr.Request, given: Mapping[Any, Any] | None = None) -> Visit:
        """The page's visit; one that the server has forgotten is filled from what the browser keeps."""
        visit = self.house.visits.of(request.session_hash)
        visit.address = str(request.request.base_url) if request.request else ""
        if not visit.known and given is not None:
            stored = given.get(self.page.stored)
            restore.take_up(
                visit, self.house, stored if isinstance(stored, dict) else {}, link.ParsedLink(DEFAULTS)
            )
        visit.known = visit.known or given is not None
        return visit

    def recipe(self, visit: Visit, given: Mapping[Any, Any]) -> Recipe | BadRecipe:
        """What the controls stand for, or why it is nothing."""
        controls = self.page.controls
        values = {name: clamp_to_slider(control, given.get(control)) for name, control in controls.items()}
        values["model"] = self.house.offered(values["model"], visit.model)
        visit.written = values
        try:
            facts = self.house.facts(values["model"])
            values["stride"] = clamp_to_slider(controls["stride"], values["stride"], facts.window)
            return recipe_from_widgets(values, visit.rest, facts)
        except BadRecipe as fault:
            return fault
        except Fault as fault:
            return BadRecipe("model", fault.sentence)

    @alone
    def moved(self, given: dict, request: gr.Request) -> Outputs:
        """A control was moved: what it would make and cost is shown."""
        visit = self.visit(request, given)
        recipe = self.recipe(visit, given)
        if recipe == visit.recipe and visit.refused is None:  # Set by the page itself.
            return {self.page.stages: gr.skip()}
        read(visit, self.house, recipe)
        visit.said = None
        visit.notes = (*undoable(visit), *notes(visit, self.house))
        return self.seen(visit)

    def seen(self, visit: Visit, *, fill: bool = False) -> Outputs:
        """Everything that follows from a visit; `fill`: the controls too, which were set by others."""
        page, house = self.page, self.house
        at_work = runs.is_at_work(visit, house)
        out: Outputs = {
            page.stages: stages_panel_value(visit, house),
            page.generate: gr.update(
                value=words.GENERATE_ANOTHER if not at_work and is_shown(visit, self.house) else words.GENERATE,
                visible=not at_work,
            ),
            page.stop: gr.update(visible=at_work),
            page.stored: restore.stored(visit, house),
            page.curves: curves_html(visit.plan.stages[-1]) if visit.plan else "",
            page.sizes: readouts.describe_sizes(visit.plan),
            page.windows: readouts.describe_windows(visit.plan),
        }
        if fill:
            out |= self.filled(visit)
        else:
            out |= self.of_use(visit)
        return out | self.chosen(visit) | section.update_control_panel(page.follow, visit, house)

    def filled(self, visit: Visit) -> Outputs:
        """The controls as the visit's recipe has them; those without effect are hidden."""
        controls, facts = self.page.controls, self.house.facts(visit.model)
        values = widget_values(visit.recipe, facts) | {"model": self.house.entry(visit.model).name}
        visit.without, visit.written = self._without(visit), values
        out = {
            control: gr.update(value=values[name], visible=name not in visit.without)
            for name, control in controls.items()
        }
        out |= self.by_method(visit)
        out[controls["stride"]]["maximum"] = facts.window
        out[controls["model"]]["choices"] = model_choices(self.house.lender.entries.values())
        out[controls["shape"]]["choices"] = shape_choices(has_input_image(visit.recipe))
        out[controls[KIND]]["choices"] = self._kinds(visit)
        return out | self.started_from(visit)

    def started_from(self, visit: Visit) -> Outputs:
        """The start picture, and how to be rid of it, where there is one; a new one is not overlooked."""
        page, image = self.page, visit.recipe.image
        is_new, visit.start = image not in (None, visit.start), image
        return {
            page.start: gr.update(open=True) if is_new else gr.skip(),
            page.given: gr.update(value=images.seen(visit, self.house), visible=image is not None),
            page.away: gr.update(visible=image is not None),
            page.follow_it: gr.update(visible=image is not None and bool(self._follows(visit))),
        }

    def by_method(self, visit: Visit) -> Outputs:
        """What is called otherwise under another method, and what is not said of it."""
        page, recipe = self.page, visit.recipe
        grown = words.FROM_STAGE_ONE if recipe.image else words.FROM_STAGE_TWO
        grows = METHODS[recipe.method].has_base
        return {
            page.methods: gr.update(label=methods.METHOD_HEADING_CHOSEN.format(title=methods.METHOD_TITLES[recipe.method])),
            page.growing: gr.update(label=grown if grows else methods.METHOD_SETTINGS),
            page.alphas: gr.update(visible="alpha2" not in visit.without),
        }

    def of_use(self, visit: Visit) -> Outputs:
        """Hides settings that have no effect beside the others, and shows them again."""
        without = self._without(visit)
        changed, visit.without = without ^ visit.without, without
        out = {self.page.controls[name]: gr.update(visible=name not in without) for name in changed}
        if changed:
            out |= self.by_method(visit)
        if KIND not in without:
            out.setdefault(self.page.controls[KIND], gr.update())["choices"] = self._kinds(visit)
        return out

    def _follows(self, visit: Visit) -> tuple[str, ...]:
        return control_settings.supported_kinds(self.house.facts(visit.model))

    def _without(self, visit: Visit) -> frozenset[str]:
        recipe = (visit.plan or visit).recipe
        return ineffective_widgets(recipe, self.house.facts(visit.model)) & frozenset(self.page.controls)

    def _kinds(self, visit: Visit) -> list[tuple[str, str]]:
        facts = self.house.facts(visit.model)
        return control_settings.kind_choices(control_settings.selectable_kinds(facts, control_settings.first_control(visit.recipe)))

    def chosen(self, visit: Visit) -> Outputs:
        """The words of the prompt in the sentence builder."""
        entry = self.house.entry(visit.model)
        found = vocabulary.find_choices(visit.recipe.prompt, entry)
        return {
            chip: gr.update(value=found.get(kind), visible=kind in entry.draws)
            for kind, chip in self.page.chips.items()
        }

    @alone
    def opened(self, stored: Any, request: gr.Request) -> Outputs:
        """A page was opened, or came back."""
        visit = self.visit(request)
        visit.known = True
        try:
            linked = link.recipe_from_query(dict(request.query_params or {}))
            restore.take_up(visit, self.house, stored if isinstance(stored, dict) else {}, linked)
            visit.notes = notes(visit, self.house)
        except Fault as fault:
            visit.say(fault.sentence, fault=True)
        return self.seen(visit, fill=visit.said is None or not visit.said.fault or visit.plan is not None) | {
            self.page.badge: badge_html(self.house, visit.model)
        }

    @alone
    def started(self, given: dict, request: gr.Request) -> Outputs:
        """Generate: a run of what the controls stand for, with another seed if it is shown already."""
        visit = self.visit(request, given)
        if runs.is_at_work(visit, self.house):
            return self.seen(visit)
        read(visit, self.house, self.recipe(visit, given))
        out: Outputs = {}
        if visit.plan and not visit.recipe.prompt.strip():
            visit.say(words.PROMPT_EMPTY, fault=True)
        elif visit.plan and not vocabulary.names_a_known_thing(visit.recipe.prompt, self.house.entry(visit.model)):
            visit.say(describe_unknown_words(visit.recipe.prompt, self.house.entry(visit.model)), fault=True)
        elif visit.plan:
            if is_shown(visit, self.house):
                read(visit, self.house, replace(visit.recipe, seed=random.randint(0, LARGEST_SEED)))
                out = {self.page.controls["seed"]: gr.update(value=visit.recipe.seed)}
            runs.ask(visit, self.house, visit.recipe, visit.plan, until=visit.stop_after)
        return self.seen(visit) | out

    @alone
    def stopped(self, request: gr.Request) -> Outputs:
        visit = self.visit(request)
        work = visit.work
        if work is not None and self.house.goes_on(work):
            self.house.desk.stop(work.name)
            work.stopping = True
        return {self.page.stages: stages_panel_value(visit, self.house)}

    async def followed(self, request: gr.Request) -> AsyncIterator[Outputs]:
        """Shows a run as it goes on, to its end; each is followed once."""
        visit = self.visit(request)
        story = visit.work
        if story is None or visit.followed is story:
            yield {self.page.stages: gr.skip()}
            return
        visit.followed = story
        try:
            async for _ in runs.follow(visit, self.house, story):
                if story.end is None:
                    yield await asyncio.to_thread(self.looked_at, visit)
            yield await asyncio.to_thread(self._found_anew, visit)
        finally:
            if visit.followed is story:
                visit.followed = None

    def looked_at(self, visit: Visit) -> Outputs:
        """What changes while a run or the loading of a model goes on."""
        with visit.lock:
            return {
                self.page.stages: stages_panel_value(visit, self.house),
                self.page.badge: badge_html(self.house, visit.model),
            }

    def _found_anew(self, visit: Visit) -> Outputs:
        """Everything, now that more is kept."""
        with visit.lock:
            again(visit, self.house)
            visit.notes = notes(visit, self.house)
            return self.seen(visit) | {self.page.badge: badge_html(self.house, visit.model)}
