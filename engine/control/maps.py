"""Control maps that need no detector network, and the part of a map that one view sees (numpy, OpenCV).

Pictures and maps are arrays of 8-bit RGB (rows, cols, 3). The map of a stage is made from the picture at the
size of that stage; a smaller map is never enlarged.
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
from engine.recipe.controls import MAP_KINDS, Control

Array = np.ndarray
# (kind, picture) -> map of the same size, for the kinds that need a detector network.
DetectFunction = Callable[[str, Array], Array]

# A step of so many levels (of 255) is a soft edge or a line of full strength.
FULL_STRENGTH_LEVELS = 64.0
# Side of the coarse noise by which a shuffled picture is distorted.
SHUFFLE_NOISE_SIDE = 6


class StageMaps:
    """The map of one control at one stage, and the part of it that each view sees."""

    def __init__(self, control: Control, image: Image.Image, stage: Stage, detect: DetectFunction) -> None:
        """Make the map at the stage's size.

        image: the control's image, which is the map itself if `control.given` is set.
        detect: makes the maps of those kinds that need a detector network.
        """
        self.control = control
        self.cell = stage.facts.cell
        self.seed = stage.recipe.seed
        area = stage.size[0] * stage.size[1]
        base_area = stage.base_size[0] * stage.base_size[1]
        image_area = images.count_crop_pixels((image.height, image.width), stage.size)
        # How many times larger the stage's sides are than the base stage's, and than the image's.
        self.stage_scale = sqrt(area / base_area)
        self.upscaling = max(1.0, sqrt(area / image_area))
        if control.given:
            self.full_map = resize_map(np.asarray(image), stage.size, control.lines)
            self.pixels = self.full_map
        else:
            self.pixels = _resize_picture(image, stage.size, self.upscaling)
            self.full_map = self._make_map(detect)
        self.view_map = lru_cache(maxsize=max(16, stage.dilation**2))(self._crop)

    def _make_map(self, detect: DetectFunction) -> Array:
        if MAP_KINDS[self.control.kind].source:
            return detect(self.control.kind, self.pixels)
        return draw_map(self.control, self.pixels, self.stage_scale, self.upscaling, self.seed)

    def _crop(self, place: Place, cells: tuple[int, int]) -> Array:
        """Return what a view at this place, of so many latent cells, sees of the map."""
        return crop_map(self.control, self.pixels, self.full_map, place, cells, self.cell, self.upscaling)


def draw_map(
    control: Control, pixels: Array, stage_scale: float = 1.0, upscaling: float = 1.0, seed: int = 0
) -> Array:
    """Draw the map of a picture, for the kinds that need no detector network.

    stage_scale: how many times larger the picture is than the base stage; blurs are as much wider.
    upscaling: how many times the picture was enlarged, at least 1; its edges are as much fainter per px.
    seed: determines a shuffled picture.
    """
    match control.kind:
        case "canny":
            edges = cv2.Canny(pixels, control.low / upscaling, control.high / upscaling)
            return _repeat_channel(edges)
        case "soft":
            return _repeat_channel(_soft_edges(pixels, control.blur * stage_scale))
        case "lineart":
            return _repeat_channel(_dark_lines(pixels, 3 * control.blur))
        case "grey":
            return _repeat_channel(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
        case "tile":
            return _blur(pixels, control.blur * stage_scale)
        case "shuffle":
            return _shuffle(pixels, seed)
    raise ValueError(f"maps of {control.kind} are not made here")


def crop_map(
    control: Control,
    pixels: Array,
    full_map: Array,
    place: Place,
    cells: tuple[int, int],
    cell: int,
    upscaling: float = 1.0,
) -> Array:
    """Return the part of a map that a view sees, with as many px as the view has.

    pixels, full_map: the picture and its map at the stage's size.
    place, cells: where the view lies, and its size in latent cells.
    cell: px per latent cell.
    upscaling: see `draw_map`.

    A dilated view sees the map reduced. Thin lines would fade by averaging, so they are drawn anew from the
    reduced picture, or, if the map does not come from `draw_map`, the strongest px is taken.
    """
    if place.step == 1:
        return _cut(full_map, place, cells, cell)
    can_be_redrawn = not control.given and not MAP_KINDS[control.kind].source
    if control.lines and can_be_redrawn:
        reduced = _reduce_by_mean(_cut(pixels, place, cells, cell), place.step)
        return draw_map(control, reduced, upscaling=max(1.0, upscaling / place.step))
    reduce = _reduce_by_maximum if control.lines else _reduce_by_mean
    return reduce(_cut(full_map, place, cells, cell), place.step)


def _resize_picture(image: Image.Image, size: tuple[int, int], upscaling: float) -> Array:
    """Return the image at a stage's size, by filters that cause no ringing, which would look like edges."""
    if upscaling <= 1:
        return np.asarray(images.crop_to_fill(image, size, Image.Resampling.HAMMING))
    enlarged = np.asarray(images.crop_to_fill(image, size, Image.Resampling.BILINEAR))
    return _blur(enlarged, upscaling / 2)


def resize_map(full_map: Array, size: tuple[int, int], lines: bool) -> Array:
    """Reduce a map to this size, which has the same shape and is not larger.

    lines: whether the map shows thin lines, of which the strongest px is taken rather than the mean.
    """
    if full_map.shape[:2] == size:
        return full_map
    if not lines:
        return cv2.resize(full_map, size[::-1], interpolation=cv2.INTER_AREA)
    for axis, length in enumerate(size):
        starts = np.arange(length) * full_map.shape[axis] // length
        full_map = np.maximum.reduceat(full_map, starts, axis=axis)
    return full_map


def _cut(pixels: Array, place: Place, cells: tuple[int, int], cell: int) -> Array:
    """Cut out all px that a view stands for; outside of the picture its edge is repeated.

    Cell k of a view is the canvas's row (or column) `place.row + step k`. Each of its px stands for step px,
    and the cell so widened is centred on the real one: it begins (cell / 2)(step - 1) px before that.
    """
    before = cell * (place.step - 1) // 2
    rows = _clipped_range(cell * place.row - before, place.step * cell * cells[0], pixels.shape[0])
    cols = _clipped_range(cell * place.col - before, place.step * cell * cells[1], pixels.shape[1])
    is_inside = rows[-1] - rows[0] == len(rows) - 1 and cols[-1] - cols[0] == len(cols) - 1
    if is_inside:  # Then no copy is needed.
        return pixels[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    return pixels[rows[:, None], cols[None, :]]


def _clipped_range(start: int, count: int, length: int) -> Array:
    """Return the indices start to start + count - 1, clipped to those of an axis of this length."""
    return np.clip(np.arange(start, start + count), 0, length - 1)


def _reduce_by_mean(pixels: Array, step: int) -> Array:
    """Reduce both sides by the factor `step`, each px being the mean of step x step."""
    size = (pixels.shape[1] // step, pixels.shape[0] // step)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _reduce_by_maximum(pixels: Array, step: int) -> Array:
    """Reduce both sides by the factor `step`, each px being the maximum of step x step."""
    rows, cols = pixels.shape[0] // step, pixels.shape[1] // step
    return pixels.reshape(rows, step, cols, step, 3).max((1, 3))


def _repeat_channel(levels: Array) -> Array:
    """Return one level per px (rows, cols) as a grey picture (rows, cols, 3)."""
    return np.repeat(levels[..., None], 3, axis=-1)


def _blur(pixels: Array, deviation: float) -> Array:
    """Blur by a Gaussian of this deviation in px."""
    return cv2.GaussianBlur(pixels, (0, 0), deviation, borderType=cv2.BORDER_REFLECT)


def _to_bytes(levels: Array) -> Array:
    """Round levels and clip them to 0 to 255."""
    return np.clip(levels + 0.5, 0, 255).astype(np.uint8)


def _soft_edges(pixels: Array, deviation: float) -> Array:
    """Return the height of the steps in a picture that is blurred by this deviation (px).

    A step of h levels has the slope h / (deviation sqrt(2 pi)) after the blur.
    """
    smooth = _blur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32), deviation)
    slope_x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    slope_y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    height = np.hypot(slope_x, slope_y) * deviation * np.sqrt(2 * np.pi)
    return _to_bytes(255 * height / FULL_STRENGTH_LEVELS)


def _dark_lines(pixels: Array, deviation: float) -> Array:
    """Return how much darker each px is than its surroundings, in the channel where that is least.

    deviation: px of the Gaussian blur that gives the surroundings.
    """
    levels = pixels.astype(np.float32)
    darkness = (_blur(levels, deviation) - levels).min(-1)
    return _to_bytes(255 * darkness / FULL_STRENGTH_LEVELS)


def _shuffle(pixels: Array, seed: int) -> Array:
    """Distort a picture by smooth random coordinates, so that only its colours and textures are left."""
    height, width = pixels.shape[:2]
    noise = keyed_normal((2, SHUFFLE_NOISE_SIDE, SHUFFLE_NOISE_SIDE), seed, "shuffle")
    coordinates = []
    for field, length in zip(noise, (height, width), strict=True):
        field = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
        unit = (field - field.min()) / (field.max() - field.min())
        coordinates.append((unit * (length - 1)).astype(np.float32))
    rows, cols = coordinates
    return cv2.remap(pixels, cols, rows, cv2.INTER_LINEAR)
