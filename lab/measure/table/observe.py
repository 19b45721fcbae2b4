"""Look at a set of pictures with all networks and measures, once; tables are computed from what was seen."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from lab.judge.cases import CLASSES
from lab.judge.judge import Judge, classify, to_input
from lab.measure.crops import crops
from lab.measure.features import FeatureFunction
from lab.measure.table.artefacts import grid_sums, seam_sums
from lab.measure.vae_quality import psnr, to_pixels
from lab.training.vae import slopes
from lab.world.paint import Array
from lab.world.scenes import Scene

HEADS = ("subject", "colour", "ground", "sky")
# Observations, for reuse.
CACHE = Path(".training/observed")
# Names in an observation begin with this for features.
FEATURES = "features of "


@dataclass(frozen=True)
class Grid:
    """Where the artefacts of a size would be."""

    # The px at which windows begin or end, by rows and by columns.
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    # The period in px of the grid that dilated sampling can leave.
    period: int


# What was seen in a set of pictures: arrays by name, whose first axis is the picture.
#   right         (N, 4): whether the picture shows what its scene has, for each of HEADS
#   number        (N,): the judge's class of the number of subjects
#   logits        (N, classes): the judge's scores of the subject
#   slopes        (N,): the sum of the absolute differences of neighbouring px
#   agreement     (N,): the PSNR in dB of the picture, shrunk, to the base's picture; nan without a base
#   seam, grid    (N, 2): numerator and denominator, see artefacts.py
#   features of …  (N, dimensions) of whole pictures, (N, crops, dimensions) of crops
Observation = dict[str, Array]


def observe(
    pictures: Sequence[Array],
    bases: Sequence[Array | None],
    scenes: Sequence[Scene],
    grid: Grid,
    judge: Judge,
    functions: dict[str, FeatureFunction],
    first: int = 0,
) -> Observation:
    """Return what is seen in pictures.

    bases: the base's picture of the same prompt for each. first: the number of the first picture, for its crops.
    """
    classes = classify(judge, list(pictures))
    wanted = np.array([[CLASSES[head].index(getattr(one, head)) for head in HEADS] for one in scenes])
    seen = {
        "right": np.stack([classes[head] for head in HEADS], 1) == wanted,
        "number": classes["number"],
        "logits": _subject_scores(judge, pictures),
        "slopes": np.array([_sum_of_slopes(one) for one in pictures]),
        "agreement": np.array([_agreement(one, base) for one, base in zip(pictures, bases, strict=True)]),
        "seam": np.array([seam_sums(one, grid.rows, grid.cols) for one in pictures]),
        "grid": np.array([grid_sums(one, grid.period) for one in pictures]),
    }
    parts = [part for number, one in enumerate(pictures, first) for part in crops(one, number)]
    for name, compute in functions.items():
        seen[f"{FEATURES}whole, {name}"] = compute(list(pictures)).astype(np.float32)
        features = compute(parts).astype(np.float32)
        seen[f"{FEATURES}crops, {name}"] = features.reshape(len(pictures), -1, features.shape[1])
    return seen


@torch.inference_mode()
def _subject_scores(judge: Judge, pictures: Sequence[Array]) -> Array:
    """Return the judge's scores of the subject of each picture."""
    return np.concatenate([judge(to_input([one]))[0]["subject"].numpy() for one in pictures])


def _sum_of_slopes(picture: Array) -> float:
    """Return the sum of the absolute differences of a picture's neighbouring px."""
    return sum(float(part.abs().sum()) for part in slopes(to_pixels(picture)))


def _agreement(picture: Array, base: Array | None) -> float:
    """Return the PSNR in dB of a picture that is shrunk by area to the base's picture; nan without a base."""
    if base is None:
        return float("nan")
    small = Image.fromarray(picture).resize((base.shape[1], base.shape[0]), Image.Resampling.BOX)
    return psnr(to_pixels(np.asarray(small)), to_pixels(base))


def cached_observation(key: Any, compute: Callable[[], Observation]) -> Observation:
    """Return the observation with this key from the cache, or compute it and add it."""
    file = CACHE / f"{sha256(repr(key).encode()).hexdigest()[:32]}.npz"
    if not file.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}")
        with open(partial, "wb") as to:
            np.savez(to, **compute())  # type: ignore[arg-type]
        partial.replace(file)
    with np.load(file) as stored:
        return dict(stored)
