"""Shape and scale stages of the page, and the width, height and scales of a recipe that they stand for."""

from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

from engine import errors
from engine.catalogue.entries import Facts
from engine.errors import BadRecipe, short_repr
from engine.recipe.checks import check_value
from engine.recipe.effects import is_faithful
from engine.recipe.recipe import LARGEST_SIDE, Recipe

SHAPES = {
    "1:1": 1.0, "4:3": 4 / 3, "3:4": 3 / 4, "3:2": 3 / 2, "2:3": 2 / 3, "16:9": 16 / 9, "9:16": 9 / 16,
    "2:1": 2.0, "1:2": 0.5,
}  # fmt: skip
"""Width over height."""
SQUARE = "1:1"
AS_INPUT_IMAGE = "picture"
"""The shape of the start picture, or of the one to follow, where there is one."""
MOST_STAGES = 4
BASE_MULTIPLE = 2
"""Cells of a base come in pairs, so that a network halves them without a rest."""


@dataclass(frozen=True)
class SizeSettings:
    """What the page says of sizes. scales and width, height are one's own and go before the others; empty
    where there are none."""

    stages: int = 3
    by_one: bool = False
    scales: str = ""
    shape: str = SQUARE
    width: int | None = None
    height: int | None = None


def has_input_image(recipe: Recipe) -> bool:
    """Whether a picture gives its shape to what has none."""
    return recipe.image is not None or bool(recipe.controls)


def doubling_scales(stages: int) -> tuple[float, ...]:
    return tuple(float(2**n) for n in range(stages))


def scales_by_one(stages: int) -> tuple[float, ...]:
    return tuple(float(n) for n in range(1, stages + 1))


def size_for_shape(shape: str, last: float, facts: Facts) -> tuple[int, int]:
    """(width, height) px of a shape at this scale; a base of it has about the native area."""
    aspect = sqrt(SHAPES[shape])
    width, height = (BASE_MULTIPLE * max(1, round(facts.window * side / BASE_MULTIPLE)) for side in (aspect, 1 / aspect))
    return round(width * last) * facts.cell, round(height * last) * facts.cell


def parse_scales(text: str) -> tuple[float, ...]:
    """ "1, 2, 3.5" as numbers, or BadRecipe."""
    try:
        scales = tuple(float(part) for part in text.replace(";", ",").split(",") if part.strip())
    except ValueError:
        raise BadRecipe("scales", errors.SCALES_NOT_RISING.format(scales=short_repr(text))) from None
    if not all(0 < scale <= LARGEST_SIDE for scale in scales):
        raise BadRecipe("scales", errors.SCALES_NOT_RISING.format(scales=short_repr(text)))
    return check_value("scales", scales)


def apply_size_settings(recipe: Recipe, growth: SizeSettings, facts: Facts) -> Recipe:
    """The recipe with the sizes that the page asks for, or BadRecipe."""
    sized = growth.width is not None or growth.height is not None
    scales = parse_scales(growth.scales)
    if not scales and not sized:
        scales = (scales_by_one if growth.by_one else doubling_scales)(int(growth.stages))
    if sized:
        return replace(recipe, width=growth.width, height=growth.height, scales=scales)
    if growth.shape == AS_INPUT_IMAGE or (growth.shape == SQUARE and not has_input_image(recipe)):
        return replace(recipe, width=None, height=None, scales=scales)
    if growth.shape not in SHAPES:
        known = ", ".join(SHAPES)
        raise BadRecipe(
            "shape", errors.UNKNOWN_CHOICE.format(field="shape", value=short_repr(growth.shape), known=known)
        )
    width, height = size_for_shape(growth.shape, scales[-1], facts)
    return replace(recipe, width=width, height=height, scales=scales)


def scales_beyond(scales: tuple[float, ...], pixels: int, facts: Facts) -> tuple[float, ...]:
    """The scales, or as many doubling ones as lead to a picture of more px."""
    longer = (doubling_scales(stages) for stages in range(1, MOST_STAGES + 1))
    enough = (each for each in (scales, *longer) if each and (each[-1] * facts.native) ** 2 > pixels)
    return next(enough, doubling_scales(MOST_STAGES))


def size_settings_for(recipe: Recipe, facts: Facts) -> SizeSettings:
    """What the page shows for a recipe's sizes; `grown` leads back to the same stages."""
    if recipe.width is None and recipe.height is None:
        free = _by_scales(recipe.scales or _meant(recipe, facts))
        return replace(free, shape=AS_INPUT_IMAGE) if has_input_image(recipe) else free
    sized = _by_scales(recipe.scales)
    if not sized.scales and recipe.scales:
        for shape in SHAPES:
            if size_for_shape(shape, recipe.scales[-1], facts) == (recipe.width, recipe.height):
                return replace(sized, shape=shape)
    listed = sized.scales or format_scales(recipe.scales)
    return replace(sized, scales=listed, width=recipe.width, height=recipe.height)


def _meant(recipe: Recipe, facts: Facts) -> tuple[float, ...]:
    """The scales of a recipe that names none: as published they rise by one."""
    scales = facts.defaults.scales
    return scales_by_one(int(scales[-1])) if is_faithful(recipe) else scales


def _by_scales(scales: tuple[float, ...]) -> SizeSettings:
    for by_one, series in ((False, doubling_scales), (True, scales_by_one)):
        if scales and len(scales) <= MOST_STAGES and scales == series(len(scales)):
            return SizeSettings(stages=len(scales), by_one=by_one)
    return SizeSettings(scales=format_scales(scales))


def format_scales(scales: tuple[float, ...]) -> str:
    return ", ".join(_plain(scale) for scale in scales)


def _plain(number: Any) -> str:
    return str(int(number)) if number == int(number) else repr(float(number))
