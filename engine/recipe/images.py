"""Start pictures: any file as upright pixels of 8 bits, their digest, and how they fill a stage. No torch.

Sizes are (height, width) px, of the picture as it is seen.
"""

import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256

import numpy as np
from PIL import ExifTags, Image
from PIL.Image import Transpose

from engine import errors
from engine.errors import BadRecipe, short

Given = str | os.PathLike[str]
Size = tuple[int, int]

LARGEST = 40_000_000
"""px of a start picture."""
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is read. Pillow knows more, among them formats that are programs or that other programs draw."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE, 6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90,
}  # fmt: skip


def is_digest(given: object) -> bool:
    return isinstance(given, str) and _DIGEST.fullmatch(given) is not None


def read(path: Given) -> Image.Image:
    """Upright, RGB, 8 bits: alpha lies on white, of several frames the first counts; else BadRecipe."""
    with _opened(path) as picture:
        turn = _turn(picture)
        plain = _coloured(picture)
        plain = plain if turn is None else plain.transpose(turn)
        plain.info = {}  # Nothing else that the file carried goes on with its pixels.
        return plain


def measure(path: Given) -> Size:
    """The size that `read` would give, from the head of the file alone."""
    return _measure(*_state(path))


def digest(given: Given) -> str:
    """sha256 of what `read` gives; a digest is its own."""
    return given if is_digest(given) else _digest(*_state(given))


def part(whole: Size, shape: Size) -> tuple[float, float, float, float]:
    """The largest central part that has this shape: left, top, right, bottom."""
    share = min(whole[0] / shape[0], whole[1] / shape[1])
    top, left = (whole[0] - shape[0] * share) / 2, (whole[1] - shape[1] * share) / 2
    return left, top, whole[1] - left, whole[0] - top


def pixels(whole: Size, shape: Size) -> float:
    """How many there are in that part."""
    left, top, right, bottom = part(whole, shape)
    return (right - left) * (bottom - top)


def filling(
    picture: Image.Image, size: Size, sharpness: Image.Resampling = Image.Resampling.LANCZOS
) -> Image.Image:
    """The picture at this size: what is too long is cut off at both ends, nothing is stretched or added."""
    box = part((picture.height, picture.width), size)
    return picture.resize((size[1], size[0]), sharpness, box=box)


def _state(path: Given) -> tuple[str, int, int]:
    """The path, and what changes with the file's content: results are remembered by it."""
    try:
        about = os.stat(path)
    except (OSError, ValueError) as fault:
        raise _unreadable(path) from fault
    return os.path.abspath(path), about.st_mtime_ns, about.st_size


@lru_cache(maxsize=256)
def _measure(path: str, changed: int, length: int) -> Size:
    with _opened(path) as picture:
        turned = _turn(picture) in (_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8])
        return picture.size if turned else picture.size[::-1]


@lru_cache(maxsize=256)
def _digest(path: str, changed: int, length: int) -> str:
    picture = read(path)
    told = sha256(f"{picture.height}x{picture.width}".encode())
    told.update(picture.tobytes())
    return f"sha256:{told.hexdigest()}"


def _unreadable(path: Given) -> BadRecipe:
    name = short(os.path.basename(os.fspath(path)))
    return BadRecipe("image", errors.PICTURE_UNREADABLE.format(name=name))


@contextmanager
def _opened(path: Given) -> Iterator[Image.Image]:
    """A picture file of which only the head is read yet; what is wrong with it is a sentence."""
    large = BadRecipe("image", errors.PICTURE_LARGE.format(limit=LARGEST // 10**6))
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # A pipe would be waited for.
            raise _unreadable(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as picture:
                if picture.width * picture.height > LARGEST:
                    raise large
                yield picture
    except BadRecipe:
        raise
    except Image.DecompressionBombError:
        raise large from None
    except Exception as fault:
        raise _unreadable(path) from fault


def _turn(picture: Image.Image) -> Transpose | None:
    """How a camera says that its picture is to be turned. What a file says of itself may be anything."""
    if picture.format == "TIFF":  # Pillow turns these as it reads them.
        return None
    try:
        # Not the format's own way, which for PNG would read all pixels.
        return _TURNS.get(Image.Image.getexif(picture).get(ExifTags.Base.Orientation))
    except Exception:
        return None


def _coloured(picture: Image.Image) -> Image.Image:
    """RGB of 8 bits, of any mode."""
    picture = _eight_bits(picture)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    seen = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Deep grey as grey of 8 bits; Pillow would cut it off at 255."""
    if picture.mode[0] not in "IF":
        return picture
    levels = np.nan_to_num(np.asarray(picture, np.float32), posinf=0.0, neginf=0.0)
    most = float(levels.max(initial=0.0))
    whites = (65535.0,) if ";" in picture.mode else (1.0, 255.0, 65535.0)
    white = next((white for white in whites[picture.mode == "I" :] if white >= most), most)
    return Image.fromarray(np.clip(levels * (255 / white) + 0.5, 0, 255).astype(np.uint8))
