"""What follows from a file on the drop zone. Each changes the visit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import BadRecipe, Fault
from engine.recipe import images
from engine.recipe.controls import Control
from engine.recipe.recall import Recalled, recall
from engine.recipe.recipe import DEFAULTS, Recipe
from ui.actions.replan import notes, take
from ui.messages.status import describe_settings_used
from ui.session.notes import make_note
from ui.session.services import House
from ui.session.session import Offer, Step, Visit
from ui.session.uploads import uploaded
from ui.settings.control_settings import default_kind, supported_kinds
from ui.settings.sizes import scales_beyond
from ui.settings.widgets import summarize_settings
from ui.text import words
from ui.text.labels import join_labels


def drop(visit: Visit, house: House, given: Any) -> bool:
    """Offers what a picture of ours is good for, starts from any other, or says what is wrong with a file;
    whether the controls changed."""
    try:
        path = uploaded(given)
        recalled = _recalled(path)
        if recalled:
            _offer(visit, house, recalled, path)
        else:
            _start_from(visit, house, house.uploads.keep(path, visit.drawer))
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
        kept = house.uploads.keep(path, visit.drawer)
    except BadRecipe:  # The recipe alone, as JSON, or a picture that is too large to start from.
        kept = None
    visit.offered = Offer(recalled.recipe, kept)
    text = words.PICTURE_HAS_SETTINGS.format(summary=summarize_settings(recalled.recipe))
    if recalled.strange:
        text = f"{text} {words.RESTORED_EXCEPT.format(strange=join_labels(recalled.strange))}"
    actions = [{"do": "offered", "label": words.USE_SETTINGS}]
    if kept:
        actions += [{"do": "enlarge", "label": words.ENLARGE_IT}, *_follow_it(visit, house)]
    visit.said, visit.notes = None, (make_note(text, *actions),)


def _start_from(visit: Visit, house: House, kept: Path, **changes: Any) -> None:
    """Makes it the start picture; its shape is the new picture's."""
    digest, before = images.digest(kept), visit.recipe
    visit.pictures[digest] = kept
    visit.step = None
    take(visit, house, replace(visit.recipe, image=digest, width=None, height=None, **changes))
    visit.said, visit.offered = None, Offer(None, kept, Step(before, visit.recipe))
    away = {"do": "away", "label": words.TAKE_AWAY}
    visit.notes = (make_note(words.START_IMAGE_SET, away, *_follow_it(visit, house)),)


def _follow_it(visit: Visit, house: House) -> tuple[dict[str, str], ...]:
    """The action, where the model can follow a picture at all."""
    facts = house.facts_if_here(visit.model)
    can = facts is not None and supported_kinds(facts)
    return ({"do": "follow", "label": words.FOLLOW_EDGES},) if can else ()


def enlarge(visit: Visit, house: House) -> bool:
    """Starts from the picture that was offered, under its own prompt, and grows beyond its size."""
    if visit.offered is None or visit.offered.picture is None or visit.offered.recipe is None:
        return False
    before, (recipe, kept, _) = visit.recipe, visit.offered
    height, width = images.measure(kept)
    scales = scales_beyond(before.scales, height * width, house.facts(before.model))
    _start_from(visit, house, kept, prompt=recipe.prompt, negative=recipe.negative, scales=scales)
    visit.step = Step(before, visit.recipe)
    visit.notes = (make_note(words.START_IMAGE_SET_TO_ENLARGE, {"do": "undo", "label": words.UNDO}, kind="nudge"),)
    return True


def use(visit: Visit, house: House) -> bool:
    """Takes the settings of the picture that was offered."""
    if visit.offered is None or visit.offered.recipe is None:
        return False
    recipe = visit.offered.recipe
    take(visit, house, recipe)
    visit.offered, visit.step, visit.notes, visit.said = None, None, (), None
    if not visit.refused:
        visit.say(describe_settings_used(recipe, house, visit.model))
    return True


def take_away(visit: Visit, house: House) -> None:
    """Without a start picture."""
    take(visit, house, replace(visit.recipe, image=None, fidelity=DEFAULTS.fidelity))
    visit.said = visit.step = visit.offered = None
    visit.notes = notes(visit, house)


def follow(visit: Visit, house: House) -> bool:
    """Follows the edges of the picture that was dropped, and no longer starts from it."""
    if visit.offered is None or visit.offered.picture is None:
        return False
    _, kept, started = visit.offered
    digest = images.digest(kept)
    visit.pictures[digest] = kept
    return _follow(visit, house, digest, started.undone(visit.recipe) if started else visit.recipe)


def follow_start(visit: Visit, house: House) -> bool:
    """Follows the edges of the start picture, in place of starting from it."""
    digest = visit.recipe.image
    free = replace(visit.recipe, image=None, fidelity=DEFAULTS.fidelity)
    return digest is not None and _follow(visit, house, digest, free)


def _follow(visit: Visit, house: House, digest: str, recipe: Recipe) -> bool:
    """Makes it the first picture to follow of a recipe; its shape is the new picture's."""
    facts = house.facts_if_here(visit.model)
    kind = default_kind(facts) if facts else None
    if kind is None:
        return False
    before = visit.recipe
    controls = (Control(image=digest, kind=kind), *recipe.controls[1:])
    free = {} if recipe.image else {"width": None, "height": None}
    take(visit, house, replace(recipe, controls=controls, **free))
    visit.step, visit.said, visit.offered = Step(before, visit.recipe), None, None
    visit.notes = (make_note(words.CONTROL_IMAGE_SET, {"do": "undo", "label": words.UNDO}, kind="nudge"),)
    return True


def unfollow(visit: Visit, house: House) -> None:
    """Without the first picture to follow."""
    take(visit, house, replace(visit.recipe, controls=visit.recipe.controls[1:]))
    visit.said = visit.step = visit.offered = None
    visit.notes = notes(visit, house)
