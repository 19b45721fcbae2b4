"""Make control maps that need no detector network, and cut out the part of a control map for one view.

Pictures and maps are arrays of 8-bit RGB (rows, cols, 3). The map of a stage is made from the picture at the size of
that stage; a smaller map is never enlarged.
"""

from collections.abc import Callable
from functools import lru_cache
from math import sqrt

import cv2
import numpy as np
from PIL import Image

from engine.formulas.noise import keyed_normal
from engine.planning.stage import Stage
from engine.planning.views import ViewPosition
from engine.recipe import images
from engine.recipe.controls import MAP_KINDS, Control

Array = np.ndarray
# Takes a kind of control map and a picture, and returns the map with the picture's size. For kinds that need a
# detector network.
DetectFunction = Callable[[str, Array], Array]

# A difference in brightness of this many grey levels (of 255) gives a soft edge or a line of full strength.
FULL_STRENGTH_CONTRAST = 64.0
# The side of the coarse random field by which a shuffled picture is distorted.
SHUFFLE_NOISE_SIDE = 6


class StageMaps:
    """The map of one control at one stage, and the parts of the map for views."""

    def __init__(
        self, control: Control, image: Image.Image, stage: Stage, detect: DetectFunction | None
    ) -> None:
        """Make the map at the stage's size.

        image: the control's image; it is itself the map if `control.given` is set.
        detect: makes the map if its kind needs a detector network; None if no kind does.
        """
        self.control = control
        self.cell = stage.facts.cell
        self.seed = stage.recipe.seed
        area = stage.size[0] * stage.size[1]
        base_area = stage.base_size[0] * stage.base_size[1]
        image_area = images.count_crop_pixels((image.height, image.width), stage.size)
        # The stage's side over the first stage's side.
        self.stage_scale = sqrt(area / base_area)
        # The factor by which the image is enlarged; 1 if it is not.
        self.upscaling = max(1.0, sqrt(area / image_area))
        # pixels: the picture at the stage's size. full_map: its control map.
        if control.given:
            self.full_map = resize_map(np.asarray(image), stage.size, control.has_thin_lines)
            self.pixels = self.full_map
        else:
            self.pixels = _resize_picture(image, stage.size, self.upscaling)
            self.full_map = self._make_map(detect)
        # Returns the part of the map for a view, see _crop. Cached, because a view has the same part at every step.
        self.view_map = lru_cache(maxsize=max(16, stage.dilation**2))(self._crop)

    def _make_map(self, detect: DetectFunction | None) -> Array:
        """Return the map of the picture at the stage's size."""
        if MAP_KINDS[self.control.kind].detector_package:
            if detect is None:
                raise ValueError(f"a map of the kind {self.control.kind} needs a detector")
            return detect(self.control.kind, self.pixels)
        return draw_map(self.control, self.pixels, self.stage_scale, self.upscaling, self.seed)

    def _crop(self, position: ViewPosition, cells: tuple[int, int]) -> Array:
        """Return the part of the map for a view. cells: (height, width) of the view in latent cells."""
        return crop_map(self.control, self.pixels, self.full_map, position, cells, self.cell, self.upscaling)


def draw_map(
    control: Control, pixels: Array, stage_scale: float = 1.0, upscaling: float = 1.0, seed: int = 0
) -> Array:
    """Return the control map of a picture, for the kinds that need no detector network.

    stage_scale: the picture's side over the first stage's side; blurs are widened by this factor.
    upscaling: the factor (at least 1) by which the picture was enlarged; edges are weaker per px by this factor.
    seed: the seed of a shuffled picture.
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
    position: ViewPosition,
    cells: tuple[int, int],
    cell: int,
    upscaling: float = 1.0,
) -> Array:
    """Return the part of a control map for a view, with the size of the view in px.

    For a dilated view the map is reduced. Averaging would weaken thin lines, so a map of thin lines is drawn again from
    the reduced picture. If the map does not come from `draw_map`, the strongest px is taken instead of the average.

    pixels, full_map: the picture and its map at the stage's size.
    position: the position of the view.
    cells: (height, width) of the view in latent cells.
    cell: the side of a latent cell in px.
    upscaling: see `draw_map`.
    """
    if position.spacing == 1:
        return _cut(full_map, position, cells, cell)
    can_be_redrawn = not control.given and not MAP_KINDS[control.kind].detector_package
    if control.has_thin_lines and can_be_redrawn:
        reduced = _reduce_by_mean(_cut(pixels, position, cells, cell), position.spacing)
        return draw_map(control, reduced, upscaling=max(1.0, upscaling / position.spacing))
    reduce = _reduce_by_maximum if control.has_thin_lines else _reduce_by_mean
    return reduce(_cut(full_map, position, cells, cell), position.spacing)


def _resize_picture(image: Image.Image, size: tuple[int, int], upscaling: float) -> Array:
    """Return the image at a stage's size, by filters without ringing, which would look like edges.

    size: (height, width) in px.
    upscaling: the factor by which the image is enlarged; 1 if it is not.
    """
    if upscaling <= 1:
        return np.asarray(images.crop_to_fill(image, size, Image.Resampling.HAMMING))
    enlarged = np.asarray(images.crop_to_fill(image, size, Image.Resampling.BILINEAR))
    return _blur(enlarged, upscaling / 2)


def resize_map(full_map: Array, size: tuple[int, int], lines: bool) -> Array:
    """Return a control map reduced to a size of the same proportions, which must not be larger than the map.

    size: (height, width) in px.
    lines: whether the map shows thin lines. They are reduced to the strongest px, other maps to the mean.
    """
    if full_map.shape[:2] == size:
        return full_map
    if not lines:
        return cv2.resize(full_map, size[::-1], interpolation=cv2.INTER_AREA)
    for axis, length in enumerate(size):
        starts = np.arange(length) * full_map.shape[axis] // length
        full_map = np.maximum.reduceat(full_map, starts, axis=axis)
    return full_map


def _cut(pixels: Array, position: ViewPosition, cells: tuple[int, int], cell: int) -> Array:
    """Return the part of a picture from which a view is reduced; beyond its border the picture's edge is repeated.

    Row k of a view is row `position.row + spacing * k` of the canvas, and columns likewise. So each px of the view is
    reduced from spacing x spacing px of the picture. The part for one latent cell is centred on the cell, and begins
    (cell / 2)(spacing - 1) px before the cell.
    """
    before = cell * (position.spacing - 1) // 2
    rows = _clipped_range(cell * position.row - before, position.spacing * cell * cells[0], pixels.shape[0])
    cols = _clipped_range(cell * position.col - before, position.spacing * cell * cells[1], pixels.shape[1])
    is_inside = rows[-1] - rows[0] == len(rows) - 1 and cols[-1] - cols[0] == len(cols) - 1
    if is_inside:  # Then no copy is needed.
        return pixels[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    return pixels[rows[:, None], cols[None, :]]


def _clipped_range(start: int, count: int, length: int) -> Array:
    """Return the indices start to start + count - 1, clipped to 0 to length - 1."""
    return np.clip(np.arange(start, start + count), 0, length - 1)


def _reduce_by_mean(pixels: Array, factor: int) -> Array:
    """Return a picture whose px are the means of factor x factor px."""
    size = (pixels.shape[1] // factor, pixels.shape[0] // factor)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _reduce_by_maximum(pixels: Array, factor: int) -> Array:
    """Return a picture whose px are the maxima of factor x factor px."""
    rows, cols = pixels.shape[0] // factor, pixels.shape[1] // factor
    return pixels.reshape(rows, factor, cols, factor, 3).max((1, 3))


def _repeat_channel(levels: Array) -> Array:
    """Return an array of grey levels (rows, cols) as an RGB picture (rows, cols, 3)."""
    return np.repeat(levels[..., None], 3, axis=-1)


def _blur(pixels: Array, deviation: float) -> Array:
    """Return a picture blurred by a Gaussian with this standard deviation in px."""
    return cv2.GaussianBlur(pixels, (0, 0), deviation, borderType=cv2.BORDER_REFLECT)


def _to_bytes(levels: Array) -> Array:
    """Return grey levels rounded and clipped to 0 to 255."""
    return np.clip(levels + 0.5, 0, 255).astype(np.uint8)


def _soft_edges(pixels: Array, deviation: float) -> Array:
    """Return a grey map of soft edges, brighter where the brightness of the picture changes more.

    The change h is computed from the slope of the blurred picture: a sharp edge with a difference of h grey levels has
    the slope h / (deviation sqrt(2 pi)) after the blur.

    deviation: the standard deviation of the blur in px.
    """
    smooth = _blur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32), deviation)
    slope_x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    slope_y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    height = np.hypot(slope_x, slope_y) * deviation * np.sqrt(2 * np.pi)
    return _to_bytes(255 * height / FULL_STRENGTH_CONTRAST)


def _dark_lines(pixels: Array, deviation: float) -> Array:
    """Return a grey map of dark lines, brighter where a px is darker than its surroundings in all channels.

    The channel with the smallest difference counts.

    deviation: the standard deviation in px of the Gaussian blur that averages the surroundings.
    """
    levels = pixels.astype(np.float32)
    darkness = (_blur(levels, deviation) - levels).min(-1)
    return _to_bytes(255 * darkness / FULL_STRENGTH_CONTRAST)


def _shuffle(pixels: Array, seed: int) -> Array:
    """Return a picture distorted by smooth random coordinates, so that only its colours and textures are left."""
    height, width = pixels.shape[:2]
    noise = keyed_normal((2, SHUFFLE_NOISE_SIDE, SHUFFLE_NOISE_SIDE), seed, "shuffle")
    coordinates = []
    for field, length in zip(noise, (height, width), strict=True):
        field = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
        unit = (field - field.min()) / (field.max() - field.min())
        coordinates.append((unit * (length - 1)).astype(np.float32))
    rows, cols = coordinates
    return cv2.remap(pixels, cols, rows, cv2.INTER_LINEAR)
