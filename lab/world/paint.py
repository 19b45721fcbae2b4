"""A canvas that draws shapes by their distance, at any size and only where asked.

Scene units: the square root of the picture's area is 1, its middle is (0, 0), y points up. A shape's edge is
anti-aliased over one pixel, whatever part is drawn, so a part is equal to the cut of the whole.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from math import cos, sin, sqrt
from typing import NamedTuple

import numpy as np

Array = np.ndarray
Colour = tuple[float, float, float]
Box = tuple[int, int, int, int]
"""top, left, height, width in px of the whole picture."""
Texture = Callable[["Brush", Array, Array], Array]

CHANCES = np.random.RandomState(0).rand(1 << 16).astype(np.float32)

# A detail shows from a cell and a half of the latent on, and is gone below one.
GONE, SHOWN = 8.0, 12.0


class Shape(NamedTuple):
    """bounds: left, bottom, right, top. distance: negative inside, in the same units."""

    bounds: tuple[float, float, float, float]
    distance: Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Brush:
    """Draws on `image`, whose pixel centres lie at x (columns) and y (rows), in a frame of its own.

    origin, size, lean: where the frame's (0, 0) lies, how long its unit is, how far it is tilted.
    light: what every colour is multiplied by, unless it glows.
    """

    image: Array
    x: Array
    y: Array
    px: float
    origin: tuple[float, float] = (0.0, 0.0)
    size: float = 1.0
    lean: float = 0.0
    mirror: bool = False
    light: Colour = (1.0, 1.0, 1.0)

    def frame(
        self, origin: tuple[float, float], size: float, lean: float = 0.0, mirror: bool = False
    ) -> "Brush":
        return replace(self, origin=origin, size=size, lean=lean, mirror=mirror)

    def lit(self, light: Colour) -> "Brush":
        return replace(self, light=light)

    def shows(self, detail: float) -> float:
        """How much of a detail of this size (frame units) is seen: as through a lens, from 0 to 1."""
        seen = (detail * self.size / self.px - GONE) / (SHOWN - GONE)
        seen = min(max(seen, 0.0), 1.0)
        return seen * seen * (3 - 2 * seen)

    def fill(
        self, shape: Shape, colour: Colour | Texture, strength: float = 1.0, glows: bool = False
    ) -> None:
        """Lays a colour, or a texture (brush, u, v) -> (h, w, 3), over the shape, in the light of the sky."""
        rows, cols = self._reached(shape.bounds)
        if strength <= 0 or rows.start >= rows.stop or cols.start >= cols.stop:
            return
        u, v = self._local(self.x[cols][None, :], self.y[rows][:, None])
        cover = np.clip(0.5 - shape.distance(u, v) * (self.size / self.px), 0, strength)[..., None]
        paint = np.asarray(colour(self, u, v) if callable(colour) else colour, np.float32)
        if not glows:
            paint = paint * np.asarray(self.light, np.float32)
        part = self.image[rows, cols]
        part += cover * (paint - part)

    def _local(self, x: Array, y: Array) -> tuple[Array, Array]:
        dx, dy = (x - self.origin[0]) / self.size, (y - self.origin[1]) / self.size
        if self.lean:
            c, s = cos(self.lean), sin(self.lean)
            dx, dy = c * dx + s * dy, c * dy - s * dx
        else:
            dx, dy = np.broadcast_arrays(dx, dy)
        return (-dx if self.mirror else dx), dy

    def _reached(self, bounds: tuple[float, float, float, float]) -> tuple[slice, slice]:
        """Rows and columns of the image that the bounds may touch."""
        left, bottom, right, top = bounds
        if self.mirror:
            left, right = -right, -left
        c, s = cos(self.lean), sin(self.lean)
        corners = [(c * u - s * v, s * u + c * v) for u in (left, right) for v in (bottom, top)]
        xs, ys = ([self.origin[k] + self.size * corner[k] for corner in corners] for k in (0, 1))
        cols = np.searchsorted(self.x, (min(xs) - self.px, max(xs) + self.px))
        rows = len(self.y) - np.searchsorted(self.y[::-1], (max(ys) + self.px, min(ys) - self.px))
        return slice(*rows), slice(*cols)


def blank(size: tuple[int, int], box: Box | None = None) -> Brush:
    """An empty canvas for a part of a picture of this size (height, width) px."""
    height, width = size
    top, left, rows, cols = box or (0, 0, height, width)
    px = 1 / sqrt(height * width)
    x = ((left + np.arange(cols) + 0.5) - width / 2) * px
    y = (height / 2 - (top + np.arange(rows) + 0.5)) * px
    image = np.zeros((rows, cols, 3), np.float32)
    return Brush(image, x.astype(np.float32), y.astype(np.float32), px)


def disc(x: float, y: float, r: float) -> Shape:
    return Shape((x - r, y - r, x + r, y + r), lambda u, v: length(u - x, v - y) - r)


def oval(x: float, y: float, rx: float, ry: float) -> Shape:
    def distance(u: Array, v: Array) -> Array:
        a, b = (u - x) / rx, (v - y) / ry
        near, far = length(a, b), length(a / rx, b / ry)
        return near * (near - 1) / np.maximum(far, 1e-6)

    return Shape((x - rx, y - ry, x + rx, y + ry), distance)


def block(left: float, bottom: float, right: float, top: float, round_: float = 0.0) -> Shape:
    """A rectangle, its corners rounded by a radius."""
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
    """Any simple polygon."""
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
    """A stroke through points, with round ends."""
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
    """The outline of a shape, drawn inwards."""
    return Shape(shape.bounds, lambda u, v: np.maximum(shape.distance(u, v), -shape.distance(u, v) - width))


def both(a: Shape, b: Shape) -> Shape:
    """What lies in both."""
    bounds = (
        max(a.bounds[0], b.bounds[0]), max(a.bounds[1], b.bounds[1]),
        min(a.bounds[2], b.bounds[2]), min(a.bounds[3], b.bounds[3]),
    )  # fmt: skip
    return Shape(bounds, lambda u, v: np.maximum(a.distance(u, v), b.distance(u, v)))


def either(*shapes: Shape) -> Shape:
    bounds = tuple(f(s.bounds[k] for s in shapes) for k, f in enumerate((min, min, max, max)))
    return Shape(bounds, lambda u, v: np.minimum.reduce([s.distance(u, v) for s in shapes]))


def chance(i: Array, j: Array, salt: int = 0) -> Array:
    """A number from 0 to 1 for each pair of whole numbers, always the same."""
    a, b = np.asarray(i).astype(np.int32) + 97 * salt, np.asarray(j).astype(np.int32) + 57 * salt
    return CHANCES.take(((a & 255) << 8) | (b & 255))


def length(a: Array, b: Array) -> Array:
    """Of a vector; numpy's own hypot minds overflow and takes ten times as long."""
    return np.sqrt(a * a + b * b)


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    return tuple(a + (b - a) * share for a, b in zip(colour, other, strict=True))


def shade(colour: Colour, by: float) -> Colour:
    """Lighter (above 0) or darker (below)."""
    return mixed(colour, (1.0, 1.0, 1.0) if by > 0 else (0.0, 0.0, 0.0), abs(by))
