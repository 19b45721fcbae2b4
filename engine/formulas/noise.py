"""Random draws, each determined by a key of its own: to skip or repeat one draw changes no other draw."""

from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

# The shape of an array; for latents (1, channels, rows, columns).
Shape = tuple[int, ...]
# The smallest and the largest shift of a window on one axis, both included, in latent cells.
ShiftRange = tuple[int, int]


def random_stream(*key: int | str) -> np.random.RandomState:
    """Return a new random generator seeded by a hash of `key`.

    numpy promises for RandomState, not for its newer generators, that the numbers stay the same in all versions.
    """
    digest = sha256("/".join(map(str, key)).encode()).digest()
    return np.random.RandomState(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def keyed_normal(shape: Shape, *key: int | str) -> np.ndarray:
    """Return standard normal noise (float32) of a shape, determined by `key`."""
    return random_stream(*key).standard_normal(shape).astype(np.float32)


def draw_quarter_shift(*key: int | str) -> int:
    """Return a random shift for the windows of windowed attention: 0 to 3 quarters of a window's side."""
    return int(random_stream(*key, "shift").randint(4))


class Noise:
    """All the random draws of one run, determined by its seed.

    Noise is float32 of unit variance and of shape (1, channels, rows, columns). Stages are counted from 1, steps
    and views from 0.

    override: an object that replaces draws by those of its methods base(shape), stage(scale, shape),
    block(scale, shape), step(stage, i, shape) and jitter(stage, i, view). Draws for which the method is missing come
    from the seed.
    """

    def __init__(self, seed: int, override: object = None) -> None:
        self.seed = seed
        self.override: Any = override

    def base(self, shape: Shape) -> np.ndarray:
        """Return the noise that the first stage starts from."""
        if hasattr(self.override, "base"):
            return self._check_noise(self.override.base(shape), shape)
        return keyed_normal(shape, self.seed, "base", *shape)

    def stage(self, scale: float, shape: Shape) -> np.ndarray:
        """Return the noise that is added to the enlarged latent at the start of a later stage."""
        if hasattr(self.override, "stage"):
            return self._check_noise(self.override.stage(scale, shape), shape)
        return keyed_normal(shape, self.seed, "stage", *shape)

    def block(self, scale: float, shape: Shape) -> np.ndarray:
        """Return the white noise from which the block noise at the start of a later stage is made."""
        if hasattr(self.override, "block"):
            return self._check_noise(self.override.block(scale, shape), shape)
        return keyed_normal(shape, self.seed, "block", *shape)

    def step(self, stage: int, i: int, shape: Shape) -> np.ndarray:
        """Return the noise that a stochastic scheduler adds at denoising step `i` of a stage."""
        if hasattr(self.override, "step"):
            return self._check_noise(self.override.step(stage, i, shape), shape)
        return keyed_normal(shape, self.seed, "step", *shape, i)

    def jitter(
        self, stage: int, i: int, size: tuple[int, int], view: int, ranges: tuple[ShiftRange, ShiftRange]
    ) -> tuple[int, int]:
        """Return the random shift (down, right) of a window in latent cells at denoising step `i`.

        stage: the stage's number, which only `override` uses.
        size: rows and columns of the stage's canvas, which are part of the random key.
        view: the window's number at this step.
        ranges: the allowed shifts down and right; shifts are uniform over them.
        """
        if hasattr(self.override, "jitter"):
            moves = self.override.jitter(stage, i, view)
            down, right = (
                min(max(int(move), low), high) for move, (low, high) in zip(moves, ranges, strict=True)
            )
            return down, right
        if ranges == ((0, 0), (0, 0)):
            return 0, 0
        stream = random_stream(self.seed, "jitter", *size, i, view)
        down, right = (int(stream.randint(low, high + 1)) for low, high in ranges)
        return down, right

    @staticmethod
    def _check_noise(noise: ArrayLike, shape: Shape) -> np.ndarray:
        """Return noise from an override as float32; raise ValueError if its shape is not `shape`."""
        noise = np.asarray(noise, np.float32)
        if noise.shape != tuple(shape):
            raise ValueError(f"noise of shape {noise.shape} was given where {tuple(shape)} is needed")
        return noise
