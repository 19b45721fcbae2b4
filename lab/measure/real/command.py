"""Measures pictures of real models by published protocols. All weights are files that you have; nothing is fetched.

python -m lab.measure real --generated ours/ theirs/ --reference photos/ --inception inception.pth
                           --prompts prompts.txt --clip clip-vit-large-patch14/ --preference PickScore_v1/
DemoFusion's protocol: FID, KID and IS of whole pictures and of 10 crops of 1024 px a picture, and the CLIP score. The
present 4K protocol: patch FID and KID of 10 patches of 299 px, which the network sees as they are, and a preference
score. That there are 10 crops, and where, is our choice: picture k of each folder has the same corners in all folders.
FID, KID and IS are torch-fidelity's (pip install -r requirements-extra.txt). It makes every picture 299 px as
TensorFlow 1 did, without averaging: of 4096 px it reads every 14th. --shrink-above 1024 averages larger pictures first.
CLIP and the preference scorer are folders of transformers with safetensors and the processor's files. The scorer must
be such a model too, as PickScore is; HPSv2 and ImageReward need code and pickles of their own and are not supported.
Prompts are a text file with one a line, in the order of the pictures' names, or JSON: a list, or {name: prompt}.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from engine.errors import Fault
from lab.measure.crops import crops
from lab.measure.distances import clip_score, similarities
from lab.measure.real.inputs import (
    SPLITS,
    check_crops_fit,
    common_size,
    find_pictures,
    prompts_of,
    read_picture,
    read_prompts,
)
from lab.measure.real.networks import (
    INCEPTION_SIDE,
    Clip,
    Features,
    Inception,
    join,
    load_clip,
    load_inception,
)
from lab.measure.tables import Row, table

# Subsets of KID, and the largest number of pictures in one, as torch-fidelity has them.
KID_SUBSETS, KID_SUBSET_SIZE = 100, 1000
# The kinds of parts of a picture: how their metrics are called.
WHOLE, CROPS, PATCHES = "{}", "{} of crops", "patch {}"
# The metrics in the order of the table: name, factor, decimals.
COLUMNS = (
    *((kind.format(name), factor, decimals)
      for kind in (WHOLE, CROPS, PATCHES)
      for name, factor, decimals in (("FID", 1, 2), ("KID", 1000, 3), ("IS", 1, 2))),
    ("CLIP score", 1, 2),
    ("preference", 1, 3),
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """How pictures are measured."""

    # The side of the crops of DemoFusion's protocol, and of the patches of the 4K protocol, in px; 0: none.
    crop: int = 1024
    patch: int = INCEPTION_SIDE
    # How many crops and patches of each picture.
    count: int = 10
    # The seed of their corners.
    seed: int = 0

    @property
    def sides(self) -> dict[str, int]:
        """The side of each kind of crops that are measured."""
        return {kind: side for kind, side in ((CROPS, self.crop), (PATCHES, self.patch)) if side}


def compute_features(paths: Sequence[Path], inception: Inception, settings: Settings) -> dict[str, Features]:
    """Return the features of pictures by kind: whole, crops and patches."""
    parts: dict[str, list[Features]] = {kind: [] for kind in (WHOLE, *settings.sides)}
    for number, path in enumerate(tqdm(paths, paths[0].parent.name, disable=None)):
        picture = read_picture(path)
        parts[WHOLE].append(inception.of_whole(picture))
        for kind, side in settings.sides.items():
            parts[kind].append(inception(crops(picture, number, settings.count, settings.seed, side)))
    return {kind: join(each) for kind, each in parts.items()}


def compare(made: Features, reference: Features) -> dict[str, list[float]]:
    """Return FID, KID and IS as torch-fidelity computes them, in float64: value, and deviation where it has one."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

    a, b = (torch.from_numpy(each.vectors).double() for each in (made, reference))
    frechet = fid_statistics_to_metric(*map(fid_features_to_statistics, (a, b)), verbose=False)
    size = min(KID_SUBSET_SIZE, len(a), len(b))
    kernel = kid_features_to_metric(a, b, kid_subsets=KID_SUBSETS, kid_subset_size=size, verbose=False)
    score = isc_features_to_metric(torch.from_numpy(made.logits), SPLITS)
    return {
        "FID": [frechet[KEY_METRIC_FID]],
        "KID": [kernel[KEY_METRIC_KID_MEAN], kernel[KEY_METRIC_KID_STD]],
        "IS": [score[KEY_METRIC_ISC_MEAN], score[KEY_METRIC_ISC_STD]],
    }


def text_scores(paths: Sequence[Path], prompts: Sequence[str], clip: Clip) -> tuple[float, float, int]:
    """Return the CLIP score, the mean of the model's own scores, and how many prompts were too long for it."""
    both = tqdm(list(zip(paths, prompts, strict=True)), f"{paths[0].parent.name}, prompts", disable=None)
    pairs = [clip(read_picture(path), prompt) for path, prompt in both]
    pictures, texts = np.stack([pair.picture for pair in pairs]), np.stack([pair.text for pair in pairs])
    own = float(similarities(pictures, texts).mean()) / 100 * clip.scale
    return clip_score(pictures, texts), own, sum(pair.is_cut for pair in pairs)


@dataclass(frozen=True)
class Bench:
    """What all folders are measured with."""

    settings: Settings
    inception: Inception | None
    # The features of the reference pictures by kind; empty without Inception.
    reference: dict[str, Features]
    clip: Clip | None
    scorer: Clip | None

    def row(self, paths: Sequence[Path], prompts: Sequence[str]) -> dict[str, Any]:
        """Measure the pictures of a folder and return the results as a JSON object."""
        metrics: dict[str, list[float]] = {}
        if self.inception:
            for kind, made in compute_features(paths, self.inception, self.settings).items():
                found = compare(made, self.reference[kind])
                metrics |= {kind.format(name): values for name, values in found.items()}
        row: dict[str, Any] = {
            "folder": str(paths[0].parent),
            "pictures": len(paths),
            "size": common_size(paths),
            "metrics": metrics,
        }
        for name, network in (("CLIP score", self.clip), ("preference", self.scorer)):
            if network:
                score, own, row["prompts_cut"] = text_scores(paths, prompts, network)
                metrics[name] = [score if network is self.clip else own]
        return row

    def conditions(self, references: int) -> dict[str, Any]:
        """Return under which conditions the rows were measured, as a JSON object."""
        networks = {"clip": self.clip, "preference": self.scorer}
        packages = ["torch", "transformers"] + (["torch-fidelity"] if self.inception else [])
        conditions = {
            "versions": {name: version(name) for name in packages},
            "resizers": {name: each.resizer for name, each in networks.items() if each},
            "weights": {name: each.digests for name, each in networks.items() if each},
        }
        if self.inception:
            conditions["resizers"] = {"inception": self.inception_resizer()} | conditions["resizers"]
            conditions["weights"] = {"inception": [self.inception.digest]} | conditions["weights"]
            conditions |= {"crops": asdict(self.settings), "reference_pictures": references}
            conditions |= {"kid_subsets": KID_SUBSETS, "kid_subset_size_at_most": KID_SUBSET_SIZE}
        return conditions

    def inception_resizer(self) -> str:
        """Return in words how pictures are made as small as Inception sees them."""
        side = self.inception.shrink_above if self.inception else 0
        first = f"; whole pictures above {side} px are first shrunk by area to {side} px" if side else ""
        return f"torch-fidelity's TensorFlow-1 bilinear to {INCEPTION_SIDE} px, without antialiasing{first}"


def format_table(rows: Sequence[dict[str, Any]], conditions: dict[str, Any]) -> str:
    """Return rows as a Markdown table, with the conditions in words below it."""
    columns = [column for column in COLUMNS if any(column[0] in row["metrics"] for row in rows)]
    head = [f"{name} x {factor}" if factor != 1 else name for name, factor, _ in columns]
    lines = []
    for row in rows:
        height, width = row["size"]
        cells = (
            f"{round(row['metrics'][name][0] * factor, decimals) + 0.0:.{decimals}f}"
            for name, factor, decimals in columns
        )
        lines.append(Row(row["folder"], f"{row['pictures']}, {width} x {height}", *cells))
    notes = [f"{name}: {resizer}." for name, resizer in conditions["resizers"].items()]
    if "crops" in conditions:
        crop = conditions["crops"]
        sides = {"crops": crop["crop"], "patches": crop["patch"]}
        what = " and ".join(f"{crop['count']} {name} of {side} px" for name, side in sides.items() if side)
        notes.append(f"{what or 'No crops'} of each picture (our choice), corners by seed {crop['seed']}.")
        notes.append(
            f"{conditions['reference_pictures']} reference pictures. FID falls as pictures are added: compare rows "
            "of equal numbers only. KID does not."
        )
    cut = {row["folder"]: row["prompts_cut"] for row in rows if row.get("prompts_cut")}
    notes += [
        f"{folder}: the ends of {count} prompts are too long for CLIP and were not read."
        for folder, count in cut.items()
    ]
    return "\n".join((table(lines, ("pictures", "number, px", *head)), "", *notes))


def check_options(options: argparse.Namespace) -> None:
    """Raise a Fault if options that belong together are not all there."""
    if not (options.inception or options.clip or options.preference):
        raise Fault(
            "Name weights to measure with: --inception, --clip or --preference; --help explains them."
        )
    if bool(options.inception) != bool(options.reference):
        raise Fault(
            "--inception and --reference belong together: FID and KID compare with reference pictures."
        )
    if bool(options.clip or options.preference) != bool(options.prompts):
        raise Fault("--prompts belongs to --clip and --preference: they compare pictures with their prompts.")


def measure(options: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows and their conditions, and write them after each row.

    What can be wrong with options, sizes and prompts is found before anything is computed.
    """
    check_options(options)
    settings = Settings(options.crop, options.patch, options.crops, options.seed)
    folders = [find_pictures(folder) for folder in options.generated]
    references = find_pictures(options.reference) if options.reference else []
    for paths in folders:
        common_size(paths)
    if options.inception:
        for side, option in ((settings.crop, "--crop"), (settings.patch, "--patch")):
            for paths in (*folders, references):
                check_crops_fit(paths, side, option)
    prompts = [[""] * len(paths) for paths in folders]
    if options.prompts:
        read = read_prompts(options.prompts)
        prompts = [prompts_of(paths, read, options.prompts) for paths in folders]

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    inception = load_inception(options.inception, device, options.shrink_above) if options.inception else None
    clip, scorer = (
        load_clip(folder, device) if folder else None for folder in (options.clip, options.preference)
    )
    reference = compute_features(references, inception, settings) if inception else {}
    bench = Bench(settings, inception, reference, clip, scorer)
    rows, conditions = [], bench.conditions(len(references))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for paths, each in zip(folders, prompts, strict=True):
        rows.append(bench.row(paths, each))
        text = json.dumps({"conditions": conditions, "rows": rows}, indent=1)
        options.out.write_text(text + "\n", encoding="utf-8")
    return rows, conditions


def whole_number(least: int) -> Callable[[str], int]:
    """Return a type for argparse: whole numbers that are at least `least`."""

    def parse(text: str) -> int:
        if (number := int(text)) < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}")
        return number

    return parse


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="lab.measure real", usage="%(prog)s --generated FOLDER ... [options]", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add(
        "--generated",
        nargs="+",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="a row each; one size a folder",
    )
    add("--reference", type=Path, metavar="FOLDER", help="real pictures, of any sizes that the crops fit in")
    add("--prompts", type=Path, metavar="FILE")
    add("--inception", type=Path, metavar="FILE", help="torch-fidelity's checkpoint, .pth or .safetensors")
    add(
        "--clip",
        type=Path,
        metavar="FOLDER",
        help="papers name openai/clip-vit-base-patch32 or -large-patch14",
    )
    add(
        "--preference",
        type=Path,
        metavar="FOLDER",
        help="for example PickScore_v1 with the processor of laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    )
    add("--crop", type=whole_number(0), default=1024, metavar="PX", help="side of the crops; 0: none (1024)")
    add(
        "--patch",
        type=whole_number(0),
        default=INCEPTION_SIDE,
        metavar="PX",
        help="of the patches; 0: none (299)",
    )
    add(
        "--crops",
        type=whole_number(1),
        default=10,
        metavar="N",
        help="crops and patches of each picture (10)",
    )
    add("--seed", type=int, default=0, help="of the crops' corners (0)")
    add("--shrink-above", type=whole_number(0), default=0, metavar="PX", help="0: never (0)")
    add(
        "--out",
        type=Path,
        default=Path("metrics.json"),
        metavar="FILE",
        help="for all numbers (metrics.json)",
    )
    options = parser.parse_args(arguments)
    try:
        rows, conditions = measure(options)
    except Fault as fault:
        print(fault.sentence, file=sys.stderr)
        raise SystemExit(2) from None
    print(f"{format_table(rows, conditions)}\nAll numbers are in {options.out}.")


if __name__ == "__main__":
    main()
