"""Read the picture of a finished stage, and the record that it contains, from the stage's folder."""

from pathlib import Path

from PIL import Image

from engine import errors
from engine.errors import Fault, short_repr
from engine.recipe.recall import RECORD
from engine.runs.store import PICTURE_FILE


def read_picture(folder: Path) -> tuple[Image.Image, str]:
    """Return a stage's picture and its record as JSON, empty if it has none; a Fault if it cannot be read."""
    try:
        with Image.open(folder / PICTURE_FILE, formats=["PNG"]) as picture:
            return picture.convert("RGB"), str(picture.info.get(RECORD, ""))
    except Exception as fault:
        names = {"stage": stage_number(folder), "folder": short_repr(folder.parent.name)}
        raise Fault(errors.RESUME_BROKEN.format(**names)) from fault


def stage_number(folder: Path) -> int:
    """Return the number of the stage that a folder contains, from its name; 0 for another name."""
    number = folder.name.removeprefix("stage-").partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0
