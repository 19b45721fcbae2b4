"""The crops of pictures that are measured: the same for all methods and for the truth."""

from engine.formulas.noise import random_stream
from lab.world.lessons import NATIVE_SIDE
from lab.world.paint import Array

# Crops of a picture, and the seed of their corners.
CROPS, CROP_SEED = 10, 0


def crop_corners(
    size: tuple[int, int], number: int, count: int = CROPS, seed: int = CROP_SEED, side: int = NATIVE_SIDE
) -> list[tuple[int, int]]:
    """Return the corners (top, left) of square crops, uniform over all that fit.

    number: the number of the picture. Pictures with the same number and size get the same corners.
    """
    corners = []
    for k in range(count):
        stream = random_stream(seed, "crop", number, k)
        corners.append((int(stream.randint(size[0] - side + 1)), int(stream.randint(size[1] - side + 1))))
    return corners


def crops(
    picture: Array, number: int, count: int = CROPS, seed: int = CROP_SEED, side: int = NATIVE_SIDE
) -> list[Array]:
    """Return the square crops of a picture with this number."""
    corners = crop_corners(picture.shape[:2], number, count, seed, side)
    return [picture[top : top + side, left : left + side] for top, left in corners]
