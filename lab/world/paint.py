"""Draws anti-aliased shapes from their signed distance functions, at any size, whole or in part.

Scene units: the square root of the picture's area is 1, its centre is (0, 0), y points up. A shape's edge is
anti-aliased over one pixel, so that a part drawn alone equals the same crop of the whole picture.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from math import cos, sin, sqrt
from typing import NamedTuple

import numpy as np

Array = np.ndarray
# Red, green, blue between 0 and 1.
Colour = tuple[float, float, float]
# A part of a picture: top, left, height, width in px of the whole picture.
Box = tuple[int, int, int, int]
# (brush, u, v) -> colours (rows, cols, 3), where u and v are coordinates in the brush's frame.
Texture = Callable[["Brush", Array, Array], Array]

# The random numbers that `cell_random` looks up.
RANDOM_TABLE = np.random.RandomState(0).rand(1 << 16).astype(np.float32)

# A detail is fully visible from this many px on (a latent cell and a half), and invisible below one cell.
INVISIBLE_PX, VISIBLE_PX = 8.0, 12.0


class Shape(NamedTuple):
    """A shape, as a bounding box and a signed distance function of frame coordinates (u, v)."""

    # Left, bottom, right, top.
    bounds: tuple[float, float, float, float]
    # Distance to the edge in frame units, negative inside the shape.
    distance: Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Brush:
    """Draws on an image within a frame: a coordinate system (u, v) that is moved, scaled and rotated."""

    # Colours (rows, cols, 3), 0 to 1, of the part of the picture that is drawn; changed in place.
    image: Array
    # Scene coordinates of the pixel centres: of the columns, and of the rows.
    x: Array
    y: Array
    # Side of a pixel in scene units.
    px: float
    # Where the frame's (0, 0) lies in the scene, how long its unit is, and its rotation in radians.
    origin: tuple[float, float] = (0.0, 0.0)
    size: float = 1.0
    lean: float = 0.0
    # Whether the frame is flipped left to right.
    mirror: bool = False
    # The colour of the light: every colour that does not glow is multiplied by it.
    light: Colour = (1.0, 1.0, 1.0)

    def with_frame(
        self, origin: tuple[float, float], size: float, lean: float = 0.0, mirror: bool = False
    ) -> "Brush":
        """Return a brush for the same image in another frame."""
        return replace(self, origin=origin, size=size, lean=lean, mirror=mirror)

    def with_light(self, light: Colour) -> "Brush":
        """Return a brush for the same image whose colours are multiplied by this light."""
        return replace(self, light=light)

    def visibility(self, detail: float) -> float:
        """Return the opacity, 0 to 1, of a detail of this size in frame units; too small ones fade out."""
        share = (detail * self.size / self.px - INVISIBLE_PX) / (VISIBLE_PX - INVISIBLE_PX)
        share = min(max(share, 0.0), 1.0)
        return share * share * (3 - 2 * share)

    def fill(
        self, shape: Shape, colour: Colour | Texture, strength: float = 1.0, glows: bool = False
    ) -> None:
        """Paint the shape with a colour or a texture.

        strength: opacity, 0 to 1. glows: whether the colour ignores the brush's light.
        """
        rows, cols = self._bounding_slices(shape.bounds)
        if strength <= 0 or rows.start >= rows.stop or cols.start >= cols.stop:
            return
        u, v = self._to_frame(self.x[cols][None, :], self.y[rows][:, None])
        cover = np.clip(0.5 - shape.distance(u, v) * (self.size / self.px), 0, strength)[..., None]
        paint = np.asarray(colour(self, u, v) if callable(colour) else colour, np.float32)
        if not glows:
            paint = paint * np.asarray(self.light, np.float32)
        part = self.image[rows, cols]
        part += cover * (paint - part)

    def _to_frame(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Convert scene coordinates to frame coordinates (u, v)."""
        dx, dy = (x - self.origin[0]) / self.size, (y - self.origin[1]) / self.size
        if self.lean:
            c, s = cos(self.lean), sin(self.lean)
            dx, dy = c * dx + s * dy, c * dy - s * dx
        else:
            dx, dy = np.broadcast_arrays(dx, dy)
        return (-dx if self.mirror else dx), dy

    def _bounding_slices(self, bounds: tuple[float, float, float, float]) -> tuple[slice, slice]:
        """Return the rows and columns of the image that a shape with these bounds may touch."""
        left, bottom, right, top = bounds
        if self.mirror:
            left, right = -right, -left
        c, s = cos(self.lean), sin(self.lean)
        corners = [(c * u - s * v, s * u + c * v) for u in (left, right) for v in (bottom, top)]
        xs, ys = ([self.origin[k] + self.size * corner[k] for corner in corners] for k in (0, 1))
        cols = np.searchsorted(self.x, (min(xs) - self.px, max(xs) + self.px))
        rows = len(self.y) - np.searchsorted(self.y[::-1], (max(ys) + self.px, min(ys) - self.px))
        return slice(*rows), slice(*cols)


def new_brush(size: tuple[int, int], box: Box | None = None) -> Brush:
    """Return a brush for a black picture of this size (height, width) in px, or for one part of it."""
    height, width = size
    top, left, rows, cols = box or (0, 0, height, width)
    px = 1 / sqrt(height * width)
    x = ((left + np.arange(cols) + 0.5) - width / 2) * px
    y = (height / 2 - (top + np.arange(rows) + 0.5)) * px
    image = np.zeros((rows, cols, 3), np.float32)
    return Brush(image, x.astype(np.float32), y.astype(np.float32), px)


def disc(x: float, y: float, r: float) -> Shape:
    """Return a disc with this centre and radius."""
    return Shape((x - r, y - r, x + r, y + r), lambda u, v: length(u - x, v - y) - r)


def oval(x: float, y: float, rx: float, ry: float) -> Shape:
    """Return an upright ellipse with this centre and these radii."""

    def distance(u: Array, v: Array) -> Array:
        a, b = (u - x) / rx, (v - y) / ry
        near, far = length(a, b), length(a / rx, b / ry)
        return near * (near - 1) / np.maximum(far, 1e-6)

    return Shape((x - rx, y - ry, x + rx, y + ry), distance)


def block(left: float, bottom: float, right: float, top: float, round_: float = 0.0) -> Shape:
    """Return a rectangle whose corners are rounded with the radius `round_`."""
    cx, cy, hx, hy = (
        (left + right) / 2,
        (bottom + top) / 2,
        (right - left) / 2 - round_,
        (top - bottom) / 2 - round_,
    )

    def distance(u: Array, v: Array) -> Array:
        a, b = np.abs(u - cx) - hx, np.abs(v - cy) - hy
        return length(np.maximum(a, 0), np.maximum(b, 0)) + np.minimum(np.maximum(a, b), 0) - round_

    return Shape((left, bottom, right, top), distance)


def poly(*points: tuple[float, float]) -> Shape:
    """Return the polygon with these corners; its sides must not cross."""
    xs, ys = zip(*points, strict=True)

    def distance(u: Array, v: Array) -> Array:
        nearest, inside = np.full(u.shape, np.inf, np.float32), np.zeros(u.shape, bool)
        for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1], strict=True):
            ex, ey, wx, wy = bx - ax, by - ay, u - ax, v - ay
            along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
            nearest = np.minimum(nearest, (wx - along * ex) ** 2 + (wy - along * ey) ** 2)
            if ay != by:
                inside ^= ((v >= ay) != (v >= by)) & ((wx * ey < wy * ex) == (ey > 0))
        return np.where(inside, -1, 1) * np.sqrt(nearest)

    return Shape((min(xs), min(ys), max(xs), max(ys)), distance)


def line(width: float, *points: tuple[float, float]) -> Shape:
    """Return a stroke of this width through the points, with round ends."""
    xs, ys = zip(*points, strict=True)
    half = width / 2

    def distance(u: Array, v: Array) -> Array:
        nearest = None
        for (ax, ay), (bx, by) in pairwise(points):
            ex, ey, wx, wy = bx - ax, by - ay, u - ax, v - ay
            along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
            square = (wx - along * ex) ** 2 + (wy - along * ey) ** 2
            nearest = square if nearest is None else np.minimum(nearest, square)
        return np.sqrt(nearest) - half

    return Shape((min(xs) - half, min(ys) - half, max(xs) + half, max(ys) + half), distance)


def rim(shape: Shape, width: float) -> Shape:
    """Return the outline of a shape, this wide and inside its edge."""
    return Shape(shape.bounds, lambda u, v: np.maximum(shape.distance(u, v), -shape.distance(u, v) - width))


def both(a: Shape, b: Shape) -> Shape:
    """Return the intersection of two shapes."""
    bounds = (
        max(a.bounds[0], b.bounds[0]),
        max(a.bounds[1], b.bounds[1]),
        min(a.bounds[2], b.bounds[2]),
        min(a.bounds[3], b.bounds[3]),
    )
    return Shape(bounds, lambda u, v: np.maximum(a.distance(u, v), b.distance(u, v)))


def either(*shapes: Shape) -> Shape:
    """Return the union of shapes."""
    bounds = tuple(f(s.bounds[k] for s in shapes) for k, f in enumerate((min, min, max, max)))
    return Shape(bounds, lambda u, v: np.minimum.reduce([s.distance(u, v) for s in shapes]))


def cell_random(i: Array, j: Array, salt: int = 0) -> Array:
    """Return a pseudo-random number from 0 to 1 for each pair of integers, always the same for a pair.

    salt: chooses another set of numbers.
    """
    a, b = np.asarray(i).astype(np.int32) + 97 * salt, np.asarray(j).astype(np.int32) + 57 * salt
    return RANDOM_TABLE.take(((a & 255) << 8) | (b & 255))


def length(a: Array, b: Array) -> Array:
    """Return the length of the vector (a, b), ten times as fast as `np.hypot`, which avoids overflow."""
    return np.sqrt(a * a + b * b)


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """Blend two colours; share is that of the second one, 0 to 1."""
    return tuple(a + (b - a) * share for a, b in zip(colour, other, strict=True))


def shade(colour: Colour, by: float) -> Colour:
    """Return the colour, lighter for `by` above 0 (1 is white) and darker below (-1 is black)."""
    return mix(colour, (1.0, 1.0, 1.0) if by > 0 else (0.0, 0.0, 0.0), abs(by))
