"""Exports of a finished run: the labelled picture and the zoom film, as files to download."""

from pathlib import Path
from typing import Any

from engine import errors
from engine.errors import Fault
from engine.export.caption import CAPTIONED_FILE, caption_image
from engine.export.film import FILM_FILE, make_zoom_film
from ui.session.finished import FinishedStage, download_name, file_for_browser
from ui.session.services import EXAMPLE, Services
from ui.text import words

# Positions along each side of a picture that a zoom film may end at, so that few different films are made.
ZOOM_POSITIONS = 20


def make_export(services: Services, kind: str, run: str, centre: tuple[float, float]) -> dict[str, Any]:
    """Make an export of a run's finished stages, and return the link that downloads it; a Fault says why not.

    kind: "dive" for the zoom film, "labelled" for the labelled picture.
    centre: where the film ends, (row, column) as fractions of the picture.
    """
    try:
        return _make_export(services, kind, run, centre)
    except OSError as fault:
        reason = fault.strerror or type(fault).__name__
        raise Fault(errors.RUN_FOLDER_NOT_WRITABLE.format(reason=reason)) from fault


def _make_export(services: Services, kind: str, run: str, centre: tuple[float, float]) -> dict[str, Any]:
    run_folder = services.run_folder(run)
    stages = services.finished_stages(run_folder) if run_folder else ()
    if not stages:
        raise Fault(words.RUN_NOT_FOUND)
    last = stages[-1]
    folder = run_folder if run != EXAMPLE else _folder_for_example(services, last, centre)
    stem = download_name(last.recipe, last.size[1]).removesuffix(".png")
    if kind == "dive":
        file = make_zoom_film([stage.folder for stage in stages], folder / FILM_FILE, centre)
        return _download_link(words.SAVE_ZOOM_FILM, file, f"{stem}_dive.webp")
    file = caption_image(last.folder, folder / CAPTIONED_FILE)
    return _download_link(words.SAVE_LABELLED_PICTURE, file, f"{stem}_labelled.png")


def _folder_for_example(services: Services, last: FinishedStage, centre: tuple[float, float]) -> Path:
    """Return a folder for exports of the example, which all sessions share: one for each end of the film."""
    row, col = (round(fraction * ZOOM_POSITIONS) for fraction in centre)
    folder = services.cache.root / "shared" / f"{last.folder.name}-{row}-{col}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def viewed_centre(rectangle: Any) -> tuple[float, float]:
    """Return the centre of what the viewer shows, (row, column) as fractions, rounded to ZOOM_POSITIONS.

    rectangle: left, top, width and height as fractions. It comes from a browser and may be of any type; an
    unusable one stands for the picture's centre.
    """
    try:
        left, top, width, height = (float(value) for value in rectangle)
        row, col = top + height / 2, left + width / 2
    except (TypeError, ValueError, OverflowError):
        return 0.5, 0.5
    row, col = (round(fraction * ZOOM_POSITIONS) / ZOOM_POSITIONS for fraction in (row, col))
    return (row, col) if 0 <= row <= 1 and 0 <= col <= 1 else (0.5, 0.5)


def _download_link(label: str, file: Path, name: str) -> dict[str, Any]:
    """Return a link as the browser's script takes it; the version makes it fetch a newer file."""
    version = file.stat().st_mtime_ns % 10**9
    return {"label": label, "href": file_for_browser(file), "download": name, "version": version}
