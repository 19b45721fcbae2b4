"""How large: the final picture, the scales it passes through, and every stage. Sizes are (height, width)."""

from math import ceil, sqrt

from engine import errors
from engine.catalogue.entries import Facts
from engine.errors import BadRecipe
from engine.recipe import images
from engine.recipe.recipe import LARGEST_SIDE, Recipe

Size = tuple[int, int]

LONGEST_ASPECT = 4
SMALLEST_RATIO = 0.5
# A picture may be this much larger or smaller than what a scale promises.
SLACK = 1.25


def fill_sizes(recipe: Recipe, facts: Facts) -> tuple[int, int, tuple[float, ...]]:
    """Width, height and scales of a recipe, the empty ones filled, or BadRecipe."""
    if (recipe.width is None) != (recipe.height is None):
        missing = "width" if recipe.width is None else "height"
        raise BadRecipe(missing, errors.ONE_SIDE)
    if recipe.width is None:
        height, width = _free((recipe.scales or facts.defaults.scales)[-1], _shape(recipe), facts)
    else:
        width, height = recipe.width, recipe.height
    _check_size(width, height, facts)
    scales = (_published_scales if recipe.faithful else _scales)(recipe, width, height, facts)
    return width, height, scales


def _shape(recipe: Recipe) -> tuple[float, float]:
    """Of a picture without a size: height and width over the side of a square as large; those of the start
    picture, or of the first one to follow, as far as that is no longer than pictures may be."""
    given = recipe.image or next((control.image for control in recipe.controls), None)
    if given is None:
        return 1.0, 1.0
    field, gone = (
        ("image", errors.PICTURE_GONE) if recipe.image else ("controls", errors.CONTROL_PICTURE_GONE)
    )
    if images.is_digest(given):
        raise BadRecipe(field, gone)
    try:
        height, width = images.measure(given)
    except BadRecipe as fault:
        raise BadRecipe(field, fault.sentence) from fault
    tall = min(max(sqrt(height / width), LONGEST_ASPECT**-0.5), LONGEST_ASPECT**0.5)
    return tall, 1 / tall


def _free(last: float, shape: tuple[float, float], facts: Facts) -> Size:
    """px of the native area times a scale, in this shape."""
    largest = LARGEST_SIDE / (facts.native * max(shape))
    if last > largest:
        raise BadRecipe("scales", errors.SCALES_TOO_LARGE.format(last=last, limit=LARGEST_SIDE, fit=largest))
    cells = [_cells(facts.window * last * side) for side in shape]
    height, width = (min(side, LONGEST_ASPECT * min(cells)) * facts.cell for side in cells)
    return height, width


def stage_cells(scale: float, recipe: Recipe, facts: Facts) -> Size:
    """Cells of the stage at this scale of a recipe whose sizes are filled."""
    if recipe.faithful:
        return _published_size(int(scale), recipe, facts)
    share = scale / recipe.scales[-1]
    return _cells(recipe.height // facts.cell * share), _cells(recipe.width // facts.cell * share)


def _cells(length: float) -> int:
    return max(1, int(length + 0.5))


def _check_size(width: int, height: int, facts: Facts) -> None:
    for field, value in (("width", width), ("height", height)):
        if value % facts.cell:
            near = max(1, round(value / facts.cell)) * facts.cell
            raise BadRecipe(
                field,
                errors.NOT_A_MULTIPLE_OF_CELL.format(field=field, value=value, cell=facts.cell, near=near),
                {field: near},
            )
    if max(width, height) > LONGEST_ASPECT * min(width, height):
        long, short = max(width, height), min(width, height)
        fit = (LONGEST_ASPECT * short, short) if width > height else (short, LONGEST_ASPECT * short)
        near = f"{fit[0]} x {fit[1]}"
        field = "width" if width == long else "height"
        raise BadRecipe(
            field,
            errors.ASPECT_TOO_LONG.format(width=width, height=height, limit=LONGEST_ASPECT, near=near),
            {"width": fit[0], "height": fit[1]},
        )
    if sqrt(width * height) < SMALLEST_RATIO * facts.native:
        aspect = sqrt(width / height)
        least = [ceil(SMALLEST_RATIO * facts.window * side) * facts.cell for side in (aspect, 1 / aspect)]
        sentence = errors.TOO_SMALL.format(
            width=width, height=height, native=facts.native, least=f"{least[0]} x {least[1]}"
        )
        raise BadRecipe("width", sentence, {"width": least[0], "height": least[1]})


def _scales(recipe: Recipe, width: int, height: int, facts: Facts) -> tuple[float, ...]:
    ratio = sqrt(width * height) / facts.native
    fit = (*(s for s in facts.defaults.scales if s < ratio / SLACK), round(ratio, 4))
    if not recipe.scales:
        return fit
    first, last = recipe.scales[0], recipe.scales[-1]
    if max(last / ratio, ratio / last) > SLACK + 1e-9:
        words = ", ".join(f"{s:g}" for s in fit)
        sentence = errors.SCALES_WRONG_END.format(
            width=width, height=height, ratio=ratio, last=last, fit=words
        )
        raise BadRecipe("scales", sentence, {"scales": fit})
    base = first * ratio / last
    if not SMALLEST_RATIO <= base <= SLACK + 1e-9:
        raise BadRecipe(
            "scales", errors.SCALES_WRONG_START.format(low=SMALLEST_RATIO, high=SLACK, first=base)
        )
    return recipe.scales


def _published_scales(recipe: Recipe, width: int, height: int, facts: Facts) -> tuple[float, ...]:
    """1..S, or BadRecipe where the published code breaks."""
    native, longer = facts.native, max(width, height)
    if longer % native:
        near = max(1, round(longer / native)) * native
        field = "width" if width >= height else "height"
        sentence = errors.FAITHFUL_SIDE.format(native=native, side=longer, near=near)
        raise BadRecipe(field, sentence, {field: near})
    largest = longer // native
    scales = tuple(float(s) for s in range(1, largest + 1))
    if recipe.scales not in ((), scales):
        fit = ", ".join(f"{s:g}" for s in scales)
        raise BadRecipe("scales", errors.FAITHFUL_SCALES.format(fit=fit), {"scales": scales})
    for s in range(2, largest + 1):
        stage_width, stage_height = _published_px(s, width, height, native)
        if min(stage_width, stage_height) < native:
            sentence = errors.FAITHFUL_SHORT.format(width=width, height=height)
            raise BadRecipe("width", sentence, {"faithful": False})
        if stage_width % facts.cell or stage_height % facts.cell:
            raise BadRecipe(
                "width",
                errors.FAITHFUL_CELLS.format(
                    width=width, height=height, stage=s, stage_width=stage_width,
                    stage_height=stage_height, cell=facts.cell,
                ),
                {"faithful": False},
            )  # fmt: skip
    return scales


def _published_px(s: int, width: int, height: int, native: int) -> tuple[int, int]:
    aspect = min(width, height) / max(width, height)
    long, short = native * s, int(native * s * aspect)
    return (long, short) if width >= height else (short, long)


def _published_size(s: int, recipe: Recipe, facts: Facts) -> Size:
    width, height = recipe.width, recipe.height
    if s == 1:
        largest = max(width, height) // facts.native
        return height // largest // facts.cell, width // largest // facts.cell
    stage_width, stage_height = _published_px(s, width, height, facts.native)
    return stage_height // facts.cell, stage_width // facts.cell
