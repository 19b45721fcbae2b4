"""Run folders on the disk: each finished stage has a folder of its own, which appears once it is complete.

runs/<run>/stage-<number>-<key>/   picture.png  latents.safetensors  proxy.jpg  thumb.jpg  tiles/  checksums.json
runs/<run>/.damaged-stage-...      a stage that was found damaged: it is not used any more, and goes with its run
runs/<run>/upload-<digest>.png     start images and images of controls
An uploaded image is stored as a new PNG made from its pixels, never as the uploaded bytes.
Needs no torch.
"""

import json
import logging
import os
import re
import secrets
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors import safe_open
from safetensors.numpy import save

from engine import errors
from engine.errors import BadRecipe
from engine.recipe import images
from engine.recipe.recall import RECORD_NAME
from engine.runs.checksums import CHECKSUMS_FILE, Damaged, check_files, write_checksums
from engine.runs.files import Save, link_or_copy, write_atomically, write_folder_atomically
from engine.runs.thumbnails import PNG_LEVEL, preview_files

log = logging.getLogger(__name__)

PICTURE_FILE, LATENTS_FILE = "picture.png", "latents.safetensors"
# The entry in the file of latents that says that the stage was written with checksums. Without it, a stage whose
# checksums are lost would count as one of an earlier version, which is not checked.
_CHECKED_ENTRY = "checksums"
# A run whose folder contains a file of this name stops.
STOP_FILE = "stop"
_STAGE_NAME = re.compile(r"stage-(\d+)-([0-9a-f]{32})")
_IMAGE_NAME = re.compile(r"upload-[0-9a-f]{64}\.png")
_RUN_NAME = re.compile(r"[0-9a-f]{32}")


class DamagedStage(BadRecipe):
    """A finished stage whose files are damaged, so that it cannot be used again."""


@dataclass(frozen=True)
class StoredStage:
    """The content of a finished stage's file of latents."""

    # Float32, (1, channels, rows, cols).
    latents: np.ndarray
    # Mean and standard deviation of the first stage's latent; the latents of later stages are matched to them.
    tone: tuple[float, float]
    # The recipe, and how the stage was made: seconds, model hash, device and so on.
    record: dict[str, Any] = field(default_factory=dict)


def create_run(root: str | os.PathLike[str]) -> Path:
    """Create a run's folder under a random name that cannot be guessed."""
    folder = Path(root) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    return folder


def is_run(folder: Path) -> bool:
    """Return whether a path is an existing folder with the name of a run."""
    return bool(_RUN_NAME.fullmatch(folder.name)) and folder.is_dir()


def stage_folder(run: Path, stage: int, key: str) -> Path:
    """Return the path of a stage's folder in a run's folder."""
    return run / f"stage-{stage}-{key}"


def finished_stages(run: str | os.PathLike[str]) -> dict[int, tuple[str, Path]]:
    """Return (stage key, folder) of each finished stage of a run, by stage number in rising order."""
    found = {}
    for entry in os.scandir(run):
        match = _STAGE_NAME.fullmatch(entry.name)
        if match:
            found[int(match[1])] = (match[2], Path(entry.path))
    return dict(sorted(found.items()))


def write_stage(run: Path, stage: int, key: str, stored: StoredStage, picture: Image.Image) -> Path:
    """Write a finished stage with its preview files and checksums, all read-only, and return the stage's folder.

    When the folder has its final name, all its files are on the disk.
    """
    record = json.dumps(stored.record)
    tensors = {"latents": np.ascontiguousarray(stored.latents), "tone": np.asarray(stored.tone, np.float64)}
    info = PngInfo()
    info.add_text(RECORD_NAME, record)
    metadata = {RECORD_NAME: record, _CHECKED_ENTRY: "sha256"}
    files: dict[str, Save] = {
        PICTURE_FILE: lambda path: picture.save(path, "PNG", compress_level=PNG_LEVEL, pnginfo=info),
        # safetensors' own function to save a file raises exceptions that do not name the fault of the disk.
        LATENTS_FILE: lambda path: path.write_bytes(save(tensors, metadata=metadata)),
        **preview_files(picture),
        CHECKSUMS_FILE: write_checksums,  # The last one, because it reads all others.
    }
    return write_folder_atomically(stage_folder(run, stage, key), files, is_intact)


def read_stage(folder: Path) -> StoredStage:
    """Read a finished stage after a check of all its files.

    Raise DamagedStage if a file is missing, has changed or contains impossible values. Raise BadRecipe if the files
    cannot be read at present. A stage of an earlier version has no checksums; only its latents are checked.
    """
    try:
        return _read_checked(folder, has_checksums=check_files(folder))
    except Exception as fault:
        log.warning("%s cannot be read: %s", folder, fault)
        # A lack of memory or of file handles says nothing about the stage.
        is_damaged = isinstance(fault, FileNotFoundError) or not isinstance(fault, OSError | MemoryError)
        kind = DamagedStage if is_damaged else BadRecipe
        raise kind("resume", errors.RESUME_BROKEN.format(**_describe_stage(folder))) from fault


def _read_checked(folder: Path, *, has_checksums: bool) -> StoredStage:
    """Read a stage's file of latents; raise Damaged if it contains impossible values.

    has_checksums: whether the stage has checksums, which match its files.
    """
    with safe_open(folder / LATENTS_FILE, framework="numpy") as file:
        latents, tone, metadata = file.get_tensor("latents"), file.get_tensor("tone"), file.metadata() or {}
    if _CHECKED_ENTRY in metadata and not has_checksums:
        raise Damaged(f"{CHECKSUMS_FILE} is missing")
    record = json.loads(metadata[RECORD_NAME])
    mean, deviation = tone.tolist()
    is_latent = latents.dtype == np.float32 and latents.ndim == 4 and np.isfinite(latents).all()
    if not (is_latent and isfinite(mean) and deviation > 0 and isinstance(record, dict)):
        raise Damaged(f"{LATENTS_FILE} contains impossible values")
    return StoredStage(latents, (mean, deviation), record)


def read_or_set_aside(folder: Path) -> StoredStage:
    """Read a finished stage as read_stage does, and set it aside if it is damaged."""
    try:
        return read_stage(folder)
    except DamagedStage:
        _set_aside(folder)
        raise


def _set_aside(folder: Path) -> None:
    """Rename the folder of a damaged stage, so that it is a finished stage no longer. Its files stay in the run.

    A stage outside of a run, such as one that comes with the app, is left as it is.
    """
    run = folder.parent
    if not is_run(run):
        return
    try:
        os.rename(folder, folder.with_name(f".damaged-{folder.name}-{secrets.token_hex(4)}"))
    except FileNotFoundError:  # The run was removed, or another process has set the stage aside.
        return
    except OSError as fault:
        log.warning(
            "%s of the run %s is damaged and could not be set aside: %s", folder.name, run.name, fault
        )
        return
    log.warning("%s of the run %s is damaged and was set aside", folder.name, run.name)


def last_sound_stage(run: Path) -> int:
    """Return the number of the last stage of a run that can be read; 0 without one. Damaged ones are set aside."""
    try:
        stages = finished_stages(run)
    except OSError:  # The run was removed.
        return 0
    for number, (_, folder) in sorted(stages.items(), reverse=True):
        try:
            read_or_set_aside(folder)
        except BadRecipe:
            continue
        return number
    return 0


def is_intact(folder: Path) -> bool:
    """Return whether a stage can be read from its folder and none of its files is damaged."""
    try:
        read_stage(folder)
    except BadRecipe:
        return False
    return True


def find_stage(run: str | os.PathLike[str], stage: int) -> tuple[str, Path]:
    """Return the stage key and the folder of a run's stage; raise BadRecipe if the stage does not exist."""
    try:
        return finished_stages(run)[stage]
    except (KeyError, OSError, ValueError):
        names = {"stage": errors.short_repr(stage), "folder": errors.short_repr(Path(run).name)}
        raise BadRecipe("resume", errors.RESUME_MISSING.format(**names)) from None


def _describe_stage(folder: Path) -> dict[str, str]:
    """Return a stage's number and its run's name, for error sentences, from the path of the stage's folder."""
    match = _STAGE_NAME.fullmatch(folder.name)
    return {"stage": match[1] if match else "", "folder": errors.short_repr(folder.parent.name)}


def link_stage(folder: Path, run: Path, stage: int, key: str) -> Path:
    """Reuse a stage of another run in this run, without copying its files. Return the stage's new folder.

    Hard links let both runs share the files, which are never changed. If one run is removed, the other stays complete.

    folder: the stage's folder in the other run. The caller has just read the stage, which checks its files.
    """
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    files: dict[str, Save] = {str(name): partial(link_or_copy, folder / name) for name in names}
    return write_folder_atomically(stage_folder(run, stage, key), files, is_intact)


def find_image(run: Path, digest: str) -> Path | None:
    """Return the file of the input image with this digest; None if the run does not store it, or it is damaged."""
    path = _image_path(run, digest)
    try:
        return path if images.digest(path) == digest else None
    except BadRecipe:
        return None


def _image_path(run: Path, digest: str) -> Path:
    """Return the path at which a run stores the input image with this digest."""
    return run / f"upload-{digest.removeprefix('sha256:')}.png"


def store_image(run: Path, source: str | os.PathLike[str]) -> Path:
    """Store an input image in a run as a PNG of its upright pixels, without metadata, and return its path."""
    digest = images.digest(source)
    path = _image_path(run, digest)
    if find_image(run, digest):
        return path
    if _is_stored_image(Path(source), run.parent):
        return write_atomically(path, partial(link_or_copy, Path(source)))
    pixels = images.read(source)
    return write_atomically(path, lambda path: pixels.save(path, "PNG", compress_level=PNG_LEVEL))


def _is_stored_image(path: Path, root: Path) -> bool:
    """Return whether a file was written by store_image for a run under this root."""
    run = path.resolve().parent
    return is_run(run) and run.parent == root.resolve() and _IMAGE_NAME.fullmatch(path.name) is not None
