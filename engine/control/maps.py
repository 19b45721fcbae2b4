"""Control maps of a picture, those that need no weights, and what one view sees of a map (numpy, OpenCV).

Pictures and maps are bytes (rows, cols, 3). A map is made at the size of the stage that it guides, from the
picture at that size; a smaller map is never enlarged.
"""

from collections.abc import Callable
from functools import lru_cache
from math import sqrt

import cv2
import numpy as np
from PIL import Image

from engine.formulas.noise import keyed_normal
from engine.planning.stage import Stage
from engine.planning.views import Place
from engine.recipe import images
from engine.recipe.controls import KINDS, Control

Array = np.ndarray
DetectFunction = Callable[[str, Array], Array]
"""(kind, picture) -> map of the same size, of the kinds that are made elsewhere."""

FULL_EDGE = 64.0
"""Levels of a step that a soft edge shows at full strength."""
SWIRLS = 6
"""A shuffled picture is carried about by noise of so many waves a side."""


class StageMaps:
    """One control's maps at one stage."""

    def __init__(self, control: Control, given: Image.Image, stage: Stage, detect: DetectFunction) -> None:
        self.control, self.cell = control, stage.facts.cell
        whole = (given.height, given.width)
        self.how = {
            "grown": sqrt(stage.size[0] * stage.size[1] / (stage.base_size[0] * stage.base_size[1])),
            "enlarged": max(1.0, sqrt(stage.size[0] * stage.size[1] / images.pixels(whole, stage.size))),
            "seed": stage.recipe.seed,
        }
        if control.given:
            self.pixels = self.drawn = resize_map(np.asarray(given), stage.size, control.lines)
        else:
            self.pixels = _filling(given, stage.size, self.how["enlarged"])
            self.drawn = self._draw(detect)
        self.seen = lru_cache(maxsize=max(16, stage.dilation**2))(self._seen)

    def _draw(self, detect: DetectFunction) -> Array:
        if KINDS[self.control.kind].source:
            return detect(self.control.kind, self.pixels)
        return draw_map(self.control, self.pixels, **self.how)

    def _seen(self, place: Place, cells: tuple[int, int]) -> Array:
        return crop_map(self.control, self.pixels, self.drawn, place, cells, self.cell, **self.how)


def draw_map(control: Control, pixels: Array, grown: float = 1.0, enlarged: float = 1.0, seed: int = 0) -> Array:
    """The map of a picture.

    grown: times the first size that this one has; blurs grow along.
    enlarged: times the picture's own size, at least 1: its edges are as much fainter per px.
    """
    match control.kind:
        case "canny":
            edges = cv2.Canny(pixels, control.low / enlarged, control.high / enlarged)
            return _grey(edges)
        case "soft":
            return _grey(_soft(pixels, control.blur * grown))
        case "lineart":
            return _grey(_darker(pixels, 3 * control.blur))
        case "grey":
            return _grey(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
        case "tile":
            return _blurred(pixels, control.blur * grown)
        case "shuffle":
            return _shuffled(pixels, seed)
    raise ValueError(f"maps of {control.kind} are not made here")


def crop_map(
    control: Control,
    pixels: Array,
    drawn: Array | None,
    place: Place,
    cells: tuple[int, int],
    cell: int,
    **more: float,
) -> Array:
    """What a view of so many cells sees, one px of it for each of its own px.

    drawn: the map of the whole picture; a wide view of lines has its own drawn of the shrunken picture, lest
    they lose their strength, or takes the strongest px of a map that was given. more: see `draw`.
    """
    if place.step == 1:
        return _block(drawn, place, cells, cell)
    if control.given and control.lines:
        return _strongest(_block(drawn, place, cells, cell), place.step)
    if control.lines and not KINDS[control.kind].source:
        shrunk = _mean(_block(pixels, place, cells, cell), place.step)
        closer = {"grown": 1.0, "enlarged": max(1.0, more.get("enlarged", 1.0) / place.step)}
        return draw_map(control, shrunk, **more | closer)
    return (_strongest if control.lines else _mean)(_block(drawn, place, cells, cell), place.step)


def _filling(given: Image.Image, size: tuple[int, int], enlarged: float) -> Array:
    """The picture at a stage's size, by filters that draw no rings: those would be edges of their own."""
    if enlarged <= 1:
        return np.asarray(images.filling(given, size, Image.Resampling.HAMMING))
    smooth = np.asarray(images.filling(given, size, Image.Resampling.BILINEAR))
    return _blurred(smooth, enlarged / 2)


def resize_map(drawn: Array, size: tuple[int, int], lines: bool) -> Array:
    """A map that was given, at least as large and of the same shape, at this size: each px the mean of those
    that it stands for, of lines the strongest.
    """
    if drawn.shape[:2] == size:
        return drawn
    if not lines:
        return cv2.resize(drawn, size[::-1], interpolation=cv2.INTER_AREA)
    for axis, length in enumerate(size):
        starts = np.arange(length) * drawn.shape[axis] // length
        drawn = np.maximum.reduceat(drawn, starts, axis=axis)
    return drawn


def _block(pixels: Array, place: Place, cells: tuple[int, int], cell: int) -> Array:
    """All px that a view stands for; outside the picture its edge repeats.

    A cell k of a view is the canvas's row + step k. Its px stand for step px each, so that the widened cell
    is centred on its real one: they begin (cell / 2)(step - 1) before it.
    """
    ahead = cell * (place.step - 1) // 2
    rows, cols = (
        np.clip(np.arange(first, first + place.step * cell * count), 0, length - 1)
        for first, count, length in zip(
            (cell * place.row - ahead, cell * place.col - ahead), cells, pixels.shape[:2], strict=True
        )
    )
    if rows[-1] - rows[0] == len(rows) - 1 and cols[-1] - cols[0] == len(cols) - 1:
        return pixels[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    return pixels[rows[:, None], cols[None, :]]


def _mean(block: Array, step: int) -> Array:
    size = (block.shape[1] // step, block.shape[0] // step)
    return cv2.resize(block, size, interpolation=cv2.INTER_AREA)


def _strongest(block: Array, step: int) -> Array:
    rows, cols = block.shape[0] // step, block.shape[1] // step
    return block.reshape(rows, step, cols, step, 3).max((1, 3))


def _grey(levels: Array) -> Array:
    """One level a px as three equal ones."""
    return np.repeat(levels[..., None], 3, axis=-1)


def _blurred(pixels: Array, deviation: float) -> Array:
    return cv2.GaussianBlur(pixels, (0, 0), deviation, borderType=cv2.BORDER_REFLECT)


def _bytes(levels: Array) -> Array:
    return np.clip(levels + 0.5, 0, 255).astype(np.uint8)


def _soft(pixels: Array, deviation: float) -> Array:
    """Slopes of the blurred picture. A step of h levels has the slope h / (deviation sqrt(2 pi)) there."""
    smooth = _blurred(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32), deviation)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, 1 - k, k, ksize=3, scale=1 / 8) for k in (0, 1))
    height = np.hypot(across, down) * deviation * np.sqrt(2 * np.pi)
    return _bytes(255 * height / FULL_EDGE)


def _darker(pixels: Array, deviation: float) -> Array:
    """How much darker a px is than what is around it, in the channel where it is least so."""
    levels = pixels.astype(np.float32)
    below = (_blurred(levels, deviation) - levels).min(-1)
    return _bytes(255 * below / FULL_EDGE)


def _shuffled(pixels: Array, seed: int) -> Array:
    """Every px from elsewhere, neighbours from near each other: what is left is its colours and textures."""
    height, width = pixels.shape[:2]
    waves = keyed_normal((2, SWIRLS, SWIRLS), seed, "shuffle")
    fields = [cv2.resize(wave, (width, height), interpolation=cv2.INTER_CUBIC) for wave in waves]
    rows, cols = (
        (field - field.min()) / (field.max() - field.min()) * (length - 1)
        for field, length in zip(fields, (height, width), strict=True)
    )
    return cv2.remap(pixels, cols.astype(np.float32), rows.astype(np.float32), cv2.INTER_LINEAR)
