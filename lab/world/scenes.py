"""The world of Postcards: scenes drawn from a seed, rendered at any size, and told in words.

A scene is a sky, a ground and one subject. It is the project's ruler: what the right picture looks like at
any size is known.
"""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from lab.world.paint import Array, Box, blank
from lab.world.scenery import GROUNDS, SKIES, paint_ground, paint_shadow, paint_sky
from lab.world.subjects import SUBJECTS

COLOURS = {
    "red": (0.82, 0.16, 0.14),
    "blue": (0.16, 0.34, 0.80),
    "green": (0.20, 0.58, 0.26),
    "white": (0.94, 0.94, 0.94),
    "yellow": (0.95, 0.79, 0.16),
    "orange": (0.93, 0.48, 0.12),
    "purple": (0.49, 0.24, 0.62),
    "pink": (0.95, 0.56, 0.70),
}
SMALLEST, LARGEST = 64, 4096
# 2:1, and what rounding to whole cells adds to it.
LONGEST = 2.1
HELD_OUT = 0.1


@dataclass(frozen=True)
class Scene:
    """across, horizon: places as shares of the half width and height. size: the subject's, in scene units."""

    subject: str
    colour: str
    ground: str
    sky: str
    across: float = 0.0
    horizon: float = -0.2
    size: float = 0.6
    lean: float = 0.0
    mirror: bool = False
    weather: int = 0


def scene(seed: int) -> Scene:
    """Any scene of the world."""
    draw = np.random.RandomState(seed)
    subject = str(draw.choice(list(SUBJECTS)))
    return Scene(
        subject=subject,
        colour=str(draw.choice(list(COLOURS))),
        ground=str(draw.choice(list(GROUNDS))),
        sky=str(draw.choice(list(SKIES))),
        across=float(draw.uniform(-0.4, 0.4)),
        horizon=float(draw.uniform(-0.5, -0.05)),
        size=float(draw.uniform(0.45, 0.72)),
        lean=float(draw.uniform(-0.12, 0.12)) if SUBJECTS[subject].floats else 0.0,
        mirror=bool(draw.rand() < 0.5),
        weather=int(draw.randint(1 << 30)),
    )


def held_out(scene: Scene) -> bool:
    """Whether this combination is kept from all training, to be asked for afterwards."""
    key = "/".join((scene.subject, scene.colour, scene.ground, scene.sky))
    return int.from_bytes(sha256(key.encode()).digest()[:4], "big") < HELD_OUT * 2**32


@dataclass(frozen=True)
class Figure:
    """A subject in its place: where its foot is and how long its unit, both in scene units."""

    subject: str
    colour: str
    foot: tuple[float, float]
    long: float
    lean: float = 0.0
    mirror: bool = False


def render(scene: Scene, size: tuple[int, int], box: Box | None = None) -> Array:
    """The picture (rows, cols, 3), bytes, of this size (height, width) px, or the asked part of it."""
    return draw(scene, (standing(scene, half_sides(size)),), size, box)


def draw(scene: Scene, figures: tuple[Figure, ...], size: tuple[int, int], box: Box | None = None) -> Array:
    """The scene's sky and ground with these figures in place of its own, none or many, first ones behind."""
    height, width = size
    if not min(size) >= SMALLEST or max(size) > LARGEST or max(size) > LONGEST * min(size):
        raise ValueError(f"{width} x {height} px: from {SMALLEST} to {LARGEST} px and up to 2:1")
    brush, half = blank(size, box), half_sides(size)
    horizon = scene.horizon * half[0]
    sky = SKIES[scene.sky]
    paint_sky(brush, sky, scene.weather, half, horizon)
    brush = brush.lit(sky.light)
    paint_ground(brush, scene.ground, horizon)
    for figure in figures:
        subject, (x, y) = SUBJECTS[figure.subject], figure.foot
        paint_shadow(brush, (x, min(y, horizon - 0.03)), 0.42 * subject.width * figure.long)
        subject.paint(brush.frame((x, y), figure.long, figure.lean, figure.mirror), COLOURS[figure.colour])
    return (np.clip(brush.image, 0, 1) * 255 + 0.5).astype(np.uint8)


def half_sides(size: tuple[int, int]) -> tuple[float, float]:
    """Half the height and half the width of a picture, in scene units."""
    height, width = size
    px = 1 / np.sqrt(height * width)
    return (height * px / 2, width * px / 2)


def standing(scene: Scene, half: tuple[float, float]) -> Figure:
    """The scene's subject where it stands, so that it lies inside a picture of this shape."""
    subject = SUBJECTS[scene.subject]
    long = min(scene.size, 1.5 * half[0], 1.7 * half[1] / subject.width)
    room = max(0.0, half[1] - subject.width * long / 2)
    lowest, highest = -0.9 * half[0], 0.95 * half[0] - 1.05 * long
    foot = scene.horizon * half[0] + (0.12 if subject.floats else -0.1 * long)
    place = (scene.across / 0.4 * 0.9 * room, float(np.clip(foot, lowest, max(lowest, highest))))
    return Figure(scene.subject, scene.colour, place, long, scene.lean, scene.mirror)


def phrases(scene: Scene) -> list[str]:
    """Ways to ask for this scene."""
    a, colour = ("an" if scene.colour[0] in "aeiou" else "a"), scene.colour
    subject, ground, sky = scene.subject, scene.ground, scene.sky
    return [
        f"{a} {colour} {subject} on {ground} at {sky}",
        f"{sky}, {ground}, a {subject} in {colour}",
        f"{colour} {subject}, {ground}, {sky}",
        f"a postcard of {a} {colour} {subject} on {ground}, {sky}",
        f"at {sky} a {subject} stands on {ground}, it is {colour}",
    ]


def close_up(scene: Scene, seed: int, size: tuple[int, int]) -> tuple[str, Box]:
    """Words for a part of the subject, and the box that shows it in a picture of this size."""
    draw = np.random.RandomState(seed)
    words, u, v, reach = SUBJECTS[scene.subject].parts[draw.randint(len(SUBJECTS[scene.subject].parts))]
    height, width = size
    px = 1 / np.sqrt(height * width)
    figure = standing(scene, half_sides(size))
    side = min(int(2 * reach * figure.long / px), height, width)
    x = figure.foot[0] + figure.long * (-u if scene.mirror else u)
    y = figure.foot[1] + figure.long * v
    top = int(np.clip(height / 2 - y / px - side / 2, 0, height - side))
    left = int(np.clip(width / 2 + x / px - side / 2, 0, width - side))
    a = "an" if scene.colour[0] in "aeiou" else "a"
    return f"{words} of {a} {scene.colour} {scene.subject}", (top, left, side, side)
