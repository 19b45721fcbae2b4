"""What `python -m lab.measure real` reads: pictures and prompts. Errors are Faults with one sentence."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.errors import Fault, first_line
from lab.world.paint import Array

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
# The Inception score is the mean of so many parts of the pictures.
SPLITS = 10


def find_pictures(folder: Path, least: int = SPLITS) -> list[Path]:
    """Return the pictures of a folder in the order of their names, numbers by their value; at least `least`."""
    if not folder.is_dir():
        raise Fault(f"There is no folder {folder}.")
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()]
    if len(found) < least:
        raise Fault(f"{folder} has {len(found)} pictures (PNG, JPEG or WebP); at least {least} are needed.")
    return sorted(found, key=_name_order)


def _name_order(path: Path) -> tuple[list[str | int], str]:
    """Return a key by which 2.png comes before 10.png."""
    parts = re.split("([0-9]+)", path.name)
    return [int(part) if k % 2 else part for k, part in enumerate(parts)], path.name


def read_picture(path: Path) -> Array:
    """Return a picture in bytes (rows, cols, 3)."""
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except Exception as fault:
        raise Fault(f"{path} cannot be read as a picture: {first_line(fault)}.") from fault


def picture_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of a picture, of which only the header is read."""
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except Exception as fault:
        raise Fault(f"{path} cannot be read as a picture: {first_line(fault)}.") from fault


def common_size(paths: Sequence[Path]) -> tuple[int, int]:
    """Return the (height, width) that all pictures have."""
    first = picture_size(paths[0])
    for path in paths:
        if (size := picture_size(path)) != first:
            raise Fault(
                f"{path} is {size[1]} x {size[0]} px and {paths[0].name} is {first[1]} x {first[0]} px; "
                "generated pictures must be of one size. Measure other sizes apart, as rows of their own."
            )
    return first


def check_crops_fit(paths: Sequence[Path], side: int, option: str) -> None:
    """Raise a Fault if a picture is smaller than the crops. option: the one that sets their side."""
    for path in paths:
        height, width = picture_size(path)
        if min(height, width) < side:
            raise Fault(
                f"{path} is {width} x {height} px, smaller than the crops of {side} px. Choose a smaller side "
                f"with {option}, or leave these crops out with {option} 0."
            )


def read_prompts(file: Path) -> list[str] | dict[str, str]:
    """Return the prompts in a file: in the order of the pictures, or by the pictures' names.

    A .json file contains a list of prompts or an object from names to prompts; any other has one prompt a line.
    """
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix.lower() != ".json":
            return [line.strip() for line in text.splitlines() if line.strip()]
        prompts: Any = json.loads(text)
    except (OSError, ValueError) as fault:
        raise Fault(f"{file} cannot be read as prompts: {first_line(fault)}.") from fault
    values = list(prompts.values()) if isinstance(prompts, dict) else prompts
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise Fault(f"{file} must contain a list of prompts, or an object from pictures' names to prompts.")
    return prompts


def prompts_of(paths: Sequence[Path], prompts: list[str] | dict[str, str], file: Path) -> list[str]:
    """Return the prompt of each picture. file: where the prompts come from, for messages."""
    if isinstance(prompts, dict):
        missing = [path.name for path in paths if path.name not in prompts]
        if missing:
            raise Fault(f"{file} has no prompt for {missing[0]} in {paths[0].parent}.")
        return [prompts[path.name] for path in paths]
    if len(prompts) != len(paths):
        raise Fault(
            f"{file} has {len(prompts)} prompts and {paths[0].parent} has {len(paths)} pictures; each picture needs "
            "one, in the order of the pictures' names."
        )
    return prompts
