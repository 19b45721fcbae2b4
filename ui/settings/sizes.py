"""The page's size settings (stages, shape, ...), converted to a recipe's width, height and scales, and back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

from engine import errors
from engine.catalogue.entries import Facts
from engine.errors import BadRecipe, short_repr
from engine.recipe.checks import check_value
from engine.recipe.effects import is_faithful
from engine.recipe.recipe import MAX_SIDE, Recipe

# Width over height of each shape.
SHAPES = {
    "1:1": 1.0,
    "4:3": 4 / 3,
    "3:4": 3 / 4,
    "3:2": 3 / 2,
    "2:3": 2 / 3,
    "16:9": 16 / 9,
    "9:16": 9 / 16,
    "2:1": 2.0,
    "1:2": 0.5,
}
SQUARE = "1:1"
# The shape's value for "the shape of the start image, or of the control image if there is no start image".
AS_INPUT_IMAGE = "picture"
# The page offers at most this many stages.
MAX_STAGES = 4
# Sides of the first stage are multiples of this many latent cells, so that the network can halve them evenly.
BASE_MULTIPLE = 2


@dataclass(frozen=True)
class SizeSettings:
    """The size settings of the page.

    Explicit scales override `stages` and `by_one`. An explicit width or height overrides those and `shape`.
    """

    # Number of stages.
    stages: int = 3
    # Whether the scales of the stages are 1, 2, 3, ... instead of 1, 2, 4, ...
    by_one: bool = False
    # Explicit scales as text, like "1, 1.5, 3"; empty to use `stages` and `by_one`.
    scales: str = ""
    # A key of SHAPES, or AS_INPUT_IMAGE; empty beside an explicit size.
    shape: str = SQUARE
    # Explicit width of the last stage, px; None to use `shape`.
    width: int | None = None
    # Explicit height of the last stage, px; None to use `shape`.
    height: int | None = None


def has_input_image(recipe: Recipe) -> bool:
    """Return whether the recipe has a start image or a control image."""
    return recipe.image is not None or bool(recipe.controls)


def doubling_scales(stages: int) -> tuple[float, ...]:
    """Return the scales 1, 2, 4, ... for a number of stages."""
    return tuple(float(2**n) for n in range(stages))


def scales_by_one(stages: int) -> tuple[float, ...]:
    """Return the scales 1, 2, 3, ... for a number of stages."""
    return tuple(float(n) for n in range(1, stages + 1))


def size_for_shape(shape: str, scale: float, facts: Facts) -> tuple[int, int]:
    """Return (width, height) in px of a stage of this shape and scale.

    At scale 1 the area is about that of the model's native square.
    """
    stretch = sqrt(SHAPES[shape])
    base_width, base_height = _base_side(stretch, facts), _base_side(1 / stretch, facts)
    return round(base_width * scale) * facts.cell, round(base_height * scale) * facts.cell


def _base_side(stretch: float, facts: Facts) -> int:
    """Return a side of the first stage in latent cells.

    It is the model's native side times `stretch`, rounded to a multiple of BASE_MULTIPLE.
    """
    return BASE_MULTIPLE * max(1, round(facts.window * stretch / BASE_MULTIPLE))


def overridden_widgets(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return new values of the widgets that would override a size setting that a person has just changed, by name.

    Explicit scales or an explicit size would leave a chosen number of stages, or a chosen shape, without effect.

    before, now: values by widget.
    """

    def is_changed(*names: str) -> bool:
        # A widget may be empty in several ways.
        return any(name in before and (before[name] or None) != (now.get(name) or None) for name in names)

    if is_changed("scales", "width", "height"):
        return {}
    cleared = {}
    if is_changed("stages", "by_one"):
        cleared = {"scales": "", "width": None, "height": None}
    elif is_changed("shape"):
        cleared = {"width": None, "height": None}
    return {name: value for name, value in cleared.items() if now.get(name) not in (None, "", 0)}


def parse_numbers(text: str) -> tuple[float, ...]:
    """Return the numbers in a text like "1, 2, 3.5"; raise ValueError if it holds anything else."""
    return tuple(float(part) for part in text.replace(";", ",").split(",") if part.strip())


def parse_scales(text: str) -> tuple[float, ...]:
    """Return the scales in a text like "1, 2, 3.5"; raise BadRecipe if they are not rising numbers."""
    try:
        scales = parse_numbers(text)
    except ValueError:
        raise BadRecipe("scales", errors.SCALES_NOT_RISING.format(scales=short_repr(text))) from None
    if not all(0 < scale <= MAX_SIDE for scale in scales):
        raise BadRecipe("scales", errors.SCALES_NOT_RISING.format(scales=short_repr(text)))
    return check_value("scales", scales)


def apply_size_settings(recipe: Recipe, settings: SizeSettings, facts: Facts) -> Recipe:
    """Return the recipe with width, height and scales from the page's size settings.

    Raises BadRecipe if a size setting has an unusable value.
    """
    has_own_size = settings.width is not None or settings.height is not None
    scales = parse_scales(settings.scales)
    if has_own_size:
        # If no scales are set, the engine chooses scales that suit the size.
        return replace(recipe, width=settings.width, height=settings.height, scales=scales)
    if not scales:
        series = scales_by_one if settings.by_one else doubling_scales
        scales = series(int(settings.stages))
    shape = settings.shape or SQUARE
    is_native_square = shape == SQUARE and not has_input_image(recipe)
    if shape == AS_INPUT_IMAGE or is_native_square:
        # For a recipe without a size, the engine takes the shape of the input image, else a square.
        return replace(recipe, width=None, height=None, scales=scales)
    if shape not in SHAPES:
        known = ", ".join(SHAPES)
        raise BadRecipe(
            "shape",
            errors.UNKNOWN_CHOICE.format(field="shape", value=short_repr(shape), known=known),
        )
    width, height = size_for_shape(shape, scales[-1], facts)
    return replace(recipe, width=width, height=height, scales=scales)


def scales_larger_than(scales: tuple[float, ...], pixels: int, facts: Facts) -> tuple[float, ...]:
    """Return scales whose last stage has more than `pixels` pixels.

    Returns `scales` if they suffice, else the shortest series 1, 2, 4, ... that suffices, else the longest series
    that the page offers.
    """
    doubling = [doubling_scales(stages) for stages in range(1, MAX_STAGES + 1)]
    for candidate in (scales, *doubling):
        if candidate and (candidate[-1] * facts.native_side) ** 2 > pixels:
            return candidate
    return doubling[-1]


def size_settings_for(recipe: Recipe, facts: Facts) -> SizeSettings:
    """Return the page's size settings for a recipe, the inverse of apply_size_settings."""
    if recipe.width is None and recipe.height is None:
        settings = _settings_for_scales(recipe.scales or _default_scales(recipe, facts))
        return replace(settings, shape=AS_INPUT_IMAGE) if has_input_image(recipe) else settings
    settings = _settings_for_scales(recipe.scales)
    if not settings.scales and recipe.scales:
        for shape in SHAPES:
            if size_for_shape(shape, recipe.scales[-1], facts) == (recipe.width, recipe.height):
                return replace(settings, shape=shape)
    # With an explicit size, apply_size_settings ignores `stages` and `by_one`, so the scales are listed.
    listed_scales = settings.scales or format_numbers(recipe.scales)
    return replace(settings, scales=listed_scales, shape="", width=recipe.width, height=recipe.height)


def _default_scales(recipe: Recipe, facts: Facts) -> tuple[float, ...]:
    """Return the scales that the engine uses for a recipe without scales.

    They are the model's default scales, or 1, 2, 3, ... if the recipe follows DemoFusion's published code exactly.
    """
    scales = facts.defaults.scales
    return scales_by_one(int(scales[-1])) if is_faithful(recipe) else scales


def _settings_for_scales(scales: tuple[float, ...]) -> SizeSettings:
    """Return size settings with these scales: as a number of stages if possible, else as an explicit list."""
    if scales and len(scales) <= MAX_STAGES:
        if scales == doubling_scales(len(scales)):
            return SizeSettings(stages=len(scales))
        if scales == scales_by_one(len(scales)):
            return SizeSettings(stages=len(scales), by_one=True)
    return SizeSettings(stages=max(1, min(len(scales), MAX_STAGES)), scales=format_numbers(scales))


def format_numbers(numbers: tuple[float, ...]) -> str:
    """Return numbers as text: "1, 1.5, 3"."""
    return ", ".join(_format_number(number) for number in numbers)


def _format_number(number: float) -> str:
    """Return a number as text; a whole number has no decimals."""
    return str(int(number)) if number == int(number) else repr(float(number))
