"""Draw a control map over its picture for display: coloured lines on a pale picture. No torch."""

import cv2
import numpy as np

from engine.control.maps import Array, resize_map
from engine.recipe.controls import Control

# The colour (RGB) in which a map's lines are drawn.
LINE_COLOUR = (200, 0, 80)
WHITE = 255
# The contrast of the pale picture over the contrast of the original.
PALE_CONTRAST = 0.35
# Kinds of control maps with a value at every px, in contrast to lines on black.
DENSE_KINDS = frozenset({"grey", "tile", "shuffle", "normal", "depth"})


def draw_overlay(control: Control, pixels: Array, full_map: Array, max_side: int) -> Array:
    """Return a picture with its control map drawn over it, reduced so that no side is longer than `max_side` px.

    control: its settings decide how the map is drawn.
    pixels, full_map: the picture and its map, of equal size, 8-bit RGB.
    """
    size = limit_side(full_map.shape[:2], max_side)
    reduced_map = resize_map(full_map, size, control.has_thin_lines)
    is_dense = control.kind in DENSE_KINDS
    if control.given:  # The control's image is the map, so there is no picture below it.
        return reduced_map if is_dense else _draw_lines(np.full_like(reduced_map, WHITE), reduced_map)
    background = _pale(resize_map(pixels, size, lines=False))
    if is_dense:
        return cv2.addWeighted(background, 0.5, reduced_map, 0.5, 0)
    return _draw_lines(background, reduced_map)


def limit_side(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """Return a size, reduced in proportion if a side is longer than `max_side` px."""
    factor = min(1.0, max_side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _pale(pixels: Array) -> Array:
    """Return a picture in grey with little contrast, near white."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    light = (WHITE - (WHITE - grey.astype(np.float32)) * PALE_CONTRAST + 0.5).astype(np.uint8)
    return np.repeat(light[..., None], 3, axis=-1)


def _draw_lines(background: Array, lines: Array) -> Array:
    """Return a picture with LINE_COLOUR painted over it; the opacity at each px is the brightness of `lines`."""
    opacity = lines.max(-1, keepdims=True).astype(np.uint16)
    mixed = background * (255 - opacity) + np.array(LINE_COLOUR, np.uint16) * opacity
    return ((mixed + 127) // 255).astype(np.uint8)
