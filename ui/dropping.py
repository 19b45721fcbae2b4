"""What follows from a file on the drop zone. Each changes the visit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import picture
from engine.errors import BadRecipe, Fault
from engine.recall import Recalled, recall
from engine.recipe import DEFAULTS
from ui import words
from ui.controls import summary
from ui.house import House
from ui.labels import labelled
from ui.lines import settings_used
from ui.reading import notes, take
from ui.shapes import beyond
from ui.uploads import uploaded
from ui.view import note
from ui.visit import Offer, Step, Visit


def drop(visit: Visit, house: House, given: Any) -> bool:
    """Offers what a picture of ours is good for, starts from any other, or says what is wrong with a file;
    whether the controls changed."""
    try:
        path = uploaded(given)
        recalled = _recalled(path)
        if recalled:
            _offer(visit, house, recalled, path)
        else:
            _start_from(visit, house, house.uploads.keep(path))
    except Fault as fault:
        visit.say(fault.sentence, fault=True)
        return False
    return recalled is None


def _recalled(path: Path) -> Recalled | None:
    """The recipe in a file; None where it may still be a picture."""
    try:
        return recall(path)
    except BadRecipe:
        if path.suffix.lower() == ".json":
            raise
        return None


def _offer(visit: Visit, house: House, recalled: Recalled, path: Path) -> None:
    try:
        kept = house.uploads.keep(path)
    except BadRecipe:  # The recipe alone, as JSON, or a picture that is too large to start from.
        kept = None
    visit.offered = Offer(recalled.recipe, kept)
    text = words.OFFERED.format(summary=summary(recalled.recipe))
    if recalled.strange:
        text = f"{text} {words.IN_PART.format(strange=labelled(recalled.strange))}"
    actions = [{"do": "offered", "label": words.USE_SETTINGS}]
    if kept:
        actions.append({"do": "enlarge", "label": words.ENLARGE})
    visit.said, visit.notes = None, (note(text, *actions),)


def _start_from(visit: Visit, house: House, kept: Path, **changes: Any) -> None:
    """Makes it the start picture; its shape is the new picture's."""
    digest = picture.digest(kept)
    visit.pictures[digest] = kept
    visit.step = None
    take(visit, house, replace(visit.recipe, image=digest, width=None, height=None, **changes))
    visit.said, visit.offered = None, None
    visit.notes = (note(words.STARTS, {"do": "away", "label": words.TAKE_AWAY}),)


def enlarge(visit: Visit, house: House) -> bool:
    """Starts from the picture that was offered, under its own prompt, and grows beyond its size."""
    if visit.offered is None or visit.offered.picture is None:
        return False
    before, (recipe, kept) = visit.recipe, visit.offered
    height, width = picture.measure(kept)
    scales = beyond(before.scales, height * width, house.facts(before.model))
    _start_from(visit, house, kept, prompt=recipe.prompt, negative=recipe.negative, scales=scales)
    visit.step = Step(before, visit.recipe)
    visit.notes = (note(words.ENLARGES, {"do": "undo", "label": words.UNDO}, kind="nudge"),)
    return True


def use(visit: Visit, house: House) -> bool:
    """Takes the settings of the picture that was offered."""
    if visit.offered is None:
        return False
    recipe = visit.offered.recipe
    take(visit, house, recipe)
    visit.offered, visit.step, visit.notes, visit.said = None, None, (), None
    if not visit.refused:
        visit.say(settings_used(recipe, house, visit.model))
    return True


def take_away(visit: Visit, house: House) -> None:
    """Without a start picture."""
    take(visit, house, replace(visit.recipe, image=None, fidelity=DEFAULTS.fidelity))
    visit.said = visit.step = None
    visit.notes = notes(visit, house)
