"""Compute the size of the final picture, the scales, and the size of every stage. Sizes are (height, width).

A scale is a stage's mean side divided by the model's native side.
"""

from math import ceil, sqrt

from engine import errors
from engine.catalogue.entries import Facts
from engine.errors import BadRecipe
from engine.recipe import images
from engine.recipe.effects import is_faithful
from engine.recipe.recipe import MAX_SIDE, Recipe, ResolvedRecipe

# (height, width) in px, or (rows, columns) in latent cells.
Size = tuple[int, int]

# The largest ratio of a picture's longer side to its shorter side.
MAX_ASPECT = 4
# The smallest scale of a final picture and of a base.
MIN_SCALE = 0.5
# The largest factor by which a picture's mean side may differ from native side times scale.
SIZE_TOLERANCE = 1.25


def fill_sizes(recipe: Recipe, facts: Facts) -> tuple[int, int, tuple[float, ...]]:
    """Return a recipe's width and height in px and its scales; raise BadRecipe if they do not fit each other.

    Values that the recipe leaves empty are derived from the others and from the model's defaults.
    """
    if (recipe.width is None) != (recipe.height is None):
        missing = "width" if recipe.width is None else "height"
        raise BadRecipe(missing, errors.ONE_SIDE)
    if recipe.width is None or recipe.height is None:
        last = (recipe.scales or facts.defaults.scales)[-1]
        height, width = _size_at_scale(last, _input_shape(recipe), facts)
    else:
        width, height = recipe.width, recipe.height
    _check_size(width, height, facts)
    if is_faithful(recipe):
        return width, height, _demofusion_scales(recipe, width, height, facts)
    return width, height, _free_scales(recipe, width, height, facts)


def resolve_stride(recipe: Recipe, facts: Facts) -> int:
    """Return the distance between windows in latent cells: the recipe's stride, or half a window if it is None."""
    return facts.window // 2 if recipe.stride is None else recipe.stride


def jitter_reach(window: int, stride: int) -> int:
    """Return the largest random shift of a window in latent cells; neighbouring windows still overlap after it."""
    return (window - stride) // 4


def _input_shape(recipe: Recipe) -> tuple[float, float]:
    """Return the (height, width) of a rectangle of area 1 with the aspect ratio of the recipe's input image.

    The input image is the start image or, without one, the image of the first control. Without any input image the
    shape is (1, 1). An aspect ratio above MAX_ASPECT is limited to MAX_ASPECT.
    """
    if recipe.image:
        image, field, missing = recipe.image, "image", errors.PICTURE_GONE
    elif recipe.controls and recipe.controls[0].image is not None:
        image, field, missing = recipe.controls[0].image, "controls", errors.CONTROL_PICTURE_GONE
    else:
        return 1.0, 1.0
    if images.is_digest(image):
        raise BadRecipe(field, missing)
    try:
        height, width = images.measure(image)
    except BadRecipe as fault:
        raise BadRecipe(field, fault.sentence) from fault
    relative_height = min(max(sqrt(height / width), MAX_ASPECT**-0.5), MAX_ASPECT**0.5)
    return relative_height, 1 / relative_height


def _size_at_scale(scale: float, shape: tuple[float, float], facts: Facts) -> Size:
    """Return the size in px with the proportions of `shape` and the area (native side * scale)².

    shape: the (height, width) of a rectangle of area 1. Raise BadRecipe if a side would be longer than MAX_SIDE.
    """
    largest = MAX_SIDE / (facts.native_side * max(shape))
    if scale > largest:
        raise BadRecipe("scales", errors.SCALES_TOO_LARGE.format(last=scale, limit=MAX_SIDE, fit=largest))
    cells = [_round_to_cells(facts.window * scale * side) for side in shape]
    height, width = (min(side, MAX_ASPECT * min(cells)) * facts.cell for side in cells)
    return height, width


def stage_cells(scale: float, recipe: ResolvedRecipe, facts: Facts) -> Size:
    """Return the (rows, columns) in latent cells of the stage at a scale."""
    if recipe.faithful:
        return _demofusion_cells(int(scale), recipe.width, recipe.height, facts)
    fraction = scale / recipe.scales[-1]
    rows = _round_to_cells(recipe.height // facts.cell * fraction)
    return rows, _round_to_cells(recipe.width // facts.cell * fraction)


def _round_to_cells(length: float) -> int:
    """Return the nearest whole number of latent cells, at least 1."""
    return max(1, int(length + 0.5))


def _check_size(width: int, height: int, facts: Facts) -> None:
    """Raise BadRecipe, with a size that would work, if no method can make a picture of this size in px."""
    for field, value in (("width", width), ("height", height)):
        if value % facts.cell:
            near = max(1, round(value / facts.cell)) * facts.cell
            raise BadRecipe(
                field,
                errors.NOT_A_MULTIPLE_OF_CELL.format(field=field, value=value, cell=facts.cell, near=near),
                {field: near},
            )
    if max(width, height) > MAX_ASPECT * min(width, height):
        long, short = max(width, height), min(width, height)
        fit = (MAX_ASPECT * short, short) if width > height else (short, MAX_ASPECT * short)
        near = f"{fit[0]} x {fit[1]}"
        field = "width" if width == long else "height"
        raise BadRecipe(
            field,
            errors.ASPECT_TOO_LONG.format(width=width, height=height, limit=MAX_ASPECT, near=near),
            {"width": fit[0], "height": fit[1]},
        )
    if sqrt(width * height) < MIN_SCALE * facts.native_side:
        aspect = sqrt(width / height)
        least = [ceil(MIN_SCALE * facts.window * side) * facts.cell for side in (aspect, 1 / aspect)]
        sentence = errors.TOO_SMALL.format(
            width=width, height=height, native=facts.native_side, least=f"{least[0]} x {least[1]}"
        )
        raise BadRecipe("width", sentence, {"width": least[0], "height": least[1]})


def _free_scales(recipe: Recipe, width: int, height: int, facts: Facts) -> tuple[float, ...]:
    """Return the scales of a recipe that need not match the published code; raise BadRecipe if they do not fit.

    Scales must begin near 1 and end near the size's scale. If the recipe has none, they are the model's default
    scales below the size's scale, and that scale itself.
    """
    ratio = sqrt(width * height) / facts.native_side
    fit = (*(s for s in facts.defaults.scales if s < ratio / SIZE_TOLERANCE), round(ratio, 4))
    if not recipe.scales:
        return fit
    first, last = recipe.scales[0], recipe.scales[-1]
    if max(last / ratio, ratio / last) > SIZE_TOLERANCE + 1e-9:
        words = ", ".join(f"{s:g}" for s in fit)
        sentence = errors.SCALES_WRONG_END.format(
            width=width, height=height, ratio=ratio, last=last, fit=words
        )
        raise BadRecipe("scales", sentence, {"scales": fit})
    base = first * ratio / last
    if not MIN_SCALE <= base <= SIZE_TOLERANCE + 1e-9:
        raise BadRecipe(
            "scales", errors.SCALES_WRONG_START.format(low=MIN_SCALE, high=SIZE_TOLERANCE, first=base)
        )
    return recipe.scales


def _demofusion_scales(recipe: Recipe, width: int, height: int, facts: Facts) -> tuple[float, ...]:
    """Return 1, 2, ..., S, the scales that DemoFusion's published code uses for a size in px.

    Raise BadRecipe if the published code cannot make this size, or if the recipe has other scales.
    """
    native, longer = facts.native_side, max(width, height)
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
        if not _demofusion_code_runs(min(_demofusion_cells(s, width, height, facts)), recipe, facts):
            sentence = errors.FAITHFUL_SHORT.format(width=width, height=height)
            raise BadRecipe("width", sentence, {"faithful": False})
    return scales


def _demofusion_code_runs(short: int, recipe: Recipe, facts: Facts) -> bool:
    """Return whether DemoFusion's published code can make a stage above the base.

    short: the stage's shorter side in latent cells. If this side is shorter than a window, random shifts move
    windows beyond the padded canvas. Windows then have unequal sizes, which cannot form a batch, or no window covers
    some cells, which become 0/0. The code still works without jitter, and if the side and the padding at one end
    add up to one window.
    """
    reach = jitter_reach(facts.window, resolve_stride(recipe, facts)) if recipe.jitter else 0
    return short >= facts.window or reach == 0 or short + reach == facts.window


def _demofusion_cells(s: int, width: int, height: int, facts: Facts) -> Size:
    """Return the (rows, columns) in latent cells of stage `s` (scale s), as DemoFusion's published code rounds them.

    width, height: the final picture's size in px. Sizes are always rounded down: with 7 or more stages, rounding of
    the aspect ratio can make even the last stage one cell shorter than the picture.
    """
    largest = max(width, height) // facts.native_side
    if s == 1:
        return height // largest // facts.cell, width // largest // facts.cell
    # The order of operations is that of the published code: rounding can put a product just below a whole number.
    height_scale, width_scale = height / facts.native_side, width / facts.native_side
    aspect = min(height_scale, width_scale) / max(height_scale, width_scale)
    long, short = facts.native_side * s, int(facts.native_side * s * aspect)
    if height > width:
        return long // facts.cell, short // facts.cell
    return short // facts.cell, long // facts.cell
