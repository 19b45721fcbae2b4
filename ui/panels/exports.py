"""What is made for sharing: the labelled picture and the dive, offered as files beside the stages."""

from pathlib import Path
from typing import Any

from engine import errors
from engine.errors import Fault
from engine.export import share
from ui.session.finished import Picture, file, file_name
from ui.session.services import EXAMPLE, House
from ui.text import words

ZOOM_POSITIONS = 20
"""Places along each side that a dive may lead to."""


def make_export(house: House, what: str, run: str, at: tuple[float, float]) -> dict[str, Any]:
    """Makes it from a run's finished stages; the button that saves it. A Fault says why it cannot be."""
    try:
        return _made(house, what, run, at)
    except OSError as fault:
        raise Fault(errors.RUN_FOLDER_NOT_WRITABLE.format(reason=fault.strerror or type(fault).__name__)) from fault


def _made(house: House, what: str, run: str, at: tuple[float, float]) -> dict[str, Any]:
    folder = house.folder(run)
    kept = house.pictures(folder) if folder else ()
    if not kept:
        raise Fault(words.RUN_NOT_FOUND)
    last = kept[-1]
    to = folder if run != EXAMPLE else _of_all(house, last, at)
    stem = file_name(last.recipe, last.size[1]).removesuffix(".png")
    if what == "dive":
        made = share.dive([each.folder for each in kept], to / share.DIVE, at)
        return _offer(words.SAVE_ZOOM_FILM, made, f"{stem}_dive.webp")
    made = share.labelled(last.folder, to / share.LABELLED)
    return _offer(words.SAVE_LABELLED_PICTURE, made, f"{stem}_labelled.png")


def _of_all(house: House, last: Picture, at: tuple[float, float]) -> Path:
    """Where what is made of the example lies: nobody's file takes the place of another's."""
    row, col = (round(part * ZOOM_POSITIONS) for part in at)
    folder = house.shelf.root / "shared" / f"{last.folder.name}-{row}-{col}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def viewed_centre(place: Any) -> tuple[float, float]:
    """The middle of what the viewer shows: (row, column) as shares."""
    try:
        left, top, width, height = (float(part) for part in place)
        row, col = top + height / 2, left + width / 2
    except (TypeError, ValueError, OverflowError):
        return 0.5, 0.5
    row, col = (round(part * ZOOM_POSITIONS) / ZOOM_POSITIONS for part in (row, col))
    return (row, col) if 0 <= row <= 1 and 0 <= col <= 1 else (0.5, 0.5)


def _offer(label: str, made: Any, name: str) -> dict[str, Any]:
    return {"label": label, "href": file(made), "download": name, "version": made.stat().st_mtime_ns % 10**9}
