"""Exports of a finished run: the picture with a caption, and the zoom film, as files to download."""

from math import isfinite
from pathlib import Path
from typing import Any

from engine import errors
from engine.errors import Fault
from engine.export.caption import CAPTIONED_FILE, caption_image
from engine.export.film import FILM_FILE, make_zoom_film
from engine.runs.cache import SHARED_FOLDER
from ui.session.finished import FinishedStage, download_name, file_for_browser
from ui.session.services import Services
from ui.text import words

# The centre of a zoom film is rounded to this many positions along each side, so that few different films exist.
ZOOM_POSITIONS = 20


def make_export(
    services: Services, kind: str, run: str, owner: str, centre: tuple[float, float]
) -> dict[str, Any]:
    """Make an export of a run's finished stages and return a link that downloads it, or raise a Fault.

    kind: "dive" for the zoom film, "labelled" for the picture with a caption.
    owner: the secret of the run's owner.
    centre: the point that the film zooms to, (row, column) as fractions of the picture.
    """
    try:
        return _make_export(services, kind, run, owner, centre)
    except OSError as fault:
        reason = fault.strerror or type(fault).__name__
        raise Fault(errors.RUN_FOLDER_NOT_WRITABLE.format(reason=reason)) from fault


def _make_export(
    services: Services, kind: str, run: str, owner: str, centre: tuple[float, float]
) -> dict[str, Any]:
    """Make an export as make_export does, but let an OSError through if a file cannot be written."""
    run_folder = services.run_folder(run, owner)
    stages = services.finished_stages(run_folder) if run_folder else ()
    if run_folder is None or not stages:
        raise Fault(words.RUN_NOT_FOUND)
    last_stage = stages[-1]
    folder = (
        run_folder if run not in services.examples else _example_export_folder(services, last_stage, centre)
    )
    stem = download_name(last_stage.recipe, last_stage.size[1]).removesuffix(".png")
    if kind == "dive":
        file = make_zoom_film([stage.folder for stage in stages], folder / FILM_FILE, centre)
        return _download_link(words.SAVE_ZOOM_FILM, file, f"{stem}_dive.webp")
    file = caption_image(last_stage.folder, folder / CAPTIONED_FILE)
    return _download_link(words.SAVE_LABELLED_PICTURE, file, f"{stem}_labelled.png")


def _example_export_folder(
    services: Services, last_stage: FinishedStage, centre: tuple[float, float]
) -> Path:
    """Return a folder for exports of an example, which all sessions share.

    Each centre has a folder of its own, because it has its own film.
    """
    row, col = (round(fraction * ZOOM_POSITIONS) for fraction in centre)
    folder = services.cache.root / SHARED_FOLDER / f"{last_stage.folder.name}-{row}-{col}"
    folder.mkdir(parents=True, exist_ok=True)
    services.cache.mark_used(folder)  # So that no clean-up removes it while the export is made.
    return folder


def viewed_centre(rectangle: Any) -> tuple[float, float]:
    """Return the centre of a rectangle as (row, column) fractions of the picture, rounded to ZOOM_POSITIONS.

    Returns the centre of the picture if the rectangle cannot be used.

    rectangle: left, top, width and height of the part of the picture that the viewer shows, as fractions. It comes
    from a browser and may be of any type.
    """
    try:
        left, top, width, height = (float(value) for value in rectangle)
    except (TypeError, ValueError, OverflowError):
        return 0.5, 0.5
    row, col = top + height / 2, left + width / 2
    if not (isfinite(row) and isfinite(col)):
        return 0.5, 0.5
    row, col = (round(fraction * ZOOM_POSITIONS) / ZOOM_POSITIONS for fraction in (row, col))
    return (row, col) if 0 <= row <= 1 and 0 <= col <= 1 else (0.5, 0.5)


def _download_link(label: str, file: Path, name: str) -> dict[str, Any]:
    """Return a download link for the browser's script; `version` changes when the file does.

    name: the name under which the browser saves the file.
    """
    version = file.stat().st_mtime_ns % 10**9
    return {"label": label, "href": file_for_browser(file), "download": name, "version": version}
