"""Fill a page when it is opened: from its link, from values that the browser stored, or with an example."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.catalogue import vocabulary
from engine.errors import BadRecipe, Fault
from engine.recipe.quality import default_recipe
from engine.recipe.recall import recall_json
from engine.recipe.recipe import DEFAULTS, Recipe, to_dict
from ui.actions import runs
from ui.actions.replan import set_recipe
from ui.messages.status import describe_settings_used
from ui.session.progress import RunProgress
from ui.session.services import EXAMPLE, Services
from ui.session.session import MAX_OWN_RUNS, Session
from ui.settings.link import ParsedLink
from ui.settings.widgets import widget_values
from ui.text import formatting, words
from ui.text.labels import join_labels


def browser_state(session: Session, services: Services) -> dict[str, Any]:
    """Return a JSON object for the browser to store: the settings, the shown run and the runs of the browser.

    It also says which page has been filled with these settings, and which run Stop means.
    """
    return {
        "page": session.client.session_hash,
        "active": session.active_run.name if session.active_run else "",
        "recipe": to_dict(session.recipe),
        "keep_seed": session.keeps_seed,
        "run": session.shown_run.name if session.shown_run else "",
        "candidates": [run.name for run in session.candidates] if session.shows_candidates else [],
        "runs": [name for name in session.own_runs if services.run_folder(name, session.owner)],
        "forgotten": list(session.removed_runs),
    }


def restore_session(
    session: Session, services: Services, stored: Mapping[str, Any], link: ParsedLink
) -> None:
    """Fill a session from a link or, if the link has no settings, from the values that the browser stored.

    stored: a result of browser_state() that the browser sent back; it comes from outside and may contain anything.
    If its value "taken" is true, the page was filled from its link before, and the link is ignored.
    """
    session.keeps_seed = stored.get("keep_seed") is True
    names = stored.get("runs")
    for name in reversed(names[:MAX_OWN_RUNS] if isinstance(names, list) else []):
        if services.run_folder(name, session.owner) and name not in services.examples:
            session.remember_run(name)
    recipe = parse_recipe(stored.get("recipe"))
    has_used_link = stored.get("taken") is True and recipe is not None
    if (link.recipe != DEFAULTS or link.strange) and not has_used_link:
        _use_link(session, services, link)
        return
    if recipe is None:
        _show_example(session, services)
        return
    set_recipe(session, services, recipe)
    if _show_candidates(session, services, stored.get("candidates")):
        return
    progress = services.run_progress(stored.get("run") or "", session.owner)
    if progress:
        show_run(session, services, progress)
    elif stored.get("run"):
        session.show_message(words.RUN_REMOVED.format(hours=formatting.format_hours(services.cache.max_age)))


def _use_link(session: Session, services: Services, link: ParsedLink) -> None:
    """Make a link's recipe the settings of the page, and have its model downloaded if that is not on this machine."""
    set_recipe(session, services, link.recipe)
    model = services.resolve_model(link.recipe.model)
    if services.facts_or_none(model) is None:
        session.wanted_model = model
    if link.strange:
        session.show_message(words.LINK_READ_EXCEPT.format(strange=join_labels(link.strange)), fault=True)
    elif session.plan and link.recipe.model not in ("", *services.pool.entries):
        session.show_message(describe_settings_used(link.recipe, services, session.model))
    elif session.plan:
        has_prompt = bool(link.recipe.prompt.strip())
        session.show_message(words.LINK_READ if has_prompt else words.LINK_READ_WITHOUT_PROMPT)


def _show_candidates(session: Session, services: Services, names: object) -> bool:
    """Show the candidates of these names, a value from outside. Return whether there are any."""
    names = names[:MAX_OWN_RUNS] if isinstance(names, list) else []
    found = [services.run_progress(name, session.owner) for name in names if name in session.own_runs]
    session.candidates = tuple(run for run in found if run and (run.finished or services.is_active(run)))
    session.active_run = next((run for run in session.candidates if services.is_active(run)), None)
    if session.active_run:
        session.show_run(session.active_run)
    elif session.candidates:
        session.show_message(words.CHOOSE_CANDIDATE)
    return bool(session.candidates)


def parse_recipe(values: object) -> Recipe | None:
    """Return the recipe in values from outside; None if they contain no recipe."""
    if not isinstance(values, Mapping):
        return None
    try:
        return recall_json(json.dumps(values)).recipe
    except (BadRecipe, ValueError, TypeError):
        return None


def _show_example(session: Session, services: Services) -> None:
    """Use the settings of the example run, and show the run if the app has one."""
    progress = services.run_progress(EXAMPLE, session.owner)
    set_recipe(session, services, _example_recipe(progress, services))
    if progress:
        show_run(session, services, progress)


def _example_recipe(example: RunProgress | None, services: Services) -> Recipe:
    """Return the recipe of the example run; first_recipe() if the app has no example run."""
    return example.plan.recipe if example and example.plan else first_recipe(services)


def first_recipe(services: Services) -> Recipe:
    """Return the default settings with a prompt that the first model understands."""
    known_words, facts = services.entry().vocabulary, services.facts_or_none("")
    defaults = default_recipe(facts) if facts else DEFAULTS
    if not known_words:
        return replace(defaults, prompt=words.SURPRISE_PROMPTS[0])
    prompt = vocabulary.build_prompt({kind: choices[0] for kind, choices in known_words.items()})
    return replace(defaults, prompt=prompt)


def initial_values(services: Services) -> dict[str, Any]:
    """Return the values of the widgets before any page is opened, by name; {} if the model is not on this machine."""
    recipe = _example_recipe(services.run_progress(EXAMPLE, owner=""), services)
    try:
        return widget_values(recipe, services.facts(recipe.model))
    except Fault:  # The model is not on this machine; the page says so when it is opened.
        return {}


def show_run(session: Session, services: Services, progress: RunProgress) -> None:
    """Show a run that began before the page was opened. Make it the active run of the page, or say how it ended."""
    stages = services.finished_stages(progress.folder)
    session.show_run(progress, stages[-1].stage_id if stages else "")
    if services.is_active(progress):
        session.active_run = progress
    elif progress.name not in services.examples and progress.plan and stages:
        runs.report_restored(session, services, progress)
