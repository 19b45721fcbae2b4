"""Export a finished stage's picture with a caption below it: prompt, sizes, settings and seed. Needs no torch."""

from pathlib import Path

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from engine.errors import BadRecipe
from engine.export.lettering import Font, drawable_text, load_font, shorten_to_fit, wrap_parts
from engine.export.pictures import read_picture, stage_number
from engine.recipe.effects import ineffective_settings
from engine.recipe.recall import RECORD_NAME, recall_json
from engine.recipe.recipe import Recipe
from engine.runs.files import write_atomically
from engine.runs.store import PICTURE_FILE, finished_stages
from engine.runs.thumbnails import PNG_LEVEL

# The file's name in the run's folder.
CAPTIONED_FILE = "labelled.png"

# The colours of the caption: its background, the prompt, and the other lines.
BACKGROUND, PROMPT_COLOUR, DETAILS_COLOUR = (250, 249, 246), (34, 34, 34), (110, 108, 104)
# The font's height over the picture's longer side.
FONT_HEIGHT_FRACTION = 0.02
# Limits of the font's height in px.
MIN_FONT_SIZE, MAX_FONT_SIZE = 12, 48
# The text between the parts of the caption.
SEPARATOR = " · "
# The number of a prompt's first characters that are used; a line has room for fewer.
MAX_PROMPT_LENGTH = 300


def caption_image(folder: Path, path: Path) -> Path:
    """Write a PNG of a stage's picture with a caption below, which also contains the stage's record; return its path.

    folder: the stage's folder.
    path: where the new PNG is written.
    """
    picture, record = read_picture(folder)
    font_size = int(min(max(FONT_HEIGHT_FRACTION * max(picture.size), MIN_FONT_SIZE), MAX_FONT_SIZE))
    font = load_font(font_size)
    margin = round(font_size * 0.9)
    line_height = round(font_size * 1.5)
    lines = _caption_lines(folder, picture, record, font, picture.width - 2 * margin)
    caption_height = 2 * margin + line_height * (len(lines) - 1) + font_size
    sheet = Image.new("RGB", (picture.width, picture.height + caption_height), BACKGROUND)
    sheet.paste(picture)
    draw = ImageDraw.Draw(sheet)
    for n, (line, colour) in enumerate(lines):
        baseline = picture.height + margin + n * line_height + font_size * 0.85
        draw.text((margin, baseline), line, fill=colour, font=font, anchor="ls")
    info = PngInfo()
    if record:
        info.add_text(RECORD_NAME, record)
    return write_atomically(
        path, lambda partial: sheet.save(partial, "PNG", compress_level=PNG_LEVEL, pnginfo=info)
    )


def _caption_lines(
    folder: Path, picture: Image.Image, record: str, font: Font, width: int
) -> list[tuple[str, tuple[int, int, int]]]:
    """Return the lines of the caption with their colours, each at most `width` px wide."""
    recipe, number = _read_recipe(record), stage_number(folder)
    lines = []
    if recipe:
        prompt = shorten_to_fit(drawable_text(recipe.prompt[:MAX_PROMPT_LENGTH], font), font, width)
        if prompt:
            lines.append((prompt, PROMPT_COLOUR))
    details = [
        drawable_text(part, font) for part in _caption_parts(recipe, number, _stage_sizes(folder, picture))
    ]
    return lines + [(line, DETAILS_COLOUR) for line in wrap_parts(details, SEPARATOR, font, width)]


def _read_recipe(record: str) -> Recipe | None:
    """Return the recipe in a picture's record; None if it is missing or cannot be read."""
    try:
        return recall_json(record).recipe
    except BadRecipe:
        return None


def _stage_sizes(folder: Path, picture: Image.Image) -> list[tuple[int, int]]:
    """Return (width, height) in px of the run's stages up to this one, without stages that cannot be read.

    folder: the folder of this stage.
    picture: the picture of this stage.
    """
    sizes = []
    for number, (_, earlier) in finished_stages(folder.parent).items():
        if number < stage_number(folder):
            try:
                with Image.open(earlier / PICTURE_FILE, formats=["PNG"]) as smaller:
                    sizes.append(smaller.size)
            except Exception:  # The caption then leaves out this size.
                continue
    return [*sizes, picture.size]


def _caption_parts(recipe: Recipe | None, number: int, sizes: list[tuple[int, int]]) -> list[str]:
    """Return the parts of the caption: sizes, settings that had an effect on this stage, and the seed.

    recipe: None leaves out settings and seed.
    number: the stage's number; settings are left out for stage 1, which does not depend on them.
    sizes: (width, height) in px of the stages up to this one.
    """
    all_square = all(width == height for width, height in sizes)
    details = [" → ".join(f"{w}" if all_square else f"{w} × {h}" for w, h in sizes)]
    if recipe is None:
        return details
    alphas, sigmas = ("alpha1", "alpha2", "alpha3"), ("sigma1", "sigma2")
    ineffective = {*alphas, *sigmas} if number == 1 else set(ineffective_settings(recipe))
    for symbol, names in (("α", alphas), ("σ", sigmas)):
        if not ineffective.issuperset(names):
            values = ["–" if name in ineffective else f"{getattr(recipe, name):g}" for name in names]
            details.append(f"{symbol} {' '.join(values)}")
    return [*details, f"seed {recipe.seed}"]
