"""Run folders: each finished stage as a picture and a latent, written whole or not at all. Knows no torch."""

import json
import logging
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.numpy import load_file, save_file

from engine import errors
from engine.errors import BadRecipe
from engine.recipe import Recipe, to_dict

log = logging.getLogger(__name__)

# Level 6 takes seconds for 4096 x 4096 px and saves little.
PNG_LEVEL = 1


@dataclass(frozen=True)
class Kept:
    """A finished stage: its latent (1, C, rows, cols) and the tone it set or was given."""

    latents: np.ndarray
    tone: tuple[float, float]


def new_run(out: str | os.PathLike[str]) -> Path:
    """A folder of its own for a run; its name cannot be guessed."""
    folder = Path(out) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    return folder


def picture_path(run: Path, stage: int) -> Path:
    return run / f"stage-{stage}.png"


def latents_path(run: Path, stage: int) -> Path:
    return run / f"stage-{stage}.safetensors"


def write(
    run: Path, stage: int, kept: Kept, picture: Image.Image, recipe: Recipe, done: dict[str, Any]
) -> None:
    """Writes a finished stage. The latent comes last: where it stands, the stage is whole."""
    text = PngInfo()
    text.add_text("demofusion", json.dumps({"recipe": to_dict(recipe), "stage": stage} | done))
    tensors = {
        "latents": np.ascontiguousarray(kept.latents),
        "tone": np.asarray(kept.tone, np.float64),
    }
    _whole(
        picture_path(run, stage),
        lambda path: picture.save(path, "PNG", compress_level=PNG_LEVEL, pnginfo=text),
    )
    _whole(latents_path(run, stage), lambda path: save_file(tensors, path))


def read(run: str | os.PathLike[str], stage: int) -> Kept:
    """A finished stage of a run, or BadRecipe if it is not there or not whole."""
    path = latents_path(Path(run), stage)
    named = {"stage": stage, "folder": errors.short(Path(run).name)}
    try:
        if not path.is_file():
            raise BadRecipe("resume", errors.RESUME_MISSING.format(**named))
        tensors = load_file(path)
        mean, deviation = tensors["tone"].tolist()
        latents = tensors["latents"]
        if latents.dtype == np.float32 and np.isfinite(latents).all() and isfinite(mean) and deviation > 0:
            return Kept(latents, (mean, deviation))
    except BadRecipe:
        raise
    except Exception:
        log.exception("stage %s of %s cannot be read", stage, run)
    raise BadRecipe("resume", errors.RESUME_BROKEN.format(**named))


def take_along(old: str | os.PathLike[str], new: Path, stages: int) -> None:
    """Gives another run the first stages of this one, so that each folder is complete by itself."""
    for stage in range(1, stages + 1):
        for path in (picture_path(Path(old), stage), latents_path(Path(old), stage)):
            if path.is_file():
                _link(path, new / path.name)


def _link(path: Path, new: Path) -> None:
    try:
        os.link(path, new)
    except OSError:  # Another file system, or one without links.
        shutil.copy2(path, new)


def _whole(path: Path, write: Callable[[Path], None]) -> None:
    """Through a temporary name and the disk: a crash leaves the old file or the new one, never half."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        write(partial)
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
