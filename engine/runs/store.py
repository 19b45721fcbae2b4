"""Run folders: each finished stage in a folder of its own, whole or not at all. Knows no torch.

runs/<run>/stage-<number>-<key>/   picture.png  latents.safetensors  proxy.jpg  thumb.jpg  tiles/
runs/<run>/upload-<digest>.png     the start picture
Everything in it was encoded here; what a person uploads is kept as a new PNG, never as its bytes.
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
from engine.recipe import images as picture_file
from engine.runs.files import Save, link_or_copy, write_atomically, write_folder_atomically
from engine.runs.thumbnails import PNG_LEVEL, prints

log = logging.getLogger(__name__)

PICTURE, LATENTS, STOP = "picture.png", "latents.safetensors", "stop"
RECORD = "demofusion"
"""Under this name a picture and a latent hold what was asked and what was run."""
_STAGE = re.compile(r"stage-(\d+)-([0-9a-f]{32})")
_UPLOAD = re.compile(r"upload-[0-9a-f]{64}\.png")
_RUN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Kept:
    """A finished stage: its latent (1, C, rows, cols), the tone it set or was given, and its record."""

    latents: np.ndarray
    tone: tuple[float, float]
    record: dict[str, Any] = field(default_factory=dict)


def new_run(out: str | os.PathLike[str]) -> Path:
    """A folder of its own for a run; its name cannot be guessed."""
    folder = Path(out) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    return folder


def is_run(folder: Path) -> bool:
    return bool(_RUN.fullmatch(folder.name)) and folder.is_dir()


def stage_folder(run: Path, stage: int, key: str) -> Path:
    return run / f"stage-{stage}-{key}"


def stages(run: str | os.PathLike[str]) -> dict[int, tuple[str, Path]]:
    """The finished stages of a run: number -> (key, folder)."""
    found = {}
    for entry in os.scandir(run):
        match = _STAGE.fullmatch(entry.name)
        if match:
            found[int(match[1])] = (match[2], Path(entry.path))
    return dict(sorted(found.items()))


def write(run: Path, stage: int, key: str, kept: Kept, picture: Image.Image) -> Path:
    """Keeps a finished stage: once its folder has its name, it is whole and on the disk."""
    text = json.dumps(kept.record)
    tensors = {"latents": np.ascontiguousarray(kept.latents), "tone": np.asarray(kept.tone, np.float64)}
    info = PngInfo()
    info.add_text(RECORD, text)
    files: dict[str, Save] = {
        PICTURE: lambda path: picture.save(path, "PNG", compress_level=PNG_LEVEL, pnginfo=info),
        # Through Python's own file, whose faults say what is wrong with the disk.
        LATENTS: lambda path: path.write_bytes(save(tensors, metadata={RECORD: text})),
    }
    return write_folder_atomically(stage_folder(run, stage, key), files | prints(picture), is_sound)


def read(folder: Path) -> Kept:
    """A finished stage, or BadRecipe if it is not whole."""
    try:
        with safe_open(folder / LATENTS, framework="numpy") as file:
            latents, tone = file.get_tensor("latents"), file.get_tensor("tone")
            record = json.loads((file.metadata() or {})[RECORD])
        mean, deviation = tone.tolist()
        sound = latents.dtype == np.float32 and latents.ndim == 4 and np.isfinite(latents).all()
        if sound and isfinite(mean) and deviation > 0 and isinstance(record, dict):
            return Kept(latents, (mean, deviation), record)
    except Exception:
        log.exception("%s cannot be read", folder)
    raise BadRecipe("resume", errors.RESUME_BROKEN.format(**_named(folder)))


def is_sound(folder: Path) -> bool:
    try:
        read(folder)
    except BadRecipe:
        return False
    return True


def find(run: str | os.PathLike[str], stage: int) -> tuple[str, Path]:
    """The key and the folder of a run's stage, or BadRecipe."""
    try:
        return stages(run)[stage]
    except (KeyError, OSError, ValueError):
        named = {"stage": errors.short_repr(stage), "folder": errors.short_repr(Path(run).name)}
        raise BadRecipe("resume", errors.RESUME_MISSING.format(**named)) from None


def _named(folder: Path) -> dict[str, Any]:
    match = _STAGE.fullmatch(folder.name)
    return {"stage": match[1] if match else "", "folder": errors.short_repr(folder.parent.name)}


def take_along(folder: Path, run: Path, stage: int, key: str) -> Path:
    """Gives a run a stage that is kept elsewhere. The files are shared: removing one run harms no other."""
    to = stage_folder(run, stage, key)
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    files: dict[str, Save] = {str(name): partial(link_or_copy, folder / name) for name in names}
    return write_folder_atomically(to, files, is_sound)


def upload(run: Path, digest: str) -> Path | None:
    """The start picture with these pixels, if this run keeps it."""
    path = _upload(run, digest)
    try:
        return path if picture_file.digest(path) == digest else None
    except BadRecipe:
        return None


def _upload(run: Path, digest: str) -> Path:
    return run / f"upload-{digest.removeprefix('sha256:')}.png"


def keep_upload(run: Path, given: str | os.PathLike[str]) -> Path:
    """A picture that a person gave: its upright pixels, under their digest, and nothing else of it."""
    digest = picture_file.digest(given)
    to = _upload(run, digest)
    if upload(run, digest):
        return to
    if _is_upload(Path(given), run.parent):
        return write_atomically(to, partial(link_or_copy, Path(given)))
    pixels = picture_file.read(given)
    return write_atomically(to, lambda path: pixels.save(path, "PNG", compress_level=PNG_LEVEL))


def _is_upload(path: Path, root: Path) -> bool:
    """Whether this is such a picture already, in a run under this root."""
    run = path.resolve().parent
    return is_run(run) and run.parent == root.resolve() and _UPLOAD.fullmatch(path.name) is not None
