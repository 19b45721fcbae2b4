"""Random draws that are pure functions of their keys: leaving out or repeating one draw changes no other."""

from hashlib import sha256
from typing import Any

import numpy as np

# Of an array: (1, channels, rows, columns) for latents.
Shape = tuple[int, ...]
# The least and the greatest value, both included.
Range = tuple[int, int]


def random_stream(*key: int | str) -> np.random.RandomState:
    """Return a fresh random generator that is seeded by a hash of this key.

    It is a RandomState because numpy promises that its numbers never change between versions.
    """
    digest = sha256("/".join(map(str, key)).encode()).digest()
    return np.random.RandomState(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def keyed_normal(shape: Shape, *key: int | str) -> np.ndarray:
    """Draw standard normal noise (float32) of this shape, determined by the key alone."""
    return random_stream(*key).standard_normal(shape).astype(np.float32)


def draw_quarter_shift(*key: int | str) -> int:
    """Draw the shift of windowed attention's windows, in quarters of a window's side: 0 to 3."""
    return int(random_stream(*key, "shift").randint(4))


class Noise:
    """All the random draws of one run, determined by its seed.

    A caller may replace draws by an object `override` that has any of the methods base(shape),
    stage(scale, shape), step(stage, i, shape) and jitter(stage, i, view). Draws for which it has no method
    come from the seed. Noise is float32 of unit variance and of shape (1, channels, rows, columns); stages
    are counted from 1, steps from 0.
    """

    def __init__(self, seed: int, override: Any = None) -> None:
        self.seed = seed
        self.override = override

    def base(self, shape: Shape) -> np.ndarray:
        """Draw the noise that the base stage starts from."""
        if hasattr(self.override, "base"):
            return self._checked(self.override.base(shape), shape)
        return keyed_normal(shape, self.seed, "base", *shape)

    def stage(self, scale: float, shape: Shape) -> np.ndarray:
        """Draw the noise that is added to the enlarged picture at the start of a later stage."""
        if hasattr(self.override, "stage"):
            return self._checked(self.override.stage(scale, shape), shape)
        return keyed_normal(shape, self.seed, "stage", *shape)

    def step(self, stage: int, i: int, shape: Shape) -> np.ndarray:
        """Draw the noise that a stochastic scheduler adds at step i of a stage."""
        if hasattr(self.override, "step"):
            return self._checked(self.override.step(stage, i, shape), shape)
        return keyed_normal(shape, self.seed, "step", *shape, i)

    def jitter(
        self, stage: int, i: int, size: tuple[int, int], view: int, ranges: tuple[Range, Range]
    ) -> tuple[int, int]:
        """Draw how many latent cells (down, right) a window is moved at step i, uniform over both ranges.

        stage: the stage's number; only `override` depends on it.
        size: rows and columns of the stage's canvas, which are part of the key.
        view: the window's number at this step.
        ranges: allowed moves down and right.
        """
        if hasattr(self.override, "jitter"):
            moves = self.override.jitter(stage, i, view)
            return tuple(
                min(max(int(move), low), high) for move, (low, high) in zip(moves, ranges, strict=True)
            )
        if ranges == ((0, 0), (0, 0)):
            return 0, 0
        stream = random_stream(self.seed, "jitter", *size, i, view)
        return tuple(int(stream.randint(low, high + 1)) for low, high in ranges)

    @staticmethod
    def _checked(noise: Any, shape: Shape) -> np.ndarray:
        """Return an override's noise as float32; raise ValueError if it is not of the required shape."""
        noise = np.asarray(noise, np.float32)
        if noise.shape != tuple(shape):
            raise ValueError(f"noise of shape {noise.shape} was given where {tuple(shape)} is needed")
        return noise
