"""Makes the wall of pictures: methods as rows, the same prompts as columns, each picture beside a part of it at 1:1.

The pictures are those of the table of methods, from its cache where they have been drawn. Each row is a file of its
own, so that a method that takes hours is drawn once.

python -m lab.publish.wall [--size 1024] [--methods direct ours ...] [--of assets/postcards] [--to lab/figures/wall]
"""

import argparse
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from textwrap import fill

from PIL import Image, ImageDraw

from engine.catalogue.weights import file_digest
from engine.export.lettering import load_font
from engine.network.facts import NETWORK_NAMES
from engine.runs.keys import PICTURES_VERSION
from lab.measure.table.command import TRUE, Bench
from lab.measure.table.presets import PRESETS, SIZES, find_preset, is_available
from lab.world.paint import Array

# The prompts are the table's first ones, so they are not chosen by what the pictures look like.
PROMPTS = 6
# px of a picture's longer side in the figure, of the part beside it, and between two columns or rows.
PICTURE_PX, GAP = 208, 8
# px of a column: a picture and a part of it.
COLUMN_PX = 2 * PICTURE_PX + 2 * GAP
# px of the column of titles, and of the line of prompts.
TITLE_PX, PROMPT_PX = 150, 46
QUALITY = 85


def part_at_full_size(picture: Image.Image, side: int = PICTURE_PX) -> Image.Image:
    """Return the middle of a picture at 1:1. Subjects stand a little below the middle of a picture."""
    left, top = (picture.width - side) // 2, (picture.height - side) // 2 + picture.height // 16
    return picture.crop((left, top, left + side, top + side))


def draw_prompts(prompts: Sequence[str]) -> Image.Image:
    """Return the strip above the rows, which has the prompt of each column."""
    strip = Image.new("RGB", (TITLE_PX + COLUMN_PX * len(prompts), PROMPT_PX), "white")
    pen, font = ImageDraw.Draw(strip), load_font(16)
    for n, prompt in enumerate(prompts):
        pen.text((TITLE_PX + COLUMN_PX * n, 4), fill(prompt, 52), fill="black", font=font)
    return strip


def draw_row(title: str, pictures: Sequence[Array]) -> Image.Image:
    """Return the strip of a row: its title, and each picture whole and in part."""
    strip = Image.new("RGB", (TITLE_PX + COLUMN_PX * len(pictures), PICTURE_PX + GAP), "white")
    ImageDraw.Draw(strip).text((6, 6), fill(title, 16), fill="black", font=load_font(16))
    for n, pixels in enumerate(pictures):
        left, picture = TITLE_PX + COLUMN_PX * n, Image.fromarray(pixels)
        small = picture.copy()
        small.thumbnail((PICTURE_PX, PICTURE_PX), Image.Resampling.LANCZOS)
        strip.paste(small, (left, 0))
        strip.paste(part_at_full_size(picture), (left + PICTURE_PX, 0))
    return strip


def make_row(bench: Bench, name: str, to: Path) -> None:
    """Write the strip of a row of the table as a JPEG, unless it is there with the same weights and settings."""
    file, key = to / f"{bench.size_name}-{name}.jpg", row_key(bench, name)
    if file.is_file() and Image.open(file).info.get("comment") == key:
        return
    title = "true renderings" if name == TRUE else find_preset(name).title
    draw_row(title, bench.pictures(name)).save(file, quality=QUALITY, comment=key)


def row_key(bench: Bench, name: str) -> bytes:
    """Return what a row's pictures depend on, as it is stored in the strip's file. Their dtype is left out."""
    settings = "" if name == TRUE else bench.plan(name).recipe.hash[:12]
    return f"{name} {settings} Postcards {hash_weights(bench.folder)} {PICTURES_VERSION}".encode()


@cache
def hash_weights(folder: Path) -> str:
    """Return a hash of the files of a pipeline's networks, in 12 hexadecimal digits."""
    files = sorted(file for part in NETWORK_NAMES for file in (folder / part).glob("*.safetensors"))
    return sha256(" ".join(map(file_digest, files)).encode()).hexdigest()[:12]


def main(arguments: Sequence[str] | None = None) -> None:
    names = [TRUE, *(name for name, preset in PRESETS.items() if is_available(preset))]
    parser = argparse.ArgumentParser(prog="lab.publish.wall", description=__doc__)
    parser.add_argument("--of", type=Path, default=Path("assets/postcards"), help="the pipeline folder")
    parser.add_argument("--to", type=Path, default=Path("lab/figures/wall"))
    parser.add_argument("--size", choices=tuple(SIZES), default="1024")
    parser.add_argument(
        "--methods", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    options = parser.parse_args(arguments)
    options.to.mkdir(parents=True, exist_ok=True)
    bench = Bench(options.of, options.size, PROMPTS)
    prompts = draw_prompts([sample.prompt for sample in bench.samples])
    prompts.save(options.to / f"{options.size}-prompts.png", optimize=True)
    for name in options.methods:
        make_row(bench, name, options.to)


if __name__ == "__main__":
    main()
