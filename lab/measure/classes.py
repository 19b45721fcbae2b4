"""Measures drawn pictures against true renderings of the same prompts: for each subject, ground and sky.

python -m lab.measure.classes [--of FOLDER ...] [--way base|windows|direct] [--each 20] [--to FOLDER]

With several folders it also prints the paired differences of the others to the first one. --to: where the rows
are written as JSON.

The kernel distance is unbiased and paired over prompts; its intervals come from the jackknife over prompts. Beside
the drawn pictures the same is measured of true ones: through the VAE, and placed otherwise by the same prompts, for
which the distance is 0 but for chance.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from engine import Model, load_model
from engine.runs.keys import PICTURES_VERSION
from lab.judge.cases import CLASSES
from lab.judge.judge import Judge, classify, load_judge
from lab.measure.base_quality import scene_prompts
from lab.measure.crops import CROPS, crops
from lab.measure.distances import Estimate, jackknife, paired_kernel
from lab.measure.features import FeatureFunction, Scaling, feature_functions, fit_scaling
from lab.measure.pictures import STEPS, cached_picture
from lab.measure.tables import Row, rate_text, table
from lab.measure.vae_quality import EvaluatedVae, to_pixels
from lab.training.upscaler import to_bytes
from lab.training.vae import slopes
from lab.world.lessons import NATIVE_SIDE
from lab.world.paint import Array
from lab.world.scenery import GROUNDS, SKIES
from lab.world.scenes import Scene, is_held_out, make_scene, render
from lab.world.subjects import SUBJECTS

# Held-out scenes of each subject.
EACH = 20
HEADS = ("subject", "colour", "ground", "sky")
FIELDS = {"subject": SUBJECTS, "ground": GROUNDS, "sky": SKIES}
ALL = "all"
# Classes with fewer pictures are left out, because their intervals say nothing.
LEAST_PICTURES = 5
VAE, PLACED = "true, through the VAE", "true, placed otherwise"


@dataclass(frozen=True)
class Way:
    """How pictures are drawn."""

    scales: tuple[float, ...]
    steps: int
    # Further fields of the recipe.
    settings: dict[str, str]
    # The dtype setting of the model.
    dtype: str = "float32"

    @property
    def side(self) -> int:
        """The pictures' side in px."""
        return int(self.scales[-1] * NATIVE_SIDE)


WAYS = {
    "base": Way((1.0,), STEPS, {}),
    "windows": Way((1.0, 2.0), 12, {"method": "demofusion", "scheduler": "dpmpp_2m"}, "auto"),
    "direct": Way((1.0, 2.0), 12, {"method": "direct", "scheduler": "dpmpp_2m"}, "auto"),
}


@dataclass(frozen=True)
class Sample:
    """A held-out scene with its number, which is also the seed of its picture."""

    number: int
    scene: Scene
    prompt: str


def choose_samples(each: int) -> list[Sample]:
    """Return the first held-out scenes of every subject, this many of each, in the order of their numbers."""
    scenes, counts = [], Counter[str]()
    chosen: list[int] = []
    for scene in filter(is_held_out, map(make_scene, count())):
        scenes.append(scene)
        counts[scene.subject] += 1
        if counts[scene.subject] <= each:
            chosen.append(len(scenes) - 1)
        if len(chosen) == each * len(SUBJECTS):
            break
    prompts = scene_prompts(scenes)
    return [Sample(number, scenes[number], prompts[number]) for number in chosen]


def place_otherwise(sample: Sample) -> Scene:
    """Return the sample's scene with another place, size and weather, which its prompt does not name."""
    other = make_scene(1_000_000 + sample.number)
    fields = ("across", "horizon", "size", "weather")
    return replace(sample.scene, **{name: getattr(other, name) for name in fields})


def draw(model: Model, samples: list[Sample], way: Way) -> list[Array]:
    """Draw the samples' prompts, or take the pictures from the cache."""
    return [
        cached_picture(model, one.prompt, one.number, way.scales, way.steps, **way.settings)
        for one in tqdm(samples, mininterval=30)
    ]


@dataclass(frozen=True)
class Seen:
    """What is seen in a set of pictures, one for each sample."""

    # For each head whether the picture shows what the sample's scene has.
    right: dict[str, Array]
    # How many subjects the judge counts: an index into CLASSES["number"].
    number: Array
    # The sum of the absolute differences of neighbouring pixels.
    slopes: Array
    # For each network, and for whole pictures and crops where these differ, the features of all pictures in turn.
    features: dict[str, Array]


def see(
    pictures: list[Array], samples: list[Sample], judge: Judge, functions: dict[str, FeatureFunction]
) -> Seen:
    """Look at the pictures of samples with all networks."""
    classes = classify(judge, pictures)
    wanted = {head: [CLASSES[head].index(getattr(one.scene, head)) for one in samples] for head in HEADS}
    features = {name: compute(pictures) for name, compute in functions.items()}
    if pictures[0].shape[0] > NATIVE_SIDE:
        parts = [
            part for one, sample in zip(pictures, samples, strict=True) for part in crops(one, sample.number)
        ]
        features |= {f"{name}, crops": compute(parts) for name, compute in functions.items()}
    return Seen(
        {head: classes[head] == np.array(wanted[head]) for head in HEADS},
        classes["number"],
        np.array([sum(float(part.abs().sum()) for part in slopes(to_pixels(one))) for one in pictures]),
        features,
    )


@dataclass(frozen=True)
class Measured:
    """The numbers of a set of pictures, or of those of one class."""

    pictures: int
    # For each head, and for none, one and more subjects, the share of the pictures, by the jackknife over pictures.
    shares: dict[str, Estimate]
    # The pictures' slopes as a share of the truth's.
    slopes: float
    # The kernel distance to the truth by name of the features.
    kernel: dict[str, Estimate]

    def hits(self, name: str) -> int:
        """Return the number of pictures behind a share."""
        return round(self.shares[name].value * self.pictures)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON holds them."""
        return {
            "pictures": self.pictures,
            **{name: self.hits(name) for name in self.shares},
            "slopes": round(self.slopes, 3),
            "kernel": {name: estimate_json(one) for name, one in self.kernel.items()},
        }


def estimate_json(estimate: Estimate) -> list[float]:
    """Return value, lower and upper end of the 95 % interval."""
    return [float(f"{number:.4g}") for number in (estimate.value, *estimate.interval)]


def measure_set(made: Seen, true: Seen, scalings: dict[str, Scaling], chosen: Array) -> Measured:
    """Return the numbers of the chosen pictures of a set. chosen: their indices."""
    none, one, *_ = CLASSES["number"]
    numbers = {none: made.number == 0, one: made.number == 1, "more": made.number > 1}
    flags = {name: flag[chosen] for name, flag in (made.right | numbers).items()}
    return Measured(
        len(chosen),
        {
            name: jackknife(lambda kept, x=x: float(x[kept].mean()), np.arange(len(chosen)))
            for name, x in flags.items()
        },
        float(made.slopes[chosen].sum() / true.slopes[chosen].sum()),
        {name: _kernel(made, true, name, scaling, chosen) for name, scaling in scalings.items()},
    )


def _kernel(made: Seen, true: Seen, name: str, scaling: Scaling, chosen: Array) -> Estimate:
    """Return the kernel distance of the chosen pictures by the features of this name."""
    each = len(made.features[name]) // len(made.number)
    rows = (each * chosen[:, None] + np.arange(each)).ravel()
    return paired_kernel(
        scaling(made.features[name][rows]), scaling(true.features[name][rows]), np.repeat(chosen, each)
    )


def choose_classes(samples: list[Sample]) -> Iterator[tuple[str, Array]]:
    """Yield "all", then every subject, ground and sky with enough samples, each with the indices of its samples."""
    yield ALL, np.arange(len(samples))
    for field, names in FIELDS.items():
        for name in names:
            chosen = np.flatnonzero([getattr(one.scene, field) == name for one in samples])
            if len(chosen) >= LEAST_PICTURES:
                yield name, chosen


@dataclass(frozen=True)
class Result:
    """All numbers of some sets of pictures by one way."""

    way: str
    # For each set, by its title, the numbers of every class, by its name.
    sets: dict[str, dict[str, Measured]]

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON holds them."""
        way = WAYS[self.way]
        rows = [
            {"set": title, "class": name} | one.to_json()
            for title, classes in self.sets.items()
            for name, one in classes.items()
        ]
        head = {"way": self.way, "side": way.side, "steps": way.steps, "pictures_version": PICTURES_VERSION}
        return head | {"crops": CROPS if way.side > NATIVE_SIDE else 0, "rows": rows}


def measure_all(folders: list[Path], way_name: str, each: int) -> Result:
    """Measure the pictures that the folders' models draw, and true ones for comparison.

    The first folder's judge looks at all of them, and its VAE makes the pictures through the VAE.
    """
    way, samples = WAYS[way_name], choose_samples(each)
    drawn = {}
    for folder in folders:
        model = load_model(folder, dtype=way.dtype)
        drawn[f"drawn, {model.facts.hash[:12]}"] = draw(model, samples, way)
    size, vae = (way.side, way.side), EvaluatedVae(folders[0])
    true = [render(one.scene, size) for one in samples]
    others = {
        VAE: [to_bytes(vae.reconstruct(to_pixels(one)))[0].permute(1, 2, 0).numpy() for one in true],
        PLACED: [render(place_otherwise(one), size) for one in samples],
    }
    judge, functions = load_judge(folders[0]), feature_functions(folders[0])
    truth = see(true, samples, judge, functions)
    scalings = {name: fit_scaling(features) for name, features in truth.features.items()}
    sets = {}
    for title, pictures in (drawn | others).items():
        seen = see(pictures, samples, judge, functions)
        sets[title] = {
            name: measure_set(seen, truth, scalings, chosen) for name, chosen in choose_classes(samples)
        }
    return Result(way_name, sets)


def estimate_text(estimate: Estimate) -> str:
    """Return an estimate of a kernel distance as text, times 1,000, with its interval."""
    low, high = (1000 * end for end in estimate.interval)
    return f"{1000 * estimate.value:.0f} ({low:.0f} to {high:.0f})"


def points_text(estimate: Estimate) -> str:
    """Return a difference of shares as text in points, with its interval."""
    low, high = (100 * end for end in estimate.interval)
    return f"{100 * estimate.value:+.0f} ({low:+.0f} to {high:+.0f})"


def overview(result: Result) -> str:
    """Return a table with a line for each set."""
    first = next(iter(result.sets.values()))[ALL]
    way = WAYS[result.way]
    title = f"{result.way}: {first.pictures} prompts, {way.side} px, {way.steps} steps"
    rows = []
    for name, classes in result.sets.items():
        one = classes[ALL]
        rates = (rate_text(one.hits(share), one.pictures) for share in one.shares)
        rows.append(Row(name, *rates, f"{one.slopes:.2f}", *map(estimate_text, one.kernel.values())))
    return table(rows, (title, *first.shares, "slopes", *(f"kernel x 1000, {name}" for name in first.kernel)))


def class_table(result: Result, title: str) -> str:
    """Return a table of a set with a line for each class: shares in percent."""
    classes = result.sets[title]
    rows = [
        Row(
            name,
            one.pictures,
            *(f"{100 * share.value:.0f}" for share in one.shares.values()),
            f"{one.slopes:.2f}",
            *map(estimate_text, one.kernel.values()),
        )
        for name, one in classes.items()
    ]
    first = classes[ALL]
    head = ("pictures", *(f"{name} %" for name in first.shares), "slopes")
    return table(rows, (title, *head, *(f"kernel x 1000, {name}" for name in first.kernel)))


def difference_table(result: Result, title: str, to: str) -> str:
    """Return a table of a set's paired differences to another one, with a line for each class: shares in points."""
    rows = []
    for name, one in result.sets[title].items():
        base = result.sets[to][name]
        shares = (points_text(share - base.shares[key]) for key, share in one.shares.items())
        kernels = (estimate_text(kernel - base.kernel[key]) for key, kernel in one.kernel.items())
        rows.append(Row(name, one.pictures, *shares, f"{one.slopes - base.slopes:+.2f}", *kernels))
    first = result.sets[title][ALL]
    head = ("pictures", *first.shares, "slopes", *(f"kernel x 1000, {name}" for name in first.kernel))
    return table(rows, (f"{title} minus {to}", *head))


def report(result: Result) -> str:
    """Return all tables of a result."""
    drawn = [title for title in result.sets if title not in (VAE, PLACED)]
    tables = [overview(result), *(class_table(result, title) for title in drawn)]
    return "\n\n".join([*tables, *(difference_table(result, title, drawn[0]) for title in drawn[1:])])


def measure(folder: Path, number: int = EACH) -> str:
    """Return tables of what the base draws. number: pictures of each subject."""
    return report(measure_all([folder], "base", number))


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.measure.classes", description=__doc__)
    parser.add_argument("--of", type=Path, nargs="+", default=[Path("assets/postcards")])
    parser.add_argument("--way", choices=list(WAYS), default="base")
    parser.add_argument("--each", type=int, default=EACH, help="pictures of each subject")
    parser.add_argument("--to", type=Path, help="a folder for the rows as JSON")
    arguments = parser.parse_args()
    result = measure_all(arguments.of, arguments.way, arguments.each)
    print(report(result))
    if arguments.to:
        arguments.to.mkdir(parents=True, exist_ok=True)
        lines = json.dumps(result.to_json(), indent=None).replace('{"set"', '\n{"set"')
        (arguments.to / f"{arguments.way}.json").write_text(lines + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
