"""Plan the settings of a page, and compare them with the settings of the run on display."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from engine.control.detectors import check_detectors
from engine.errors import BadRecipe, Fault
from engine.planning.plan import plan
from engine.recipe.checks import check_upscaler
from engine.recipe.recipe import Recipe
from ui.actions import runs
from ui.messages.summaries import describe_differences
from ui.session.images import recipe_with_files, without_image_size
from ui.session.notes import UNDO_ACTION, make_note
from ui.session.services import Services
from ui.session.session import Session
from ui.settings.widgets import recipe_from_widgets, values_without_widget, widget_values
from ui.text import words


def plan_settings(session: Session, services: Services, recipe: Recipe | BadRecipe) -> None:
    """Make a recipe the settings of the page and plan it.

    If it cannot be planned, session.refusal holds the reason.

    recipe: a recipe, or the reason why the widgets contain no valid recipe.
    """
    try:
        if isinstance(recipe, BadRecipe):
            raise recipe
        session.recipe = recipe
        planned = plan(recipe_with_files(session, services, recipe), services.facts(recipe.model))
        check_detectors(recipe.controls)
        check_upscaler(planned.recipe)
        session.plan, session.refusal = planned, None
        session.cached_count = services.count_cached(planned)
    except BadRecipe as fault:
        _refuse(session, fault)
    except Fault as fault:  # The model is not available.
        _refuse(session, BadRecipe("model", fault.sentence))
    if session.pause_after and session.plan and session.pause_after >= len(session.plan.stages):
        session.pause_after = None


def _refuse(session: Session, fault: BadRecipe) -> None:
    """Store the reason why the settings cannot be planned."""
    session.plan, session.refusal, session.cached_count = None, fault, 0


def replan(session: Session, services: Services) -> None:
    """Update the plan of the unchanged settings after stages were cached or the model was loaded."""
    if session.plan and session.plan.facts is services.facts_or_none(session.model):
        session.cached_count = services.count_cached(session.plan)
    else:
        plan_settings(session, services, session.refusal or session.recipe)


def set_recipe(session: Session, services: Services, recipe: Recipe) -> None:
    """Make a recipe that does not come from the widgets the settings of the page.

    If the app does not know the recipe's model, the selected model replaces it.
    """
    model = services.resolve_model(recipe.model, session.model)
    recipe = replace(recipe, model=model if services.facts_or_none(model) else "")
    recipe = without_image_size(session, services, recipe)
    session.unlisted_settings = values_without_widget(recipe)
    # Use the recipe that the filled widgets will send back, so that filling them does not count as a change.
    with suppress(BadRecipe):
        facts = services.facts(recipe.model)
        recipe = recipe_from_widgets(widget_values(recipe, facts), session.unlisted_settings, facts)
    plan_settings(session, services, recipe)


def current_notes(session: Session, services: Services) -> tuple[dict[str, Any], ...]:
    """Return notes on settings that were tried, and on settings that differ from those of the shown run."""
    notes = []
    shown, trial = session.shown_run, session.trial
    if trial and session.comparison[1] and shown and shown.name == trial.run:
        keep = {"do": "keep", "label": words.KEEP}
        notes.append(make_note(words.TRIED.format(changes=trial.text), keep, UNDO_ACTION, kind="nudge"))
    running = session.active_run if runs.is_run_active(session, services) else None
    if running and running.plan and session.plan:
        changes = describe_differences(running.plan.recipe, session.plan.recipe)
        if changes:
            notes.append(make_note(words.CHANGED_FOR_NEXT_PICTURE.format(changes=changes), kind="since"))
    elif shown and shown.plan and session.plan:
        changes = describe_differences(shown.plan.recipe, session.plan.recipe)
        if changes:
            use = {"do": "use", "run": shown.name, "label": words.USE_SETTINGS}
            notes.append(make_note(words.CHANGED_SINCE_PICTURE.format(changes=changes), use, kind="since"))
    return tuple(notes)


def update_undo_notes(session: Session) -> tuple[dict[str, Any], ...]:
    """Return the notes on a change of settings that the page made itself, with Undo as their only button.

    If the person has reverted this change by hand, clear session.undoable_change and return an empty tuple.
    """
    change = session.undoable_change
    if change is None or change.revert(session.recipe) == session.recipe:
        session.undoable_change = None
        return ()
    return tuple(
        note | {"actions": [action for action in note["actions"] if action["do"] == "undo"]}
        for note in session.notes
        if note["kind"] == "nudge"
    )
