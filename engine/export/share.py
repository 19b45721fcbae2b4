"""Two things to show others, made of finished stages on the disk: a labelled picture, and a dive into it.

Both can be made anew at any time, and lie in the run's folder under fixed names. No torch.
"""

from collections.abc import Sequence
from math import log
from pathlib import Path

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from engine import errors
from engine.errors import BadRecipe, Fault, short_repr
from engine.export.lettering import drawable, font_of, shortened, width_of, wrapped
from engine.recipe.effects import ineffective_settings
from engine.recipe.recall import RECORD, recall_json
from engine.recipe.recipe import Recipe
from engine.runs.files import write_atomically
from engine.runs.store import PICTURE_FILE, finished_stages
from engine.runs.thumbnails import PNG_LEVEL

LABELLED, DIVE = "labelled.png", "dive.webp"

PAPER, INK, FAINT = (250, 249, 246), (34, 34, 34), (110, 108, 104)
LETTERS = 0.02
"""Height of the caption's letters as a share of the picture's longer side."""
SMALLEST, LARGEST = 12, 48
BETWEEN = " · "
LONGEST_PROMPT = 300
"""Characters of a prompt that are looked at; one line has room for fewer."""

SIDE, FRAMES, FRAME_MS = 512, 60, 50
REST, DOWN, STAY, UP = 5, 33, 9, 13
"""Frames in which the dive looks at the whole, goes down, stays there, and comes back."""
LEAST_ZOOM = 2.0
"""Small pictures are enlarged, or there would be nothing to dive into."""
COARSE = 1.5
"""Frame px that a picture px may cover before the next larger stage comes in."""
FADE = 0.2
"""How long a stage takes to come in, as a share of the way down."""
SIGN = 13
"""Height of the letters that tell in a frame which stage is seen, px."""
HOMEWARD = 3
"""Last frames, which fade into the first one, so that the loop has no seam."""
DESCRIPTION = 0x010E
"""The EXIF field for a picture's text."""


def labelled(folder: Path, to: Path) -> Path:
    """A stage's picture over a band with prompt, sizes, settings and seed; it carries the stage's record."""
    picture, text = _picture(folder)
    font = font_of(int(min(max(LETTERS * max(picture.size), SMALLEST), LARGEST)))
    pad = round(font.size * 0.9)
    room = picture.width - 2 * pad
    recipe, number = _recipe(text), _number(folder)
    prompt = shortened(drawable(recipe.prompt[:LONGEST_PROMPT] if recipe else "", font), font, room)
    facts = [drawable(part, font) for part in _facts(recipe, number, _sizes(folder, picture))]
    lines = [(prompt, INK)] if prompt else []
    lines += [(line, FAINT) for line in wrapped(facts, BETWEEN, font, room)]
    step = round(font.size * 1.5)
    band = 2 * pad + step * (len(lines) - 1) + font.size
    sheet = Image.new("RGB", (picture.width, picture.height + band), PAPER)
    sheet.paste(picture)
    draw = ImageDraw.Draw(sheet)
    for n, (line, colour) in enumerate(lines):
        place = (pad, picture.height + pad + n * step + font.size * 0.85)
        draw.text(place, line, fill=colour, font=font, anchor="ls")
    info = PngInfo()
    if text:
        info.add_text(RECORD, text)
    return write_atomically(to, lambda path: sheet.save(path, "PNG", compress_level=PNG_LEVEL, pnginfo=info))


def _picture(folder: Path) -> tuple[Image.Image, str]:
    """A stage's pixels and its record, or a Fault that says that it is not there."""
    try:
        with Image.open(folder / PICTURE_FILE, formats=["PNG"]) as picture:
            return picture.convert("RGB"), str(picture.info.get(RECORD, ""))
    except Exception as fault:
        named = {"stage": _number(folder), "folder": short_repr(folder.parent.name)}
        raise Fault(errors.RESUME_BROKEN.format(**named)) from fault


def _number(folder: Path) -> int:
    """Which stage a folder holds; 0 if its name does not say."""
    number = folder.name.removeprefix("stage-").partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0


def _recipe(text: str) -> Recipe | None:
    try:
        return recall_json(text).recipe
    except BadRecipe:
        return None


def _sizes(folder: Path, picture: Image.Image) -> list[tuple[int, int]]:
    """(width, height) of the stages up to this one, as far as they lie beside it."""
    sizes = []
    for number, (_, below) in finished_stages(folder.parent).items():
        if number < _number(folder):
            try:
                with Image.open(below / PICTURE_FILE, formats=["PNG"]) as small:
                    sizes.append(small.size)
            except Exception:  # One that is not told harms nobody.
                continue
    return [*sizes, picture.size]


def _facts(recipe: Recipe | None, number: int, sizes: list[tuple[int, int]]) -> list[str]:
    """What the caption tells: sizes, the settings that had an effect on this stage, the seed."""
    square = all(width == height for width, height in sizes)
    told = [" → ".join(f"{w}" if square else f"{w} × {h}" for w, h in sizes)]
    if recipe is None:
        return told
    idle = (
        {"alpha1", "alpha2", "alpha3", "sigma1", "sigma2"}
        if number == 1
        else set(ineffective_settings(recipe))
    )
    for sign, names in (("α", ("alpha1", "alpha2", "alpha3")), ("σ", ("sigma1", "sigma2"))):
        if not idle.issuperset(names):
            values = ("–" if name in idle else f"{getattr(recipe, name):g}" for name in names)
            told.append(f"{sign} {' '.join(values)}")
    return [*told, f"seed {recipe.seed}"]


def dive(folders: Sequence[Path], to: Path, centre: tuple[float, float] = (0.5, 0.5)) -> Path:
    """A loop of three seconds: from the whole of the smallest stage down to `centre` (row, column; 0 to 1)
    until one px of the largest is one frame px, larger stages coming in on the way, and back.
    """
    shown = sorted((_picture(folder) for folder in folders), key=lambda pair: max(pair[0].size))
    pictures, text = [picture for picture, _ in shown], shown[-1][1]
    largest = pictures[-1]
    scale = SIDE / max(largest.size)
    frame = tuple(max(1, round(side * scale)) for side in largest.size)
    zoom = max(1 / scale, LEAST_ZOOM)
    comes = _entrances(pictures, zoom)
    frames: list[Image.Image] = []
    for n in range(FRAMES):
        depth, way = _course(n)
        box = _box(zoom**depth, zoom, centre)
        level = sum(_eased((way - start) / FADE) for start in comes)
        frames.append(_told(_frame(pictures, level, box, frame), max(pictures[round(level)].size)))
    for n in range(HOMEWARD):
        share = (n + 1) / (HOMEWARD + 1)
        frames[n - HOMEWARD] = Image.blend(frames[n - HOMEWARD], frames[0], share)
    exif = Image.Exif()
    if text:
        exif[DESCRIPTION] = text
    return write_atomically(to, lambda path: _save(frames, exif, path))


def _save(frames: Sequence[Image.Image], exif: Image.Exif, path: Path) -> None:
    """Every frame whole: told as differences, stale stripes stay behind in a sky that moves."""
    look = {"quality": 82, "method": 2, "kmin": 0, "kmax": 1}
    times = {"duration": FRAME_MS, "loop": 0}
    frames[0].save(path, "WEBP", save_all=True, append_images=frames[1:], exif=exif, **look, **times)


def _course(n: int) -> tuple[float, float]:
    """How deep the n-th frame is, 0 to 1, and how far along the way in, on which stages arrive."""
    if n < REST + DOWN + STAY:
        way = max(0, n - REST + 1) / DOWN
        return _eased(way), way
    return 1 - _eased((n - REST - DOWN - STAY + 1) / UP), 2.0


def _eased(share: float) -> float:
    """From 0 to 1, beginning and ending at rest."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)


def _entrances(pictures: Sequence[Image.Image], zoom: float) -> list[float]:
    """Where on the way in each stage above the smallest begins to come in.

    When the one below has become coarse, and not before its turn, so that each is seen.
    """
    starts = []
    for n, below in enumerate(pictures[:-1], 1):
        coarse = COARSE * max(below.size) / SIDE
        depth = min(max(log(coarse) / log(zoom), n / len(pictures)), 1.0)
        starts.append(_way(depth))
    return starts


def _way(depth: float) -> float:
    """The first share of the way down that is so deep."""
    return next(n / DOWN for n in range(DOWN + 1) if _eased(n / DOWN) >= depth - 1e-9)


def _box(zoom: float, end: float, centre: tuple[float, float]) -> tuple[float, float, float, float]:
    """What a frame shows at this zoom, as shares of the picture: left, top, right, bottom.

    One point of the picture stays where it is in the frame, and at the end `centre` is in the middle, or as
    near to it as the edges allow.
    """
    side, last = 1 / zoom, 1 / end
    row, col = (min(max(place - last / 2, 0.0), 1 - last) * (1 - side) / (1 - last) for place in centre)
    return col, row, col + side, row + side


def _frame(
    pictures: Sequence[Image.Image], level: float, box: tuple[float, ...], size: tuple[int, ...]
) -> Image.Image:
    """The stages at this place, `level` of 1.25 being the second one with a quarter of the third."""
    at, share = int(level), level - int(level)
    seen = _part(pictures[at], box, size)
    return Image.blend(seen, _part(pictures[at + 1], box, size), share) if share > 1e-6 else seen


def _told(frame: Image.Image, side: int) -> Image.Image:
    """The frame with a small sign in its corner that tells which stage is seen."""
    font, text = font_of(SIGN), f"{side} px"
    draw = ImageDraw.Draw(frame, "RGBA")
    bottom, right = frame.height - SIGN, 2.2 * SIGN + width_of(text, font)
    draw.rounded_rectangle((SIGN, bottom - 1.9 * SIGN, right, bottom), SIGN / 2, fill=(0, 0, 0, 130))
    draw.text((1.6 * SIGN, bottom - 0.6 * SIGN), text, fill=(255, 255, 255), font=font, anchor="ls")
    return frame


def _part(picture: Image.Image, box: tuple[float, ...], size: tuple[int, ...]) -> Image.Image:
    width, height = picture.size
    place = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
    return picture.resize(size, Image.Resampling.BICUBIC, box=place, reducing_gap=2.0)
