"""Makes the wall of pictures: methods as rows, the same prompts as columns, each picture beside a part of it at 1:1.

The pictures are those of the table of methods, from its cache where they have been drawn.

python -m lab.publish.wall [--size 1024] [--methods direct ours ...] [--of assets/postcards] [--to lab/figures]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from PIL import Image, ImageDraw

from engine.export.lettering import load_font
from lab.measure.pictures import add_signature
from lab.measure.table.command import TRUE, Bench
from lab.measure.table.presets import PRESETS, SIZES, find_preset, is_available
from lab.world.paint import Array

# The prompts are the table's first ones, so they are not chosen by what the pictures look like.
PROMPTS = 6
# px of a picture's longer side in the figure, of the part beside it, and between two columns or rows.
PICTURE_PX, GAP = 208, 8
# px of the column of titles, and of the line of prompts.
TITLE_PX, PROMPT_PX = 150, 46
QUALITY = 88


def part_at_full_size(picture: Image.Image, side: int = PICTURE_PX) -> Image.Image:
    """Return the middle of a picture at 1:1. Subjects stand a little below the middle of a picture."""
    left, top = (picture.width - side) // 2, (picture.height - side) // 2 + picture.height // 16
    return picture.crop((left, top, left + side, top + side))


def draw_wall(rows: Sequence[tuple[str, Sequence[Array]]], prompts: Sequence[str]) -> Image.Image:
    """Return the figure of rows (title, pictures); prompts: the titles of the columns."""
    cell = 2 * PICTURE_PX + 2 * GAP
    whole = Image.new(
        "RGB", (TITLE_PX + cell * len(prompts), PROMPT_PX + (PICTURE_PX + GAP) * len(rows)), "white"
    )
    pen, font = ImageDraw.Draw(whole), load_font(16)
    for n, prompt in enumerate(prompts):
        pen.text((TITLE_PX + cell * n, 4), fill(prompt, 52), fill="black", font=font)
    for k, (title, pictures) in enumerate(rows):
        top = PROMPT_PX + (PICTURE_PX + GAP) * k
        pen.text((6, top + 6), fill(title, 16), fill="black", font=font)
        for n, pixels in enumerate(pictures):
            left, picture = TITLE_PX + cell * n, Image.fromarray(pixels)
            small = picture.copy()
            small.thumbnail((PICTURE_PX, PICTURE_PX), Image.Resampling.LANCZOS)
            whole.paste(small, (left, top))
            whole.paste(part_at_full_size(picture), (left + PICTURE_PX, top))
    return whole


def make_wall(folder: Path, size_name: str, methods: Sequence[str]) -> Image.Image:
    """Return the signed figure of these rows of the table."""
    bench = Bench(folder, size_name, PROMPTS)
    rows = [(_title(name), bench.pictures(name)) for name in methods]
    whole = draw_wall(rows, [sample.prompt for sample in bench.samples])
    return add_signature(whole, bench.model.facts.hash[:12])


def _title(name: str) -> str:
    """Return the title of a row of the table."""
    return "true renderings" if name == TRUE else find_preset(name).title


def main(arguments: Sequence[str] | None = None) -> None:
    names = [TRUE, *(name for name, preset in PRESETS.items() if is_available(preset))]
    parser = argparse.ArgumentParser(prog="lab.publish.wall", description=__doc__)
    parser.add_argument("--of", type=Path, default=Path("assets/postcards"), help="the pipeline folder")
    parser.add_argument("--to", type=Path, default=Path("lab/figures"))
    parser.add_argument("--size", choices=tuple(SIZES), default="1024")
    parser.add_argument(
        "--methods", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    options = parser.parse_args(arguments)
    options.to.mkdir(parents=True, exist_ok=True)
    wall = make_wall(options.of, options.size, options.methods)
    wall.save(options.to / f"wall-{options.size}.jpg", quality=QUALITY)


if __name__ == "__main__":
    main()
