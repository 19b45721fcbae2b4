"""Read the images of a recipe as upright RGB, compute their digests, and crop them. No torch.

Sizes are (height, width) in px, of the image after it was turned upright.
"""

import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from typing import TypeGuard

import numpy as np
from PIL import ExifTags, Image
from PIL.Image import Transpose

from engine import errors
from engine.errors import BadRecipe, short_repr
from engine.recipe.image_headers import find_format

# The path of an image file.
ImagePath = str | os.PathLike[str]
# (height, width) in px.
Size = tuple[int, int]
# A file's absolute path, modification time and length, which together are a key of its content.
_FileState = tuple[str, int, int]

# The largest image that is read, in px.
MAX_PIXELS = 40_000_000
# The number of files whose digests are remembered.
MAX_KNOWN_DIGESTS = 256
# Digests of files, the oldest first.
_known_digests: dict[_FileState, str] = {}
_known_digests_lock = threading.Lock()
# The form of an image's digest.
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# The EXIF orientation of an image that is upright.
UPRIGHT = 1
# The transposition that turns an image upright, by the image's EXIF orientation.
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE, 6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90,
}  # fmt: skip
# The transpositions that swap height and width.
_SIDE_SWAPPING_TURNS = (_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8])


def is_digest(value: object) -> TypeGuard[str]:
    """Return whether a value is a digest of an image rather than a path."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def read(path: ImagePath) -> Image.Image:
    """Read an image file as upright RGB of 8 bits; raise BadRecipe if the file cannot be read.

    Transparent px become white. If the file has several frames, the first one is read.
    """
    with _open(path) as image:
        turn = _find_turn(image)
        rgb = _to_rgb(image)
        upright = rgb if turn is None else rgb.transpose(turn)
        upright.info = {}  # Drop all metadata of the file.
        return upright


def measure(path: ImagePath) -> Size:
    """Return the (height, width) of the image that `read` would return; only the file's header is read."""
    return _measure(*_file_state(path))


def digest(image: ImagePath) -> str:
    """Return the digest of an image's px, "sha256:" and hex digits. Files with equal px have equal digests.

    image: a path, or a digest, which is returned unchanged.
    """
    if is_digest(image):
        return str(image)
    state = _file_state(image)
    return _known_digests.get(state) or remember_digest(image, digest_of(read(image)))


def digest_of(image: Image.Image) -> str:
    """Return the digest of an image that `read` has returned."""
    hashed = sha256(f"{image.height}x{image.width}".encode())
    hashed.update(image.tobytes())
    return f"sha256:{hashed.hexdigest()}"


def remember_digest(path: ImagePath, known: str) -> str:
    """Return a file's known digest, and remember it, so that `digest` need not read the file."""
    state = _file_state(path)
    with _known_digests_lock:
        while len(_known_digests) >= MAX_KNOWN_DIGESTS:
            del _known_digests[next(iter(_known_digests))]
        _known_digests[state] = known
    return known


def find_crop(size: Size, target: Size) -> tuple[float, float, float, float]:
    """Return the largest centered crop (left, top, right, bottom), in px, with the aspect ratio of a target size.

    size: the image's size.    target: the target size.
    """
    scale = min(size[0] / target[0], size[1] / target[1])
    top = (size[0] - target[0] * scale) / 2
    left = (size[1] - target[1] * scale) / 2
    return left, top, size[1] - left, size[0] - top


def count_crop_pixels(size: Size, target: Size) -> float:
    """Return the number of px in the crop that `find_crop(size, target)` returns."""
    left, top, right, bottom = find_crop(size, target)
    return (right - left) * (bottom - top)


def crop_size(size: Size, target: Size) -> Size:
    """Return the (height, width) of the crop that `find_crop(size, target)` returns, in whole px."""
    left, top, right, bottom = find_crop(size, target)
    return max(1, round(bottom - top)), max(1, round(right - left))


def crop(image: Image.Image, target: Size) -> Image.Image:
    """Crop an image centrally to the aspect ratio of a target size, without resizing it."""
    height, width = crop_size((image.height, image.width), target)
    left, top, *_ = find_crop((image.height, image.width), target)
    left, top = min(round(left), image.width - width), min(round(top), image.height - height)
    return image.crop((left, top, left + width, top + height))


def crop_to_fill(
    image: Image.Image, size: Size, resampling: Image.Resampling = Image.Resampling.LANCZOS
) -> Image.Image:
    """Crop an image centrally to the aspect ratio of a size, and resize it to that size."""
    crop = find_crop((image.height, image.width), size)
    return image.resize((size[1], size[0]), resampling, box=crop)


def _file_state(path: ImagePath) -> _FileState:
    """Return the state of a file; raise BadRecipe if there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as fault:
        raise _unreadable(path) from fault
    return os.path.abspath(path), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=256)
def _measure(path: str, modified: int, length: int) -> Size:
    """Return the size of an image. Modification time and length are only part of the cache key."""
    with _open(path) as image:
        width, height = image.size
        return (width, height) if _find_turn(image) in _SIDE_SWAPPING_TURNS else (height, width)


def _unreadable(path: ImagePath) -> BadRecipe:
    """Return the error for a file that cannot be read as an image."""
    name = short_repr(os.path.basename(os.fspath(path)))
    return BadRecipe("image", errors.PICTURE_UNREADABLE.format(name=name))


@contextmanager
def _open(path: ImagePath) -> Iterator[Image.Image]:
    """Context manager that opens an image file and reads only its header.

    All errors, also those inside the with statement, are raised as BadRecipe.
    """
    too_large = BadRecipe("image", errors.PICTURE_TOO_LARGE.format(limit=MAX_PIXELS // 10**6))
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # Opening a pipe would block.
            raise _unreadable(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open(path, "rb") as file, Image.open(file, formats=[find_format(file)]) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise too_large
                yield image
    except BadRecipe:
        raise
    except Image.DecompressionBombError:
        raise too_large from None
    except Exception as fault:
        raise _unreadable(path) from fault


def _find_turn(image: Image.Image) -> Transpose | None:
    """Return the transposition that turns an image upright, from its EXIF orientation; None if it is upright."""
    if image.format == "TIFF":  # Pillow turns TIFF files upright when it reads them.
        return None
    try:
        # Image.getexif, because for PNG the format's own getexif would read all px.
        return _TURNS.get(Image.Image.getexif(image).get(ExifTags.Base.Orientation, UPRIGHT))
    except Exception:  # EXIF data may be malformed in any way.
        return None


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB of 8 bits, on a white background."""
    image = _to_eight_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Convert a grey image of integers or floats to 8 bits; return other images unchanged.

    Pillow's own conversion would clip the greys at 255.
    """
    if image.mode[0] not in "IF":
        return image
    levels = np.nan_to_num(np.asarray(image, np.float32), posinf=0.0, neginf=0.0)
    white = _white_level(image.mode, float(levels.max(initial=0.0)))
    return Image.fromarray(np.clip(levels * (255 / white) + 0.5, 0, 255).astype(np.uint8))


def _white_level(mode: str, largest: float) -> float:
    """Return the value of white in a grey image: the smallest usual maximum that is at least `largest`.

    mode: the image's mode in Pillow.    largest: the image's largest value.
    """
    if ";" in mode:  # Such as "I;16".
        usual = [65535.0]
    elif mode == "I":
        usual = [255.0, 65535.0]
    else:
        usual = [1.0, 255.0, 65535.0]
    return next((white for white in usual if white >= largest), largest)
