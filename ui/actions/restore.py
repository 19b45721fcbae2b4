"""How a page is found: the settings of the link, else the browser's and its run, else the example."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.catalogue import vocabulary
from engine.errors import BadRecipe, Fault
from engine.recipe.recall import recall_json
from engine.recipe.recipe import DEFAULTS, Recipe, to_dict
from ui.actions import runs
from ui.actions.replan import take
from ui.messages.status import describe_settings_used
from ui.session.progress import Story
from ui.session.services import EXAMPLE, House
from ui.session.session import MOST_EARLIER, Visit
from ui.settings.link import ParsedLink
from ui.settings.widgets import widget_values
from ui.text import formatting, words
from ui.text.labels import join_labels


def stored(visit: Visit, house: House) -> dict[str, Any]:
    """What the browser keeps: settings, the run that is shown, its runs that are still here."""
    return {
        "recipe": to_dict(visit.recipe),
        "run": visit.shown.name if visit.shown else "",
        "runs": [name for name in visit.earlier if house.folder(name)],
        "forgotten": list(visit.forgotten),
    }


def take_up(visit: Visit, house: House, kept: Mapping[str, Any], linked: ParsedLink) -> None:
    """Fills a visit; what a browser kept may be anything. A tab takes its link's settings once."""
    names = kept.get("runs")
    for name in reversed(names[:MOST_EARLIER] if isinstance(names, list) else []):
        if house.folder(name) and name != EXAMPLE:
            visit.remember(name)
    recipe = _recalled(kept.get("recipe"))
    taken = kept.get("taken") is True and recipe is not None
    if (linked.recipe != DEFAULTS or linked.strange) and not taken:
        _take_link(visit, house, linked)
        return
    if recipe is None:
        _show_example(visit, house)
        return
    take(visit, house, recipe)
    story = house.story(kept.get("run") or "")
    if story:
        come_back(visit, house, story)
    elif kept.get("run"):
        visit.say(words.RUN_REMOVED.format(hours=formatting.format_hours(house.shelf.age)))


def _take_link(visit: Visit, house: House, linked: ParsedLink) -> None:
    """What a link brings into the controls; its model is fetched if it is on offer and not here."""
    take(visit, house, linked.recipe)
    model = house.offered(linked.recipe.model)
    if house.facts_if_here(model) is None:
        visit.wanted = model
    if linked.strange:
        visit.say(words.LINK_READ_EXCEPT.format(strange=join_labels(linked.strange)), fault=True)
    elif visit.plan and linked.recipe.model not in ("", *house.lender.entries):
        visit.say(describe_settings_used(linked.recipe, house, visit.model))
    elif visit.plan:
        visit.say(words.LINK_READ)


def _recalled(values: Any) -> Recipe | None:
    try:
        return recall_json(json.dumps(values)).recipe if isinstance(values, Mapping) else None
    except (BadRecipe, ValueError, TypeError):
        return None


def _show_example(visit: Visit, house: House) -> None:
    story = house.story(EXAMPLE)
    take(visit, house, story.plan.recipe if story and story.plan else first(house))
    if story:
        come_back(visit, house, story)


def first(house: House) -> Recipe:
    """What stands in the controls where there is no example."""
    draws = house.entry().draws
    if not draws:
        return replace(DEFAULTS, prompt=words.SURPRISE_PROMPTS[0])
    return replace(
        DEFAULTS, prompt=vocabulary.build_prompt({kind: choices[0] for kind, choices in draws.items()})
    )


def at_first(house: House) -> dict[str, Any]:
    """What the controls show before a page has been opened."""
    story = house.story(EXAMPLE)
    recipe = story.plan.recipe if story and story.plan else first(house)
    try:
        return widget_values(recipe, house.facts(recipe.model))
    except Fault:  # The model is not here; `opened` will say so.
        return {}


def come_back(visit: Visit, house: House, story: Story) -> None:
    """Shows a run that was begun before this page was opened; one that goes on is followed."""
    kept = house.pictures(story.run)
    visit.show(story, kept[-1].key if kept else "")
    if house.goes_on(story):
        visit.work = story
        return
    if story.name == EXAMPLE or story.plan is None or not kept:
        return
    runs.found(visit, house, story)
