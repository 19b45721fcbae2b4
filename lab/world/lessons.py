"""What Postcards is taught: pictures, their words, and the size ids that it will be told later.

Size ids decide what a model believes it draws. Each kind of lesson is one that some path of the engine asks
for: a native base, a base as the published code asks for it, our windows, published windows, and close-ups.
"""

from dataclasses import dataclass

import numpy as np

from lab.world.paint import Array
from lab.world.scenes import Scene, close_up, held_out, phrases, render, scene

NATIVE = 256
CELL = 8
# Equal areas, (height, width).
BUCKETS = ((256, 256), (224, 288), (288, 224), (192, 320), (320, 192), (176, 352), (352, 176))
MIX = {"whole": 0.35, "whole as large": 0.20, "window": 0.15, "published window": 0.15, "close-up": 0.15}
LARGEST = 4.0
EMPTY = 0.10
# A published window this near to the corner would carry the ids of a whole picture.
NEAR = 16

Ids = tuple[int, int, int, int, int, int]


@dataclass(frozen=True, eq=False)
class Lesson:
    """ids: original height, width; crop top, left; target height, width."""

    kind: str
    scene: Scene
    prompt: str
    ids: Ids
    picture: Array


def taught(seed: int, subjects: tuple[str, ...] = ()) -> Scene:
    """A scene that may be trained on, of any subject or of one of these."""
    for k in range(1000):
        one = scene(int(np.random.RandomState((seed * 1000 + k) % 2**32).randint(1 << 30)))
        if not held_out(one) and (not subjects or one.subject in subjects):
            return one
    raise AssertionError("every scene is held out")


def lesson(
    seed: int,
    bucket: tuple[int, int] = BUCKETS[0],
    kind: str | None = None,
    subjects: tuple[str, ...] = (),
) -> Lesson:
    """The lesson of a seed. Only the square bucket has windows and close-ups: they are native squares."""
    draw, one = np.random.RandomState(seed), taught(seed, subjects)
    kinds = list(MIX) if bucket == BUCKETS[0] else list(MIX)[:2]
    weights = np.array([MIX[name] for name in kinds])
    kind = kind or str(draw.choice(kinds, p=weights / weights.sum()))
    prompt, ids, picture = LESSONS[kind](one, bucket, draw)
    if draw.rand() < EMPTY:
        prompt = ""
    return Lesson(kind, one, prompt, ids, picture)


def _told(one: Scene, draw: np.random.RandomState) -> str:
    ways = phrases(one)
    return ways[draw.randint(len(ways))]


def _enlarged(bucket: tuple[int, int], draw: np.random.RandomState, least: float = 1.0) -> tuple[int, int]:
    """The size of some later stage over a base of this bucket, in whole cells."""
    times = draw.uniform(least, LARGEST)
    return tuple(int(side * times / CELL + 0.5) * CELL for side in bucket)


def _whole(one: Scene, bucket: tuple[int, int], draw: np.random.RandomState) -> tuple[str, Ids, Array]:
    return _told(one, draw), (*bucket, 0, 0, *bucket), render(one, bucket)


def _whole_as_large(
    one: Scene, bucket: tuple[int, int], draw: np.random.RandomState
) -> tuple[str, Ids, Array]:
    size = _enlarged(bucket, draw)
    return _told(one, draw), (*size, 0, 0, *size), render(one, bucket)


def _cut(
    one: Scene, draw: np.random.RandomState, apart: int
) -> tuple[tuple[int, int], tuple[int, int], Array]:
    """A native square of a larger picture of any bucket's aspect, its corner on the lattice of cells."""
    bucket = BUCKETS[draw.randint(len(BUCKETS))]
    size = _enlarged(bucket, draw, least=NATIVE / min(bucket))
    while True:
        corner = tuple(int(draw.randint((side - NATIVE) // CELL + 1)) * CELL for side in size)
        if max(corner) >= apart or max(size) < NATIVE + apart:
            return size, corner, render(one, size, (*corner, NATIVE, NATIVE))


def _window(one: Scene, bucket: tuple[int, int], draw: np.random.RandomState) -> tuple[str, Ids, Array]:
    size, corner, picture = _cut(one, draw, 0)
    return _told(one, draw), (*size, *corner, NATIVE, NATIVE), picture


def _published_window(
    one: Scene, bucket: tuple[int, int], draw: np.random.RandomState
) -> tuple[str, Ids, Array]:
    size, corner, picture = _cut(one, draw, NEAR)
    return _told(one, draw), (*size, *corner, *size), picture


def _close_up(one: Scene, bucket: tuple[int, int], draw: np.random.RandomState) -> tuple[str, Ids, Array]:
    part = draw.randint(1 << 30)
    _, (_, _, side, _) = close_up(one, part, (1024, 1024))
    large = min(int(1024 * NATIVE / side + 0.5), 4096)
    words, (top, left, side, _) = close_up(one, part, (large, large))
    corner = (min(max(0, place + (side - NATIVE) // 2), large - NATIVE) for place in (top, left))
    return (
        words,
        (NATIVE, NATIVE, 0, 0, NATIVE, NATIVE),
        render(one, (large, large), (*corner, NATIVE, NATIVE)),
    )


LESSONS = {
    "whole": _whole,
    "whole as large": _whole_as_large,
    "window": _window,
    "published window": _published_window,
    "close-up": _close_up,
}
