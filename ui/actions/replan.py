"""What the controls stand for, planned, and how it relates to what is shown. Knows no component."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from engine.control.detectors import check_detectors
from engine.errors import BadRecipe, Fault
from engine.planning.plan import plan
from engine.recipe.recipe import Recipe
from ui.actions import runs
from ui.messages.summaries import describe_differences
from ui.messages.status import describe_unknown_words
from ui.session.images import as_shaped, at_hand
from ui.session.services import House
from ui.session.session import Visit
from ui.settings.widgets import recipe_from_widgets, values_without_widget, widget_values
from ui.text import words


def read(visit: Visit, house: House, recipe: Recipe | BadRecipe) -> None:
    """Takes a recipe for what the controls stand for, and plans it."""
    try:
        if isinstance(recipe, BadRecipe):
            raise recipe
        visit.recipe = recipe
        planned = plan(at_hand(visit, house, recipe), house.facts(recipe.model))
        check_detectors(recipe.controls)
        visit.plan, visit.refused = planned, None
        visit.held = house.held(visit.plan)
    except BadRecipe as fault:
        visit.plan, visit.refused, visit.held = None, fault, 0
    except Fault as fault:  # The model cannot be had.
        visit.plan, visit.refused, visit.held = None, BadRecipe("model", fault.sentence), 0
    if visit.stop_after and visit.plan and visit.stop_after >= len(visit.plan.stages):
        visit.stop_after = None


def again(visit: Visit, house: House) -> None:
    """The same controls, when what is known or kept has changed."""
    read(visit, house, visit.refused or visit.recipe)


def take(visit: Visit, house: House, recipe: Recipe) -> None:
    """Puts a recipe into the controls; a model that is not on offer gives way to the present one."""
    model = house.offered(recipe.model, visit.model)
    recipe = replace(recipe, model=model if house.facts_if_here(model) else "")
    recipe = as_shaped(visit, house, recipe)
    visit.rest = values_without_widget(recipe)
    # As the controls will give it back, so that what follows from filling them is no change.
    with suppress(BadRecipe):
        facts = house.facts(recipe.model)
        recipe = recipe_from_widgets(widget_values(recipe, facts), visit.rest, facts)
    read(visit, house, recipe)


def notes(visit: Visit, house: House) -> tuple[dict[str, Any], ...]:
    """Words that the model does not know, and how the controls differ from the shown picture."""
    found = []
    strange = describe_unknown_words(visit.recipe.prompt, house.entry(visit.model))
    if strange:
        found.append({"kind": "words", "text": strange, "actions": []})
    shown = visit.shown.plan if visit.shown else None
    if shown and visit.plan and not runs.is_at_work(visit, house):
        changes = describe_differences(shown.recipe, visit.plan.recipe)
        if changes:
            use = {"do": "use", "run": visit.shown.name, "label": words.USE_SETTINGS}
            found.append({"kind": "since", "text": words.CHANGED_SINCE_PICTURE.format(changes=changes), "actions": [use]})
    return tuple(found)


def undoable(visit: Visit) -> tuple[dict[str, Any], ...]:
    """What the page did to the settings, as long as any of it stands; what it offered then has passed."""
    if visit.step and visit.step.undone(visit.recipe) == visit.recipe:
        visit.step = None
    return tuple(
        each | {"actions": [action for action in each["actions"] if action["do"] == "undo"]}
        for each in visit.notes
        if visit.step and each["kind"] == "nudge"
    )


def is_shown(visit: Visit, house: House) -> bool:
    """Whether the controls stand for the very picture that is shown, whole."""
    story = visit.shown
    if not (story and story.plan and visit.plan):
        return False
    whole = len(house.pictures(story.run)) >= len(story.plan.stages)
    present, theirs = visit.plan.recipe, story.plan.recipe
    return whole and theirs == replace(present, view_batch=theirs.view_batch)
