"""A map over its picture, for the eye: that in pale grey, and strong above it what is followed. No torch."""

import cv2
import numpy as np

from engine.control.maps import Array, resize_map
from engine.recipe.controls import Control

INK = (200, 0, 80)
"""RGB of what is followed."""
PAPER, PALE = 255, 0.35
"""A picture keeps this share of its contrast, from white down."""
COVERING = frozenset({"grey", "tile", "shuffle", "normal", "depth"})
"""Kinds whose maps are full of shades: each px of them is followed."""


def draw_overlay(control: Control, pixels: Array, drawn: Array, longest: int) -> Array:
    """What is followed of a picture, at the size of both, or so that no side is longer than this."""
    size = limit_side(drawn.shape[:2], longest)
    drawn = resize_map(drawn, size, control.lines)
    if control.given:  # The picture is the map itself.
        return drawn if control.kind in COVERING else _inked(np.full_like(drawn, PAPER), drawn)
    paper = _pale(resize_map(pixels, size, lines=False))
    return cv2.addWeighted(paper, 0.5, drawn, 0.5, 0) if control.kind in COVERING else _inked(paper, drawn)


def limit_side(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """The size, or the largest of the same shape with no longer side than this."""
    share = min(1.0, longest / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _pale(pixels: Array) -> Array:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    light = (PAPER - (PAPER - grey.astype(np.float32)) * PALE + 0.5).astype(np.uint8)
    return np.repeat(light[..., None], 3, axis=-1)


def _inked(paper: Array, drawn: Array) -> Array:
    """Ink as strong as the map is at each px."""
    strength = drawn.max(-1, keepdims=True).astype(np.uint16)
    mixed = paper * (255 - strength) + np.array(INK, np.uint16) * strength
    return ((mixed + 127) // 255).astype(np.uint8)
