"""The world of Postcards: scenes that come from a seed, are rendered at any size and described in words.

A scene is a sky, a ground and one subject. Because it can be rendered, the right picture is known at every
size, and models can be measured against it.
"""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from lab.world.paint import Array, Box, new_brush
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
# Sides in px of the smallest and the largest picture.
MIN_SIDE, MAX_SIDE = 64, 4096
# The longer side over the shorter one: 2, and what rounding to whole latent cells adds to it.
MAX_ASPECT = 2.1
# Share of the combinations of words that no training sees.
HELD_OUT_SHARE = 0.1


@dataclass(frozen=True)
class Scene:
    """All that decides a picture, apart from its size."""

    # Keys of SUBJECTS, COLOURS, GROUNDS and SKIES.
    subject: str
    colour: str
    ground: str
    sky: str
    # The subject's place from left to right, from -0.4 to 0.4.
    across: float = 0.0
    # Height of the horizon, as a share of half the picture's height; below 0 it lies in the lower half.
    horizon: float = -0.2
    # Height of the subject in scene units.
    size: float = 0.6
    # Rotation of the subject in radians.
    lean: float = 0.0
    # Seed for the places of sun, moon and clouds.
    weather: int = 0


def make_scene(seed: int) -> Scene:
    """Return the scene of a seed, held out or not.

    A subject always faces the same way: no prompt says which, and a network that has to choose draws both, a fish
    with two heads.
    """
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
        weather=int(draw.randint(1 << 30)),
    )


def is_held_out(scene: Scene) -> bool:
    """Return whether this combination of words is kept out of all training, for measuring afterwards."""
    key = "/".join((scene.subject, scene.colour, scene.ground, scene.sky))
    return int.from_bytes(sha256(key.encode()).digest()[:4], "big") < HELD_OUT_SHARE * 2**32


def held_out_scenes(count: int) -> list[Scene]:
    """Return this many scenes whose combination of words is kept out of all training."""
    return [scene for scene in map(make_scene, range(30 * count)) if is_held_out(scene)][:count]


@dataclass(frozen=True)
class Figure:
    """A subject at its place in a picture."""

    subject: str
    colour: str
    # Scene coordinates (x, y) of the middle of its lower edge.
    foot: tuple[float, float]
    # Its height in scene units.
    height: float
    # Its rotation in radians.
    lean: float = 0.0
    # Whether it is flipped left to right.
    mirror: bool = False


def render(scene: Scene, size: tuple[int, int], box: Box | None = None) -> Array:
    """Return the picture of a scene at this size (height, width) in px, or one part of it.

    The picture is an array of bytes (rows, cols, 3).
    """
    return draw_scene(scene, (place_subject(scene, half_sides(size)),), size, box)


def draw_scene(
    scene: Scene, figures: tuple[Figure, ...], size: tuple[int, int], box: Box | None = None
) -> Array:
    """Return the picture of a scene's sky and ground with these figures instead of its own subject.

    There may be none or several; later figures are in front.
    """
    height, width = size
    if not min(size) >= MIN_SIDE or max(size) > MAX_SIDE or max(size) > MAX_ASPECT * min(size):
        raise ValueError(f"{width} x {height} px: from {MIN_SIDE} to {MAX_SIDE} px and up to 2:1")
    brush, half = new_brush(size, box), half_sides(size)
    horizon = scene.horizon * half[0]
    sky = SKIES[scene.sky]
    paint_sky(brush, sky, scene.weather, half, horizon)
    brush = brush.with_light(sky.light)
    paint_ground(brush, scene.ground, horizon)
    for figure in figures:
        subject, (x, y) = SUBJECTS[figure.subject], figure.foot
        paint_shadow(brush, (x, min(y, horizon - 0.03)), 0.42 * subject.width * figure.height)
        subject.paint(
            brush.with_frame((x, y), figure.height, figure.lean, figure.mirror), COLOURS[figure.colour]
        )
    return (np.clip(brush.image, 0, 1) * 255 + 0.5).astype(np.uint8)


def half_sides(size: tuple[int, int]) -> tuple[float, float]:
    """Return half the height and half the width of a picture in scene units."""
    height, width = size
    px = 1 / np.sqrt(height * width)
    return (height * px / 2, width * px / 2)


def place_subject(scene: Scene, half: tuple[float, float]) -> Figure:
    """Return the scene's subject at its place, inside a picture with these half sides (height, width)."""
    subject = SUBJECTS[scene.subject]
    size = min(scene.size, 1.5 * half[0], 1.7 * half[1] / subject.width)
    room = max(0.0, half[1] - subject.width * size / 2)
    lowest, highest = -0.9 * half[0], 0.95 * half[0] - 1.05 * size
    foot = scene.horizon * half[0] + (0.12 if subject.floats else -0.1 * size)
    place = (scene.across / 0.4 * 0.9 * room, float(np.clip(foot, lowest, max(lowest, highest))))
    return Figure(scene.subject, scene.colour, place, size, scene.lean)


def phrases(scene: Scene) -> list[str]:
    """Return five prompts that describe this scene."""
    a, colour = ("an" if scene.colour[0] in "aeiou" else "a"), scene.colour
    subject, ground, sky = scene.subject, scene.ground, scene.sky
    return [
        f"{a} {colour} {subject} on {ground} at {sky}",
        f"{sky}, {ground}, a {subject} in {colour}",
        f"{colour} {subject}, {ground}, {sky}",
        f"a postcard of {a} {colour} {subject} on {ground}, {sky}",
        f"at {sky} a {subject} stands on {ground}, it is {colour}",
    ]


def choose_close_up(scene: Scene, seed: int, size: tuple[int, int]) -> tuple[str, Box]:
    """Choose a part of the subject; return words for it, and its box in a picture of this size."""
    draw = np.random.RandomState(seed)
    words, u, v, reach = SUBJECTS[scene.subject].parts[draw.randint(len(SUBJECTS[scene.subject].parts))]
    height, width = size
    px = 1 / np.sqrt(height * width)
    figure = place_subject(scene, half_sides(size))
    side = min(int(2 * reach * figure.height / px), height, width)
    x = figure.foot[0] + figure.height * (-u if figure.mirror else u)
    y = figure.foot[1] + figure.height * v
    top = int(np.clip(height / 2 - y / px - side / 2, 0, height - side))
    left = int(np.clip(width / 2 + x / px - side / 2, 0, width - side))
    a = "an" if scene.colour[0] in "aeiou" else "a"
    return f"{words} of {a} {scene.colour} {scene.subject}", (top, left, side, side)
