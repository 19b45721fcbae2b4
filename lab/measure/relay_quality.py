"""Measures Relay Diffusion's two stages: agreement with the small picture, detail, and the right subject."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from lab.judge.cases import CLASSES
from lab.judge.judge import Judge, classify, load_judge
from lab.measure.base_quality import Verdicts
from lab.measure.pictures import CACHE
from lab.measure.tables import Row, rate_text, table
from lab.measure.vae_quality import psnr
from lab.relay.system import (
    FIRST_LEVELS,
    FIRST_STAGE,
    FOLDER,
    GUIDANCE,
    SECOND_LEVELS,
    SECOND_STAGE,
    TIMES,
    draw_small,
    enlarge,
    load_network,
    to_bytes,
    to_pixels,
)
from lab.relay.words import scene_words
from lab.training.relay import in_mixed_precision
from lab.training.vae import slopes
from lab.world.lessons import NATIVE_SIDE
from lab.world.paint import Array
from lab.world.scenes import Scene, held_out_scenes, render

CPU = torch.device("cpu")
# The fields of Drawn, and their titles.
COLUMNS = {"true": "true renderings", "enlarged": "from true 64 px pictures", "whole": "both stages"}
# Heads of the judge that are counted together.
RESPECTS = (("subject",), ("subject", "colour"), ("ground",), ("sky",))


@dataclass(frozen=True)
class Drawn:
    """The pictures of one scene, in bytes (rows, cols, 3)."""

    # Its rendering, and the second stage's picture of that rendering's means.
    true: Array
    enlarged: Array
    # The picture of both stages.
    whole: Array


class Stages:
    """Both stages' networks, and the pictures that they have drawn before."""

    def __init__(self, folder: Path, level_count: int) -> None:
        self.first, self.second = (
            in_mixed_precision(load_network(folder, stage), CPU) for stage in (FIRST_STAGE, SECOND_STAGE)
        )
        self.level_count = level_count
        files = [folder / f"{stage}.safetensors" for stage in (FIRST_STAGE, SECOND_STAGE)]
        self.first_key, self.second_key = (sha256(file.read_bytes()).hexdigest() for file in files)
        self.first_key += f" {FIRST_LEVELS} {GUIDANCE}"

    def draw(self, scene: Scene, seed: int) -> Drawn:
        """Return the pictures of a scene, from the cache where they are there."""
        true = render(scene, (NATIVE_SIDE, NATIVE_SIDE))
        return Drawn(
            true,
            self._cached(scene, seed, avg_pool2d(to_pixels(true[None]), TIMES)),
            self._cached(scene, seed),
        )

    def _cached(self, scene: Scene, seed: int, small: Tensor | None = None) -> Array:
        """Return the second stage's picture of a small one, or of the first stage's if there is none."""
        first_key = "true" if small is not None else self.first_key
        key = ("relay", first_key, self.second_key, scene, seed, self.level_count)
        file = CACHE / f"{sha256(repr(key).encode()).hexdigest()[:32]}.png"
        if not file.is_file():
            if small is None:
                small = draw_small(self.first, torch.tensor([scene_words(scene)]), seed)
            picture = to_bytes(enlarge(self.second, small, seed, self.level_count))[0]
            CACHE.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".partial")
            Image.fromarray(picture).save(partial, "png")
            partial.replace(file)
        return np.asarray(Image.open(file))


def mean_slope(pictures: list[Array]) -> float:
    """Return the mean absolute difference of neighbouring pixels, in levels of 255."""
    parts = [part.abs().mean() for part in slopes(to_pixels(np.stack(pictures)))]
    return 127.5 * float(sum(parts)) / len(parts)


def agreement(large: Array, true: Array) -> float:
    """Return how well the 4 x 4 means of two pictures agree, in dB."""
    return psnr(*(avg_pool2d(to_pixels(one[None]), TIMES) for one in (large, true)))


def measure(folder: Path, number: int = 100, steps: int = SECOND_LEVELS, relay_folder: Path = FOLDER) -> str:
    """Return a table and a JSON row of what both stages draw of held-out scenes.

    folder: the pipeline folder that has the judge. steps: noise levels of the second stage's whole schedule.
    """
    stages, scenes = Stages(relay_folder, steps), held_out_scenes(number)
    drawn = [stages.draw(scene, seed) for seed, scene in enumerate(scenes)]
    levels = [agreement(one.enlarged, one.true) for one in drawn]
    pictures = {name: [getattr(one, name) for one in drawn] for name in COLUMNS}
    slope = {name: mean_slope(made) for name, made in pictures.items()}
    ratios = {name: slope[name] / slope["true"] for name in COLUMNS}
    right = right_counts(scenes, load_judge(folder), pictures)
    rows = [
        Row("4 x 4 means against the given picture", "", f"{np.mean(levels):.1f} dB", ""),
        Row("lowest", "", f"{min(levels):.1f} dB", ""),
        Row("slopes over truth", *(f"{ratio:.2f}" for ratio in ratios.values())),
        *(
            Row(title, *(rate_text(hits, number) for hits in counts.values()))
            for title, counts in right.items()
        ),
    ]
    figures = {
        "scenes": number,
        "levels": steps,
        "means_db": round(float(np.mean(levels)), 2),
        "lowest_means_db": round(min(levels), 2),
        "slopes_over_truth": {name: round(ratio, 3) for name, ratio in ratios.items()},
        "right": right,
    }
    head = (f"{number} held-out scenes, {steps} levels", *COLUMNS.values())
    return table(rows, head) + "\n\n" + json.dumps({"relay": figures})


def right_counts(
    scenes: list[Scene], judge: Judge, pictures: dict[str, list[Array]]
) -> dict[str, dict[str, int]]:
    """Return how many pictures the judge finds right in each respect, by the name of their column."""
    verdicts = {name: Verdicts(scenes, classify(judge, made)) for name, made in pictures.items()}
    counts = {
        " and ".join(heads): {name: verdict.hits(*heads) for name, verdict in verdicts.items()}
        for heads in RESPECTS
    }
    one = CLASSES["number"].index("one")
    counts["exactly one subject"] = {
        name: int((verdict.classes["number"] == one).sum()) for name, verdict in verdicts.items()
    }
    return counts
