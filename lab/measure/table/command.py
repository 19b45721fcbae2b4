"""The table of methods: how near the large pictures of each method are to the truth, and what they cost.

python -m lab.measure table [--methods ours direct ...] [--sizes 512 1024 ...] [--prompts 48] [--out DIR]

Every picture is compared with the true rendering of its prompt at the same size. A row is written to DIR as JSON as
soon as it is measured, and is not measured again; pictures are kept as well, so an interrupted run continues.
Intervals are of the paired difference to the row "ours", by the jackknife over prompts with all their crops. The rows
"true, ..." say what a perfect method would have.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from engine import Model, Recipe, load_model, plan
from engine.planning.cost import relative_cost
from engine.planning.plan import Plan
from engine.runs.keys import PICTURES_VERSION
from lab.judge.judge import Judge, load_judge
from lab.measure.base_quality import scene_prompts
from lab.measure.classes import Sample, place_otherwise
from lab.measure.distances import Estimate, frechet, inception_score, jackknife, paired_kernel
from lab.measure.features import FeatureFunction, Scaling, feature_functions, fit_scaling
from lab.measure.pictures import draw, draw_cached
from lab.measure.table.artefacts import window_lines
from lab.measure.table.markdown import format_table
from lab.measure.table.observe import FEATURES, HEADS, Grid, Observation, cached_observation, observe
from lab.measure.table.presets import (
    FLOORS,
    OURS,
    PRESETS,
    SIZES,
    PictureSize,
    find_preset,
    is_available,
    recipe_fields,
)
from lab.measure.vae_quality import EvaluatedVae, to_pixels
from lab.training.upscaler import to_bytes
from lab.world.paint import Array
from lab.world.scenes import held_out_scenes, render

# Part of a row's key: to be raised when a measure changes.
MEASURES_VERSION = 1
# The name of the true pictures themselves.
TRUE = "true"
COUNTS = ("none", "one", "more")


class Bench:
    """What all rows of a size share: prompts, true pictures and networks."""

    def __init__(
        self,
        folder: Path,
        size_name: str,
        count: int,
        first: int = 0,
        seed: int = 0,
        steps: int | None = None,
    ) -> None:
        """Open a bench. first: the number of the first prompt. seed: is added to the pictures' seeds."""
        self.folder, self.size_name, self.seed, self.steps = folder, size_name, seed, steps
        self.size: PictureSize = SIZES[size_name]
        scenes = held_out_scenes(first + count)
        prompts = scene_prompts(scenes)
        self.first = first
        self.samples = [
            Sample(number, scenes[number], prompts[number]) for number in range(first, first + count)
        ]

    @cached_property
    def model(self) -> Model:
        """The model that draws."""
        return load_model(self.folder)

    @cached_property
    def judge(self) -> Judge:
        """The judge of the pipeline folder."""
        return load_judge(self.folder)

    @cached_property
    def functions(self) -> dict[str, FeatureFunction]:
        """The feature functions by name."""
        return feature_functions(self.folder)

    @cached_property
    def truth(self) -> Observation:
        """What is seen in the true pictures."""
        return self._cached(TRUE, lambda: self.pictures(TRUE))

    @cached_property
    def scalings(self) -> dict[str, Scaling]:
        """The scaling of each kind of features, fitted on the truth alone."""
        return {
            name: fit_scaling(features.reshape(-1, features.shape[-1]).astype(float))
            for name, features in self.truth.items()
            if name.startswith(FEATURES)
        }

    @cached_property
    def ours(self) -> dict[str, Estimate]:
        """The measures of the row to which all others are compared."""
        return measure(self.observation(OURS), self.truth, self.scalings)

    @cached_property
    def bases(self) -> list[Array]:
        """The base's picture of each prompt, which is the first stage of the row to which all are compared."""
        return self._draw_all("base", self.base_recipe)

    @cached_property
    def base_recipe(self) -> Recipe:
        """The recipe of the base's pictures."""
        whole = self.plan(OURS)
        height, width = whole.stages[0].size
        return replace(whole.recipe, scales=self.size.scales[:1], width=width, height=height)

    @cached_property
    def grid(self) -> Grid:
        """Where windows of the row to which all are compared begin or end, and the period of its dilated views."""
        stage = self.plan(OURS).stages[-1]
        lines = [
            tuple(window_lines(starts, window, cells, stage.facts.cell))
            for starts, window, cells in zip(
                stage.window_grid, stage.window, (stage.rows, stage.cols), strict=True
            )
        ]
        return Grid(lines[0], lines[1], stage.dilation * stage.facts.cell)

    def plan(self, name: str) -> Plan:
        """Return the plan of a preset's first picture. Its recipe has no empty fields."""
        steps = {"steps": self.steps} if self.steps else {}
        fields = steps | recipe_fields(find_preset(name), self.size)
        return plan(Recipe(prompt=self.samples[0].prompt, **fields), self.model.facts)

    def observation(self, name: str) -> Observation:
        """Return what is seen in the pictures of a row."""
        return self._cached(name, lambda: self.pictures(name))

    def pictures(self, name: str) -> list[Array]:
        """Return the pictures of a row. Those of methods are drawn, or come from the cache."""
        if name == TRUE or name in FLOORS:
            return self._true_pictures(name)
        return self._draw_all(name, self.plan(name).recipe)

    def _draw_all(self, title: str, recipe: Recipe) -> list[Array]:
        """Draw all prompts with the settings of a recipe, or take the pictures from the cache."""
        return [
            draw_cached(self.model, replace(recipe, prompt=one.prompt, seed=self.seed + one.number))
            for one in tqdm(self.samples, title, mininterval=30)
        ]

    def _true_pictures(self, name: str) -> list[Array]:
        """Return true pictures: as they are, of other places, or through the VAE."""
        size = (self.size.height, self.size.width)
        if name == "true-placed":
            return [render(place_otherwise(one), size) for one in self.samples]
        pictures = [render(one.scene, size) for one in self.samples]
        if name == TRUE:
            return pictures
        vae = EvaluatedVae(self.folder)
        true = map(to_pixels, pictures)
        return [to_bytes(vae.reconstruct(one))[0].permute(1, 2, 0).numpy() for one in true]

    def _cached(self, name: str, get_pictures: Callable[[], list[Array]]) -> Observation:
        """Return the observation of a row's pictures; `get_pictures` is called if it is not known."""

        def compute() -> Observation:
            pictures = get_pictures()
            bases = [None] * len(pictures) if name == TRUE or name in FLOORS else self.bases
            scenes = [sample.scene for sample in self.samples]
            return observe(pictures, bases, scenes, self.grid, self.judge, self.functions, self.first)

        return cached_observation((self.key(name), sorted(self.functions)), compute)

    def key(self, name: str) -> str:
        """Return the key of a row: equal for equal weights, settings, prompts and versions."""
        parts = (
            name if name == TRUE or name in FLOORS else self.plan(name).recipe.hash, self.model.facts.hash,
            self.model.facts.dtype, self.size, self.first, len(self.samples), self.seed,
            PICTURES_VERSION, MEASURES_VERSION,
        )  # fmt: skip
        return sha256(repr(parts).encode()).hexdigest()[:16]

    def seconds_ratio(self, name: str) -> float:
        """Return the seconds of a preset's first picture over those of the base's, measured one after the other.

        On a CPU they are seconds of computing, which other processes lengthen less than those that pass.
        """
        clock = time.process_time if self.model.device.type == "cpu" else time.perf_counter

        def seconds(recipe: Recipe) -> float:
            began = clock()
            draw(self.model, recipe)
            return clock() - began

        base = min(seconds(self.base_recipe) for _ in range(2))
        return seconds(self.plan(name).recipe) / base


def measure(made: Observation, true: Observation, scalings: dict[str, Scaling]) -> dict[str, Estimate]:
    """Return all measures of a row's pictures against the true ones, by name."""
    pictures = np.arange(len(made["number"]))

    def mean(values: Array) -> Estimate:
        return jackknife(lambda kept: float(values[kept].mean()), pictures)

    def ratio(numerators: Array, denominators: Array) -> Estimate:
        return jackknife(lambda kept: float(numerators[kept].sum() / denominators[kept].sum()), pictures)

    measures = {
        name: _distances(kind, made, true, scalings, name) for kind, name in _distance_names(scalings)
    }
    measures |= {head: mean(made["right"][:, k]) for k, head in enumerate(HEADS)}
    number = np.minimum(made["number"], COUNTS.index("more"))
    measures |= {name: mean(number == k) for k, name in enumerate(COUNTS)}
    measures["inception score"] = jackknife(
        lambda kept: inception_score(made["logits"][kept], 1)[0], pictures
    )
    measures["sharpness"] = ratio(made["slopes"], true["slopes"])
    measures |= {name: ratio(*made[name].T) for name in ("seam", "grid")}
    if not np.isnan(made["agreement"]).any():
        measures["agreement"] = mean(made["agreement"])
    return measures


def _distance_names(scalings: dict[str, Scaling]) -> Iterator[tuple[str, str]]:
    """Yield the kind and the name of each distance."""
    for kind in ("kernel", "frechet"):
        for name in scalings:
            yield kind, f"{kind} of {name.removeprefix(FEATURES)}"


def _distances(
    kind: str, made: Observation, true: Observation, scalings: dict[str, Scaling], name: str
) -> Estimate:
    """Return a distance between the features of made and true pictures."""
    key = FEATURES + name.removeprefix(f"{kind} of ")
    scaling = scalings[key]
    a, b = (scaling(each[key].reshape(-1, each[key].shape[-1]).astype(float)) for each in (made, true))
    groups = np.repeat(np.arange(len(made["number"])), len(a) // len(made["number"]))
    if kind == "kernel":
        return paired_kernel(a, b, groups)
    return jackknife(lambda kept: frechet(a[kept], b[kept]), groups)


def rounded(estimate: Estimate) -> list[float]:
    """Return value, lower and upper end of the interval, as JSON holds them."""
    return [float(f"{number:.5g}") for number in (estimate.value, *estimate.interval)]


def make_row(bench: Bench, name: str) -> dict[str, Any]:
    """Measure a row and return it as a JSON object."""
    is_floor = name in FLOORS
    measures = measure(bench.observation(name), bench.truth, bench.scalings)
    row: dict[str, Any] = {
        "name": name,
        "title": FLOORS[name] if is_floor else find_preset(name).title,
        "size": bench.size_name,
        "prompts": len(bench.samples),
        "first_prompt": bench.first,
        "seed": bench.seed,
        "weights": bench.model.facts.hash[:12],
        "key": row_key(bench, name),
        "measures": {each: rounded(estimate) for each, estimate in measures.items()},
        "difference_to_ours": {
            each: rounded(estimate - bench.ours[each])
            for each, estimate in measures.items()
            if each in bench.ours and name != OURS
        },
    }
    if not is_floor:
        stages = bench.plan(name).stages
        row["evaluations"] = sum(stage.evaluations for stage in stages)
        row["tile_areas"] = round(sum(map(relative_cost, stages)), 1)
        row["seconds_of_base"] = round(bench.seconds_ratio(name), 2)
    return row


def row_key(bench: Bench, name: str) -> str:
    """Return the key of a row, which also depends on the row that it is compared to."""
    return f"{bench.key(name)}-{bench.key(OURS)}"


def row_file(bench: Bench, name: str, out: Path) -> Path:
    """Return the file of a row."""
    return out / f"{bench.size_name}-{name}{f'-seed{bench.seed}' if bench.seed else ''}.json"


def load_or_make_row(bench: Bench, name: str, out: Path) -> dict[str, Any]:
    """Return a row from its file if the file has the row's key; otherwise measure it and write the file."""
    file = row_file(bench, name, out)
    if file.is_file():
        stored: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if stored.get("key") == row_key(bench, name):
            return stored
    row = make_row(bench, name)
    out.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    return row


def time_row(bench: Bench, name: str, out: Path) -> None:
    """Measure the seconds of a row again, if its file is there, and write them into the file."""
    file = row_file(bench, name, out)
    if name in FLOORS or not file.is_file():
        return
    row = json.loads(file.read_text(encoding="utf-8"))
    row["seconds_of_base"] = round(bench.seconds_ratio(name), 2)
    file.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    print(f"{bench.size_name} px, {row['title']}: {row['seconds_of_base']} times the base", flush=True)


def checked_name(name: str) -> str:
    """Return the name of a row; raise ArgumentTypeError if there is no such row."""
    if name not in FLOORS:
        try:
            find_preset(name)
        except ValueError as fault:
            raise argparse.ArgumentTypeError(str(fault)) from fault
    return name


def main(arguments: Sequence[str] | None = None) -> None:
    names = [*FLOORS, *PRESETS]
    names_help = f"{', '.join(names)}; all if left out. A name may end with settings: ours+stride=48"
    parser = argparse.ArgumentParser(
        prog="lab.measure table", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--of", type=Path, default=Path("assets/postcards"), help="the pipeline folder")
    parser.add_argument(
        "--methods", nargs="+", type=checked_name, default=names, metavar="NAME", help=names_help
    )
    parser.add_argument("--sizes", nargs="+", choices=tuple(SIZES), default=["512"])
    parser.add_argument("--prompts", type=int, default=48)
    parser.add_argument("--first", type=int, default=0, help="the number of the first prompt")
    parser.add_argument("--seed", type=int, default=0, help="is added to the seeds of the pictures")
    parser.add_argument("--steps", type=int, help="for a quick try; the model's own if it is left out")
    parser.add_argument("--out", type=Path, default=Path("lab/figures/table"), help="the folder for the rows")
    parser.add_argument(
        "--time",
        action="store_true",
        help="measure nothing but the seconds of the rows in DIR again, as rows of several machines do not compare",
    )
    options = parser.parse_args(arguments)
    for size_name in options.sizes:
        bench = Bench(options.of, size_name, options.prompts, options.first, options.seed, options.steps)
        if options.time:
            for name in options.methods:
                time_row(bench, name, options.out)
            continue
        rows = []
        for name in options.methods:
            if name not in FLOORS and not is_available(find_preset(name)):
                print(f"{find_preset(name).title} is left out: its upscaler is not on this machine.")
                continue
            rows.append(load_or_make_row(bench, name, options.out))
            print(f"{size_name} px, {rows[-1]['title']}: done", flush=True)
        print(format_table(rows, size_name), flush=True)


if __name__ == "__main__":
    main()
