"""Every random draw is a pure function of its key: leaving out or repeating one changes no other."""

from hashlib import sha256
from typing import Any

import numpy as np

Shape = tuple[int, ...]
Range = tuple[int, int]


def random_stream(*key: int | str) -> np.random.RandomState:
    """A fresh stream for this key. RandomState, because numpy promises that its numbers never change."""
    digest = sha256("/".join(map(str, key)).encode()).digest()
    return np.random.RandomState(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def keyed_normal(shape: Shape, *key: int | str) -> np.ndarray:
    return random_stream(*key).standard_normal(shape).astype(np.float32)


def draw_quarter_shift(*key: int | str) -> int:
    """By how many quarters of its side a map is rolled: 0 to 3."""
    return int(random_stream(*key, "shift").randint(4))


class Noise:
    """All the draws of one run. What `given` can answer it answers; the seed does the rest.

    given may have base(shape), stage(scale, shape), step(stage, i, shape), jitter(stage, i, view).
    Shapes are (1, C, rows, cols), unit variance, float32; stages count from 1.
    """

    def __init__(self, seed: int, given: Any = None) -> None:
        self.seed = seed
        self.given = given

    def base(self, shape: Shape) -> np.ndarray:
        if hasattr(self.given, "base"):
            return self._taken(self.given.base(shape), shape)
        return keyed_normal(shape, self.seed, "base", *shape)

    def stage(self, scale: float, shape: Shape) -> np.ndarray:
        if hasattr(self.given, "stage"):
            return self._taken(self.given.stage(scale, shape), shape)
        return keyed_normal(shape, self.seed, "stage", *shape)

    def step(self, stage: int, i: int, shape: Shape) -> np.ndarray:
        if hasattr(self.given, "step"):
            return self._taken(self.given.step(stage, i, shape), shape)
        return keyed_normal(shape, self.seed, "step", *shape, i)

    def jitter(
        self, stage: int, i: int, size: tuple[int, int], view: int, ranges: tuple[Range, Range]
    ) -> tuple[int, int]:
        """Cells by which a view of a stage of this size moves at step i; uniform over each axis's range."""
        if hasattr(self.given, "jitter"):
            asked = self.given.jitter(stage, i, view)
            return tuple(min(max(int(a), low), high) for a, (low, high) in zip(asked, ranges, strict=True))
        if ranges == ((0, 0), (0, 0)):
            return 0, 0
        draw = random_stream(self.seed, "jitter", *size, i, view)
        return tuple(int(draw.randint(low, high + 1)) for low, high in ranges)

    @staticmethod
    def _taken(drawn: Any, shape: Shape) -> np.ndarray:
        drawn = np.asarray(drawn, np.float32)
        if drawn.shape != tuple(shape):
            raise ValueError(f"noise of shape {drawn.shape} was given where {tuple(shape)} is needed")
        return drawn
