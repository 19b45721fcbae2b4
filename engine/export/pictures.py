"""Read the picture of a finished stage and the record in the picture, from the stage's folder."""

from pathlib import Path

from PIL import Image

from engine import errors
from engine.errors import Fault, short_repr
from engine.recipe.recall import RECORD_NAME
from engine.runs.store import PICTURE_FILE


def read_picture(folder: Path) -> tuple[Image.Image, str]:
    """Return a stage's picture and its record as JSON (empty if missing); raise Fault if the file is unreadable."""
    try:
        with Image.open(folder / PICTURE_FILE, formats=["PNG"]) as picture:
            return picture.convert("RGB"), str(picture.info.get(RECORD_NAME, ""))
    except Exception as fault:
        names = {"stage": stage_number(folder), "folder": short_repr(folder.parent.name)}
        raise Fault(errors.RESUME_BROKEN.format(**names)) from fault


def stage_number(folder: Path) -> int:
    """Return a stage's number from the name of its folder; 0 if the name is not one of a stage's folder."""
    number = folder.name.removeprefix("stage-").partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0
