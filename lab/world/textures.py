"""Textures: a colour with layers of patterns, each of which fades out where it would be too fine to draw.

A pattern gives every place a tone, lighter or darker; its unit is the size of one brick, leaf or ripple. The
mean of every layer is subtracted, so that a surface keeps its mean colour when its layers fade out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lab.world.paint import Array, Brush, Colour, Texture, cell_random, length

# (u, v) in units of the layer -> a tone, about -1 to 1.
Pattern = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Layer:
    """One pattern of a texture."""

    pattern: Pattern
    # Size of the pattern's unit in the brush's frame.
    unit: float
    # How strongly the pattern changes the colour.
    depth: float

    @cached_property
    def mean(self) -> float:
        """The pattern's mean tone, over some 40 x 40 units."""
        u, v = np.meshgrid(
            np.linspace(0.01, 40.3, 320, dtype=np.float32), np.linspace(0.02, 40.7, 320, dtype=np.float32)
        )
        return float(self.pattern(u, v).mean())

    def tone(self, brush: Brush, u: Array, v: Array) -> Array | float:
        """Return the layer's change of tone at frame coordinates (u, v); its mean is 0."""
        visibility = brush.visibility(self.unit)
        if not visibility:
            return 0.0
        return (visibility * self.depth) * (self.pattern(u / self.unit, v / self.unit) - self.mean)


def layered_texture(colour: Colour, *layers: Layer) -> Texture:
    """Return a texture of this colour and these layers; very light and very dark colours vary less."""
    base = np.asarray(colour, np.float32)
    contrast = 0.15 + 1.2 * base * (1 - base)

    def texture(brush: Brush, u: Array, v: Array) -> Array:
        tone = sum((layer.tone(brush, u, v) for layer in layers), np.zeros(1, np.float32))
        return base + contrast * np.broadcast_to(tone, u.shape)[..., None]

    return texture


def bricks(colour: Colour, unit: float) -> Texture:
    """Return a brick wall whose bricks are `unit` high."""
    return layered_texture(colour, Layer(_bricks, unit, 0.45))


def planks(colour: Colour, unit: float) -> Texture:
    """Return boards `unit` wide, with a grain of a third of that."""
    return layered_texture(colour, Layer(_planks, unit, 0.6), Layer(_grain, unit / 3, 0.25))


def leaves(colour: Colour, unit: float) -> Texture:
    """Return leaves `unit` long."""
    return layered_texture(colour, Layer(scattered(3, 0.75), unit, 0.55))


def scales(colour: Colour, unit: float) -> Texture:
    """Return scales or roof tiles `unit` wide."""
    return layered_texture(colour, Layer(_scales, unit, 0.6))


def rivets(colour: Colour, unit: float) -> Texture:
    """Return metal sheets with rivets; `unit` is half a sheet's side."""
    return layered_texture(colour, Layer(_plates, unit, 0.6), Layer(_rivets, unit / 2, 0.7))


def fur(colour: Colour, unit: float) -> Texture:
    """Return fur whose strokes are about `unit` wide."""
    return layered_texture(colour, Layer(_fur, unit, 0.8))


def ribs(colour: Colour, unit: float) -> Texture:
    """Return soft folds, two units apart."""
    return layered_texture(colour, Layer(_ribs, unit, 0.35))


def stripes(colour: Colour, other: Colour, width: float) -> Texture:
    """Return bands of two colours along v; they are wide, so they never fade out."""

    def texture(brush: Brush, u: Array, v: Array) -> Array:
        across = u / (2 * width)
        soft = brush.px / brush.size / (2 * width)
        wave = np.abs(across - np.floor(across) - 0.5) - 0.25
        share = np.clip(0.5 + wave / soft, 0, 1)[..., None]
        return np.asarray(colour, np.float32) * share + np.asarray(other, np.float32) * (1 - share)

    return texture


def _bricks(u: Array, v: Array) -> Array:
    """Return rows of bricks, each with its own tone, and paler mortar between them."""
    row = np.floor(v)
    along = u / 2.2 + 0.5 * (row % 2)
    col = np.floor(along)
    edge = np.minimum(np.minimum(v - row, row + 1 - v), 2.2 * np.minimum(along - col, col + 1 - along))
    return cell_random(row, col) - 0.5 + 0.7 * np.clip((0.16 - edge) * 8, 0, 1)


def _planks(u: Array, v: Array) -> Array:
    """Return boards along u with dark seams."""
    row = np.floor(v)
    return 0.6 * cell_random(row, row + 7) - np.clip((np.abs(v - row - 0.5) - 0.38) * 8, 0, 1)


def _grain(u: Array, v: Array) -> Array:
    """Return the wavy grain of wood along u."""
    return np.sin(v * 6.28 + 2.2 * np.sin(u * 0.7))


def scattered(salt: int, slim: float) -> Pattern:
    """Return a pattern of ovals, each rotated at random, with shade between them: leaves or cobblestones.

    slim: an oval's width as a share of its length.
    """

    def pattern(u: Array, v: Array) -> Array:
        col = np.floor(u)
        down = v / 0.86 + 0.5 * (col % 2) + 0.3 * cell_random(col, col, salt)
        row = np.floor(down)
        a, b = u - col - 0.5, 0.86 * (down - row - 0.5)
        turn = 6.283 * cell_random(row, col, salt + 1)
        c, s = np.cos(turn), np.sin(turn)
        far = length(c * a + s * b, (c * b - s * a) / slim)
        gap = np.clip((far - 0.38) * 6, 0, 1)
        return (1 - gap) * 0.7 * cell_random(row, col, salt + 2) - 0.7 * gap

    return pattern


def _scales(u: Array, v: Array) -> Array:
    """Return rows of half-round scales or roof tiles."""
    row = np.floor(v / 0.6)
    along = u + 0.5 * (row % 2)
    col = np.floor(along)
    far = length(along - col - 0.5, v - 0.6 * (row + 1))
    gap = np.clip((far - 0.42) * 8, 0, 1)
    return (1 - gap) * (0.6 * cell_random(row, col, 5) + 0.5 - far) - 0.5 * gap


def _plates(u: Array, v: Array) -> Array:
    """Return metal sheets with dark seams."""
    a, b = u / 2, v / 2
    row, col = np.floor(b), np.floor(a)
    seam = np.minimum(np.minimum(a - col, col + 1 - a), np.minimum(b - row, row + 1 - b))
    return 0.4 * cell_random(row, col, 9) - np.clip((0.07 - seam) * 16, 0, 1)


def _rivets(u: Array, v: Array) -> Array:
    """Return a bright rivet in each corner of sheets that are four units wide."""
    a, b = u / 4 - np.floor(u / 4), v / 4 - np.floor(v / 4)
    du, dv = np.minimum(a, 1 - a) * 4, np.minimum(b, 1 - b) * 4
    return np.clip((0.45 - length(du - 0.8, dv - 0.8)) * 5, 0, 1)


def _fur(u: Array, v: Array) -> Array:
    """Return soft strokes along v."""
    return mottle(11)(u * 1.6 + 0.8 * np.sin(v / 1.6), v / 2)


def _ribs(u: Array, v: Array) -> Array:
    """Return soft folds along v."""
    return np.sin(u * 3.14)


def mottle(salt: int, tall: float = 1.0) -> Pattern:
    """Return a pattern of soft patches. tall: their height as a share of their width."""

    def pattern(u: Array, v: Array) -> Array:
        b = v / tall
        i, j = np.floor(u), np.floor(b)
        p, q = u - i, b - j
        p, q = p * p * (3 - 2 * p), q * q * (3 - 2 * q)
        low = cell_random(i, j, salt) * (1 - p) + cell_random(i + 1, j, salt) * p
        high = cell_random(i, j + 1, salt) * (1 - p) + cell_random(i + 1, j + 1, salt) * p
        return low * (1 - q) + high * q

    return pattern


def ripples(swing: float, stretch: float = 6.0) -> Pattern:
    """Return a pattern of waves along u, one unit from crest to crest.

    swing: how far a crest swings. stretch: length of a swing in units.
    """

    def pattern(u: Array, v: Array) -> Array:
        return np.sin(6.283 * v + swing * np.sin(6.283 * u / stretch + 1.3 * np.sin(0.7 * v)))

    return pattern


def blades(salt: int) -> Pattern:
    """Return a pattern of upright blades of grass that lean a little."""

    def pattern(u: Array, v: Array) -> Array:
        up = v / 2 + 3 * cell_random(np.floor(u), np.floor(u), salt)
        row = np.floor(up)
        high = up - row
        across = u + 0.4 * high * (cell_random(row, np.floor(u), salt) - 0.5)
        col = np.floor(across)
        spine = 1 - np.abs(across - col - 0.5) * 2
        return 1.2 * spine * high * (1.15 - high) * 3 + 0.6 * cell_random(row, col, salt + 1)

    return pattern


def specks(salt: int, share: float) -> Pattern:
    """Return a pattern of small bright grains. share: how many of the cells hold one."""

    def pattern(u: Array, v: Array) -> Array:
        i, j = np.floor(u), np.floor(v)
        a, b = (
            u - i - 0.3 - 0.4 * cell_random(i, j, salt + 1),
            v - j - 0.3 - 0.4 * cell_random(i, j, salt + 2),
        )
        return (cell_random(i, j, salt) < share) * np.clip(1.5 - 5 * length(a, b), 0, 1)

    return pattern
