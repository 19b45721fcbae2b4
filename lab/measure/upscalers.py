"""Measures how well upscalers double pictures of Postcards' world, and shows them side by side.

python -m lab.measure upscalers [--of assets/postcards] [--prompts 24]
python -m lab.measure.upscalers [--of assets/postcards] [--prompts 24] [--to lab/figures] [--faithful FILE]

The first command prints tables and JSON, the second one writes them to a folder, with a figure.

Renderings of held-out scenes are shrunk to half, as they are or with a round trip through Postcards' VAE
afterwards, and enlarged again.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from engine.catalogue.upscalers import has_upscaler, upscaler_digest
from engine.export.lettering import load_font
from engine.upscale.load import Upscaler, load_upscaler
from engine.upscale.tiles import enlarge_picture
from lab.measure.pictures import add_signature
from lab.measure.tables import Row, table
from lab.measure.vae_quality import EvaluatedVae, psnr, to_pixels
from lab.training.upscaler import FILE, FOLDER, TIMES, to_bytes
from lab.training.vae import slopes
from lab.world.paint import Array
from lab.world.scenes import Scene, held_out_scenes, render

SCENES = 24
LANCZOS, POSTCARDS, FAITHFUL, ANIME = (
    "Lanczos",
    "Postcards",
    "Postcards before the critic",
    "Real-ESRGAN animevideo",
)
# The upscaler's name in the catalogue.
ANIME_NAME = "realesr-animevideo"
# Side in px of a true picture, and of the renderings that it is or is cut from.
TRUE_PX, SIDES = 512, (512, 1024)
SHRUNK, ROUND_TRIP = "shrunk", "VAE round trip"

# The figure: held-out scenes by number, the corner (top, left) of the part in px, and how it was shrunk.
FIGURE_PARTS = (
    (9, (10, 40), SHRUNK),
    (11, (120, 160), SHRUNK),
    (0, (40, 150), ROUND_TRIP),
    (16, (150, 200), ROUND_TRIP),
    (22, (20, 150), ROUND_TRIP),
)
FIGURE_COLUMNS = (LANCZOS, ANIME, POSTCARDS)
# px of a part's side, and of the height of the title line.
PART_PX, TITLE_PX = 224, 26


@dataclass(frozen=True)
class Pair:
    """A small picture and the true one of twice the side, both in bytes (rows, cols, 3)."""

    # SHRUNK or ROUND_TRIP.
    kind: str
    # Side in px of the rendering that the true picture is cut from.
    side: int
    scene: Scene
    small: Array
    true: Array


@dataclass(frozen=True)
class Score:
    """How close an enlarged picture is to the true one."""

    upscaler: str
    # The fields of the pair.
    kind: str
    side: int
    ground: str
    sky: str
    # Peak signal-to-noise ratio in dB.
    decibels: float
    # The sum of all differences of neighbouring pixels, in the enlarged and in the true picture.
    slopes: float
    true_slopes: float


def available_upscalers(folder: Path, faithful: Path | None = None) -> dict[str, Upscaler | None]:
    """Return the upscalers that are here by title; the one without a network is Lanczos' filter.

    folder: the pipeline folder. faithful: the file of Postcards' weights from before the critic, if it is kept.
    """
    found: dict[str, Upscaler | None] = {LANCZOS: None}
    for title, file in ((FAITHFUL, faithful), (POSTCARDS, folder / FOLDER / FILE)):
        if file and file.is_file():
            found[title] = load_upscaler(str(file))
    if has_upscaler(ANIME_NAME):
        found[ANIME] = load_upscaler(ANIME_NAME)
    return found


def make_pair(scene: Scene, kind: str, side: int, vae: EvaluatedVae) -> Pair:
    """Render the middle of a scene and shrink it."""
    corner = (side - TRUE_PX) // 2
    true = render(scene, (side, side), (corner, corner, TRUE_PX, TRUE_PX))
    small = cv2.resize(true, (TRUE_PX // TIMES,) * 2, interpolation=cv2.INTER_AREA)
    if kind == ROUND_TRIP:
        small = to_bytes(vae.reconstruct(to_pixels(small)))[0].permute(1, 2, 0).numpy()
    return Pair(kind, side, scene, small, true)


def make_pairs(scenes: list[Scene], vae: EvaluatedVae) -> Iterator[Pair]:
    """Yield the pairs of all kinds and sizes of these scenes."""
    for kind in (SHRUNK, ROUND_TRIP):
        for side in SIDES:
            for scene in scenes:
                yield make_pair(scene, kind, side, vae)


def double(picture: Array, upscaler: Upscaler | None) -> Array:
    """Enlarge a picture to twice its side as the engine does."""
    size = (TIMES * picture.shape[0], TIMES * picture.shape[1])
    steps = enlarge_picture(Image.fromarray(picture), size, upscaler)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return np.asarray(end.value)


def score(pair: Pair, title: str, made: Array) -> Score:
    """Compare an enlarged picture with the true one."""
    pixels, true = to_pixels(made), to_pixels(pair.true)
    sums = [float(sum(slope.abs().sum() for slope in slopes(one))) for one in (pixels, true)]
    return Score(title, pair.kind, pair.side, pair.scene.ground, pair.scene.sky, psnr(pixels, true), *sums)


def score_all(folder: Path, number: int = SCENES, faithful: Path | None = None) -> list[Score]:
    """Return the score of every upscaler on every pair of this many held-out scenes."""
    upscalers, vae = available_upscalers(folder, faithful), EvaluatedVae(folder)
    return [
        score(pair, title, double(pair.small, upscaler))
        for pair in make_pairs(held_out_scenes(number), vae)
        for title, upscaler in upscalers.items()
    ]


def mean_decibels(scores: list[Score]) -> float:
    """Return the mean of the scores' dB."""
    return float(np.mean([one.decibels for one in scores]))


def slope_ratio(scores: list[Score]) -> float:
    """Return the slopes of the enlarged pictures as a share of the true ones'."""
    return sum(one.slopes for one in scores) / sum(one.true_slopes for one in scores)


def summary_rows(scores: list[Score]) -> list[dict[str, object]]:
    """Return for each upscaler, kind and size the mean dB, what that is over Lanczos, and the slopes."""
    rows = []
    for kind, side, title in sorted({(one.kind, one.side, one.upscaler) for one in scores}):
        pairs = [one for one in scores if (one.kind, one.side) == (kind, side)]
        mine = [one for one in pairs if one.upscaler == title]
        gains = [
            a.decibels - b.decibels
            for a, b in zip(mine, [one for one in pairs if one.upscaler == LANCZOS], strict=True)
        ]
        rows.append(
            {
                "upscaler": title,
                "kind": kind,
                "side": side,
                "pairs": len(mine),
                "decibels": round(mean_decibels(mine), 2),
                "over_lanczos": round(float(np.mean(gains)), 2),
                "lowest_over_lanczos": round(min(gains), 2),
                "slopes": round(slope_ratio(mine), 3),
            }
        )
    return rows


def summary_table(scores: list[Score]) -> str:
    """Return a table of dB and slopes: a line for each kind and size, a column for each upscaler."""
    titles = list(dict.fromkeys(one.upscaler for one in scores))
    rows = []
    for kind in (SHRUNK, ROUND_TRIP):
        for side in SIDES:
            cells = []
            for title in titles:
                mine = [one for one in scores if (one.upscaler, one.kind, one.side) == (title, kind, side)]
                cells.append(f"{mean_decibels(mine):.1f} dB, {slope_ratio(mine):.0%}")
            rows.append(Row(f"{kind}, {side // TIMES} to {side} px", *cells))
    number = len(scores) // (len(titles) * len(rows))
    return table(rows, (f"{number} held-out scenes: PSNR, slopes of the truth's", *titles))


def gain_table(scores: list[Score]) -> str:
    """Return a table of the dB over Lanczos, by ground and sky: a column for each network and kind."""
    networks = [title for title in dict.fromkeys(one.upscaler for one in scores) if title != LANCZOS]
    columns = [(title, kind) for kind in (SHRUNK, ROUND_TRIP) for title in networks]
    rows = []
    for field in ("ground", "sky"):
        for name in sorted({getattr(one, field) for one in scores}):
            parts = [one for one in scores if getattr(one, field) == name]
            rows.append(Row(name, *(_gain_text(parts, *column) for column in columns)))
    return table(rows, ("dB over Lanczos, slopes", *(f"{title}, {kind}" for title, kind in columns)))


def _gain_text(scores: list[Score], title: str, kind: str) -> str:
    """Return as text how many dB over Lanczos an upscaler is on pairs of a kind, and its slopes."""
    mine, plain = (
        [one for one in scores if (one.upscaler, one.kind) == (name, kind)] for name in (title, LANCZOS)
    )
    return f"{mean_decibels(mine) - mean_decibels(plain):+.1f}, {slope_ratio(mine):.0%}"


def report(scores: list[Score]) -> str:
    """Return the tables and the summary as JSON, a line for each of its rows."""
    lines = "\n".join(json.dumps(row) for row in summary_rows(scores))
    return "\n\n".join([summary_table(scores), gain_table(scores), f"```json\n{lines}\n```"])


def measure(folder: Path, number: int = SCENES) -> str:
    """Return tables of dB and slopes of all upscalers that are here, and the same as JSON."""
    return report(score_all(folder, number))


def figure(folder: Path) -> Image.Image:
    """Show parts of enlarged 512 px scenes at 1:1, the true ones at the right."""
    upscalers, vae = available_upscalers(folder), EvaluatedVae(folder)
    scenes = held_out_scenes(1 + max(number for number, _, _ in FIGURE_PARTS))
    titles = [title for title in FIGURE_COLUMNS if title in upscalers]
    rows = []
    for number, (top, left), kind in FIGURE_PARTS:
        pair = make_pair(scenes[number], kind, TRUE_PX, vae)
        pictures = [*(double(pair.small, upscalers[title]) for title in titles), pair.true]
        rows.append(np.concatenate([one[top : top + PART_PX, left : left + PART_PX] for one in pictures], 1))
    return _with_titles(np.concatenate(rows, 0), [*titles, "truth"])


def _with_titles(picture: Array, titles: list[str]) -> Image.Image:
    """Return the picture under a line with the title of each of its columns."""
    whole = Image.new("RGB", (picture.shape[1], picture.shape[0] + TITLE_PX), "white")
    whole.paste(Image.fromarray(picture), (0, TITLE_PX))
    pen = ImageDraw.Draw(whole)
    for k, title in enumerate(titles):
        pen.text((PART_PX * k + 6, 4), title, fill="black", font=load_font(15))
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.measure.upscalers", description=__doc__)
    parser.add_argument("--of", type=Path, default=Path("assets/postcards"))
    parser.add_argument("--to", type=Path, default=Path("lab/figures"))
    parser.add_argument("--prompts", type=int, default=SCENES, help="number of scenes")
    parser.add_argument("--faithful", type=Path, help="the weights from before the critic, as trained")
    arguments = parser.parse_args()
    scores = score_all(arguments.of, arguments.prompts, arguments.faithful)
    signature = f"upscaler {upscaler_digest(str(arguments.of / FOLDER / FILE))[:12]}"
    arguments.to.mkdir(parents=True, exist_ok=True)
    (arguments.to / "upscalers.md").write_text(
        f"Postcards {signature}\n\n{report(scores)}\n", encoding="utf-8"
    )
    add_signature(figure(arguments.of), signature).save(arguments.to / "enlarged.jpg", quality=88)


if __name__ == "__main__":
    main()
