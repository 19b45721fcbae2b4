"""Lessons: the training examples of Postcards, each a picture with a prompt and SDXL's six size ids.

Size ids say what part of what picture a model draws. There is one kind of lesson for every combination
that the engine passes: a native base, a base as the published code conditions it, our windows, published
windows, and close-ups.
"""

from dataclasses import dataclass

import numpy as np

from lab.world.paint import Array
from lab.world.scenes import Scene, choose_close_up, is_held_out, make_scene, phrases, render

# Side in px of the square picture that the model draws natively.
NATIVE_SIDE = 256
# px along the side of a latent cell.
CELL_PX = 8
# Sizes (height, width) in px of about equal area; the first one is square.
BUCKETS = ((256, 256), (224, 288), (288, 224), (192, 320), (320, 192), (176, 352), (352, 176))
# Share of each kind among the lessons of the square bucket.
LESSON_SHARES = {
    "whole": 0.35,
    "whole as large": 0.20,
    "window": 0.15,
    "published window": 0.15,
    "close-up": 0.15,
}
# The largest later stage has this many times the side of its base.
MAX_SCALE = 4.0
# Share of lessons with an empty prompt, for classifier-free guidance.
EMPTY_PROMPT_SHARE = 0.10
# px that a published window lies from (0, 0) at least: at (0, 0) its ids would be those of a whole picture.
MIN_CORNER_OFFSET = 16

# SDXL's size ids: original height, width; crop top, left; target height, width.
Ids = tuple[int, int, int, int, int, int]


@dataclass(frozen=True, eq=False)
class Lesson:
    """One training example."""

    # A key of LESSON_SHARES.
    kind: str
    scene: Scene
    # What the picture shows, in words; empty in some lessons.
    prompt: str
    ids: Ids
    # Bytes (rows, cols, 3).
    picture: Array


def training_scene(seed: int, classes: tuple[str, ...] = ()) -> Scene:
    """Return a random scene that is not held out.

    classes: if not empty, the scene has at least one of these subjects, grounds and skies.
    """
    for k in range(1000):
        scene = make_scene(int(np.random.RandomState((seed * 1000 + k) % 2**32).randint(1 << 30)))
        shown = {scene.subject, scene.ground, scene.sky}
        if not is_held_out(scene) and (not classes or shown & set(classes)):
            return scene
    raise AssertionError("every scene is held out")


def make_lesson(
    seed: int,
    bucket: tuple[int, int] = BUCKETS[0],
    kind: str | None = None,
    classes: tuple[str, ...] = (),
) -> Lesson:
    """Return the lesson of a seed: the same seed gives the same lesson.

    classes: if not empty, its scene has at least one of these subjects, grounds and skies. Only the square bucket
    has windows and close-ups, because these are native squares.
    """
    draw = np.random.RandomState(seed)
    scene = training_scene(seed, classes)
    kinds = list(LESSON_SHARES) if bucket == BUCKETS[0] else list(LESSON_SHARES)[:2]
    weights = np.array([LESSON_SHARES[name] for name in kinds])
    kind = kind or str(draw.choice(kinds, p=weights / weights.sum()))
    prompt, ids, picture = LESSON_MAKERS[kind](scene, bucket, draw)
    if draw.rand() < EMPTY_PROMPT_SHARE:
        prompt = ""
    return Lesson(kind, scene, prompt, ids, picture)


def _random_phrase(scene: Scene, draw: np.random.RandomState) -> str:
    """Return one of the phrases that describe the scene."""
    options = phrases(scene)
    return options[draw.randint(len(options))]


def _random_stage_size(
    bucket: tuple[int, int], draw: np.random.RandomState, least: float = 1.0
) -> tuple[int, int]:
    """Return the size in px of a random later stage over a base of this bucket, a multiple of CELL_PX.

    least: the smallest scale to draw.
    """
    scale = draw.uniform(least, MAX_SCALE)
    return tuple(int(side * scale / CELL_PX + 0.5) * CELL_PX for side in bucket)


def _whole(scene: Scene, bucket: tuple[int, int], draw: np.random.RandomState) -> tuple[str, Ids, Array]:
    """Return a whole picture with its own size as ids, as the engine conditions a base."""
    return _random_phrase(scene, draw), (*bucket, 0, 0, *bucket), render(scene, bucket)


def _whole_as_large(
    scene: Scene, bucket: tuple[int, int], draw: np.random.RandomState
) -> tuple[str, Ids, Array]:
    """Return a whole picture with the ids of a larger one, as the published code conditions a base."""
    size = _random_stage_size(bucket, draw)
    return _random_phrase(scene, draw), (*size, 0, 0, *size), render(scene, bucket)


def _random_window(
    scene: Scene, draw: np.random.RandomState, min_offset: int
) -> tuple[tuple[int, int], tuple[int, int], Array]:
    """Cut a native square from a larger picture, whose aspect is that of a random bucket.

    Returns the size of the larger picture, the square's corner (top, left) at a multiple of CELL_PX, and the
    square itself. min_offset: px that the corner lies from (0, 0) at least.
    """
    bucket = BUCKETS[draw.randint(len(BUCKETS))]
    size = _random_stage_size(bucket, draw, least=NATIVE_SIDE / min(bucket))
    while True:
        corner = tuple(int(draw.randint((side - NATIVE_SIDE) // CELL_PX + 1)) * CELL_PX for side in size)
        if max(corner) >= min_offset or max(size) < NATIVE_SIDE + min_offset:
            return size, corner, render(scene, size, (*corner, NATIVE_SIDE, NATIVE_SIDE))


def _window(scene: Scene, bucket: tuple[int, int], draw: np.random.RandomState) -> tuple[str, Ids, Array]:
    """Return a window with the ids that the engine passes for its windows."""
    size, corner, picture = _random_window(scene, draw, 0)
    return _random_phrase(scene, draw), (*size, *corner, NATIVE_SIDE, NATIVE_SIDE), picture


def _published_window(
    scene: Scene, bucket: tuple[int, int], draw: np.random.RandomState
) -> tuple[str, Ids, Array]:
    """Return a window with the ids that the published code passes for its windows."""
    size, corner, picture = _random_window(scene, draw, MIN_CORNER_OFFSET)
    return _random_phrase(scene, draw), (*size, *corner, *size), picture


def _close_up(scene: Scene, bucket: tuple[int, int], draw: np.random.RandomState) -> tuple[str, Ids, Array]:
    """Return a native picture of one part of the subject, with a prompt that names the part."""
    seed = draw.randint(1 << 30)
    _, (_, _, side, _) = choose_close_up(scene, seed, (1024, 1024))
    large = min(int(1024 * NATIVE_SIDE / side + 0.5), 4096)
    prompt, (top, left, side, _) = choose_close_up(scene, seed, (large, large))
    corner = (min(max(0, place + (side - NATIVE_SIDE) // 2), large - NATIVE_SIDE) for place in (top, left))
    picture = render(scene, (large, large), (*corner, NATIVE_SIDE, NATIVE_SIDE))
    return prompt, (NATIVE_SIDE, NATIVE_SIDE, 0, 0, NATIVE_SIDE, NATIVE_SIDE), picture


# The function that makes the lessons of each kind.
LESSON_MAKERS = {
    "whole": _whole,
    "whole as large": _whole_as_large,
    "window": _window,
    "published window": _published_window,
    "close-up": _close_up,
}
