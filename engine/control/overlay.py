"""A control map drawn over its picture for display: pale picture, coloured lines. No torch."""

import cv2
import numpy as np

from engine.control.maps import Array, resize_map
from engine.recipe.controls import Control

# RGB of the map's lines.
LINE_COLOUR = (200, 0, 80)
WHITE = 255
# The pale picture keeps this share of the original's contrast below white.
PALE_CONTRAST = 0.35
# Kinds whose maps have a value at every px, rather than lines on black.
DENSE_KINDS = frozenset({"grey", "tile", "shuffle", "normal", "depth"})


def draw_overlay(control: Control, pixels: Array, full_map: Array, longest: int) -> Array:
    """Draw a map over its picture, reduced so that no side is longer than `longest`.

    pixels, full_map: the picture and its map, of equal size, 8-bit RGB.
    """
    size = limit_side(full_map.shape[:2], longest)
    reduced_map = resize_map(full_map, size, control.lines)
    is_dense = control.kind in DENSE_KINDS
    if control.given:  # There is no other picture than the map itself.
        return reduced_map if is_dense else _draw_lines(np.full_like(reduced_map, WHITE), reduced_map)
    background = _pale(resize_map(pixels, size, lines=False))
    if is_dense:
        return cv2.addWeighted(background, 0.5, reduced_map, 0.5, 0)
    return _draw_lines(background, reduced_map)


def limit_side(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Return the size, reduced in proportion if a side is longer than `longest`."""
    factor = min(1.0, longest / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _pale(pixels: Array) -> Array:
    """Return a picture in grey with little contrast, near white."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    light = (WHITE - (WHITE - grey.astype(np.float32)) * PALE_CONTRAST + 0.5).astype(np.uint8)
    return np.repeat(light[..., None], 3, axis=-1)


def _draw_lines(background: Array, lines: Array) -> Array:
    """Paint the line colour over a picture, as opaque at each px as the map is bright there."""
    opacity = lines.max(-1, keepdims=True).astype(np.uint16)
    mixed = background * (255 - opacity) + np.array(LINE_COLOUR, np.uint16) * opacity
    return ((mixed + 127) // 255).astype(np.uint8)
