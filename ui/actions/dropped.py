"""Actions on a file that was dropped on the page, and on the start image and the control image of the page."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import BadRecipe, Fault
from engine.recipe import images
from engine.recipe.controls import Control
from engine.recipe.recall import Recalled, recall
from engine.recipe.recipe import DEFAULTS, Recipe
from ui.actions.replan import current_notes, set_recipe
from ui.messages.status import describe_settings_used
from ui.session.notes import UNDO_ACTION
from ui.session.services import Services
from ui.session.session import DroppedFile, Session, SettingsChange
from ui.session.uploads import find_upload
from ui.settings.control_settings import default_kind, supported_kinds
from ui.settings.sizes import scales_larger_than
from ui.settings.widgets import summarize_settings
from ui.text import words
from ui.text.labels import join_labels


@dataclass(frozen=True)
class ReadFile:
    """What a dropped file contains."""

    # The recipe in the file; None if it has none.
    recalled: Recalled | None = None
    # The server's own copy of the image in the file; None if the image cannot be used.
    image: Path | None = None
    # Why the file cannot be used; empty if it can.
    refusal: str = ""


def read_dropped_file(services: Services, folder_name: str, path: object) -> ReadFile:
    """Read the recipe in a dropped file, and store a copy of the image in it. Takes long for a large image.

    folder_name: the name of the folder for the copy.
    path: the path of an upload, or any other value from outside.
    """
    try:
        file = find_upload(path)
        recalled = _recall_or_none(file)
        if recalled is None:
            return ReadFile(None, services.uploads.store(file, folder_name))
    except Fault as fault:
        return ReadFile(refusal=fault.sentence)
    try:
        return ReadFile(recalled, services.uploads.store(file, folder_name))
    except BadRecipe:  # A recipe without an image, as JSON, or an image that is too large to start from.
        return ReadFile(recalled)
    except Fault as fault:
        return ReadFile(refusal=fault.sentence)


def use_dropped_file(session: Session, services: Services, dropped: ReadFile) -> bool:
    """Offer actions for a dropped file that contains a recipe; make any other image the start image.

    Return whether the settings changed. If the file cannot be used, the page shows the reason.
    """
    if dropped.refusal:
        session.show_message(dropped.refusal, fault=True)
        return False
    if dropped.recalled:
        _offer_actions(session, services, dropped.recalled, dropped.image)
        return False
    assert dropped.image is not None
    _set_start_image(session, services, dropped.image)
    return True


def _recall_or_none(file: Path) -> Recalled | None:
    """Return the recipe in a file; None if a file other than JSON contains no recipe."""
    try:
        return recall(file)
    except BadRecipe:
        if file.suffix.lower() == ".json":
            raise
        return None


def _offer_actions(session: Session, services: Services, recalled: Recalled, image: Path | None) -> None:
    """Show a message with buttons that use the settings in a file, enlarge its image or make it the control image."""
    session.dropped_file = DroppedFile(recalled.recipe, image)
    text = words.PICTURE_HAS_SETTINGS.format(summary=summarize_settings(recalled.recipe))
    if recalled.strange:
        text = f"{text} {words.RESTORED_EXCEPT.format(strange=join_labels(recalled.strange))}"
    actions = [{"do": "offered", "label": words.USE_SETTINGS}]
    if image:
        actions += [{"do": "enlarge", "label": words.ENLARGE_IT}, *_follow_actions(session, services)]
    session.show_message(text, *actions)
    session.notes = ()


def _set_start_image(session: Session, services: Services, image: Path, **changes: Any) -> None:
    """Make an image the start image. The picture gets the shape of the image.

    image: the file.
    changes: new values of other fields of the recipe.
    """
    digest, before = images.digest(image), session.recipe
    session.images[digest] = image
    session.undoable_change = None
    set_recipe(session, services, replace(before, image=digest, width=None, height=None, **changes))
    session.dropped_file = DroppedFile(None, image, SettingsChange(before, session.recipe))
    remove = {"do": "away", "label": words.TAKE_AWAY}
    session.show_message(words.START_IMAGE_SET, remove, *_follow_actions(session, services))
    session.notes = ()


def _follow_actions(session: Session, services: Services) -> tuple[dict[str, str], ...]:
    """Return the button that makes a dropped image the control image.

    Return an empty tuple if the model has no ControlNets.
    """
    facts = services.facts_or_none(session.model)
    if facts is None or not supported_kinds(facts):
        return ()
    return ({"do": "follow", "label": words.FOLLOW_EDGES},)


def enlarge_image(session: Session, services: Services) -> bool:
    """Make the dropped image the start image, with the prompts in its recipe and only scales larger than the image.

    Return whether the settings changed.
    """
    dropped = session.dropped_file
    if dropped is None or dropped.image is None or dropped.recipe is None:
        return False
    before = session.recipe
    height, width = images.measure(dropped.image)
    scales = scales_larger_than(before.scales, height * width, services.facts(before.model))
    prompts = {"prompt": dropped.recipe.prompt, "negative": dropped.recipe.negative}
    _set_start_image(session, services, dropped.image, scales=scales, **prompts)
    session.undoable_change = SettingsChange(before, session.recipe)
    session.show_message(words.START_IMAGE_SET_TO_ENLARGE, UNDO_ACTION)
    return True


def use_dropped_settings(session: Session, services: Services) -> bool:
    """Use the settings in the dropped file. Return whether the settings changed."""
    if session.dropped_file is None or session.dropped_file.recipe is None:
        return False
    recipe = session.dropped_file.recipe
    set_recipe(session, services, recipe)
    session.dropped_file, session.undoable_change, session.notes, session.message = None, None, (), None
    if not session.refusal:
        session.show_message(describe_settings_used(recipe, services, session.model))
    return True


def remove_start_image(session: Session, services: Services) -> None:
    """Remove the start image from the settings, and set the fidelity to its default."""
    set_recipe(session, services, replace(session.recipe, image=None, fidelity=DEFAULTS.fidelity))
    _clear_messages(session, services)


def use_dropped_image_as_control(session: Session, services: Services) -> bool:
    """Make the dropped image the control image; if it became the start image when it was dropped, undo that.

    Return whether the settings changed.
    """
    dropped = session.dropped_file
    if dropped is None or dropped.image is None:
        return False
    digest = images.digest(dropped.image)
    session.images[digest] = dropped.image
    recipe = dropped.change.revert(session.recipe) if dropped.change else session.recipe
    return _set_control_image(session, services, digest, recipe)


def use_start_image_as_control(session: Session, services: Services) -> bool:
    """Make the start image the control image, and remove the start image. Return whether the settings changed."""
    digest = session.recipe.image
    if digest is None:
        return False
    recipe = replace(session.recipe, image=None, fidelity=DEFAULTS.fidelity)
    return _set_control_image(session, services, digest, recipe)


def _set_control_image(session: Session, services: Services, digest: str, recipe: Recipe) -> bool:
    """Put an image into a recipe as its first control, and show that recipe's settings on the page.

    Return whether the settings changed: not if the model has no ControlNet.

    digest: names the image.    recipe: the settings to which the control is added.
    """
    facts = services.facts_or_none(session.model)
    kind = default_kind(facts) if facts else None
    if kind is None:
        return False
    before = session.recipe
    # Without a start image the picture takes the shape of the control image.
    size = {} if recipe.image else {"width": None, "height": None}
    controls = (Control(image=digest, kind=kind), *recipe.controls[1:])
    set_recipe(session, services, replace(recipe, controls=controls, **size))
    session.undoable_change = SettingsChange(before, session.recipe)
    session.dropped_file, session.notes = None, ()
    session.show_message(words.CONTROL_IMAGE_SET, UNDO_ACTION)
    return True


def remove_control(session: Session, services: Services) -> None:
    """Remove the first control from the settings."""
    set_recipe(session, services, replace(session.recipe, controls=session.recipe.controls[1:]))
    _clear_messages(session, services)


def _clear_messages(session: Session, services: Services) -> None:
    """Remove the message, the change to undo and the offers for a dropped file, and renew the notes."""
    session.message = session.undoable_change = session.dropped_file = None
    session.notes = current_notes(session, services)
