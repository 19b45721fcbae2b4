"""Reading any image file as upright RGB of 8 bits, its digest, and how it is cropped."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from engine import BadRecipe, errors
from engine.errors import short_repr
from engine.recipe import images

UNREADABLE = errors.PICTURE_UNREADABLE.format(name=short_repr("picture"))
LARGE = errors.PICTURE_TOO_LARGE.format(limit=40)


def save_file(folder, image, format="PNG", **more):
    image.save(folder / "picture", format, **more)
    return folder / "picture"


def colours(path):
    return np.asarray(images.read(path)).reshape(-1, 3).tolist()


def corners():
    """Draw a picture of 6 x 4 px with the corners red, green, blue and white."""
    image = Image.new("RGB", (6, 4))
    for (x, y), colour in zip([(0, 0), (5, 0), (0, 3), (5, 3)], CORNERS, strict=True):
        image.putpixel((x, y), colour)
    return image


CORNERS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
# By EXIF orientation: which stored corner is displayed upper left, upper right, lower left and lower right.
AS_STORED = [
    (1, "0123"), (2, "1032"), (3, "3210"), (4, "2301"), (5, "0213"), (6, "2031"), (7, "3120"), (8, "1302"),
]  # fmt: skip


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize(("orientation", "displayed"), AS_STORED)
def test_a_picture_is_rotated_by_its_exif_orientation(orientation, displayed, format, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save_file(tmp_path, corners(), format, exif=exif)
    height, width = (4, 6) if orientation < 5 else (6, 4)
    upright = images.read(path)
    places = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)]
    assert [upright.getpixel(place) for place in places] == [CORNERS[int(n)] for n in displayed]
    assert images.measure(path) == (upright.height, upright.width) == (height, width)


def test_invalid_exif_is_ignored(tmp_path):
    path = save_file(tmp_path, corners(), exif=b"Exif\0\0MM\0*\0\0\0\x08half")
    assert images.read(path).tobytes() == corners().tobytes()


@pytest.mark.parametrize(
    ("mode", "colour"),
    [("RGBA", (200, 0, 0, 0)), ("LA", (9, 0)), ("PA", (0, 0))],
)
def test_transparent_pixels_become_white(mode, colour, tmp_path):
    image = Image.new(mode, (1, 1), colour)
    assert colours(save_file(tmp_path, image, "TIFF")) == [[255, 255, 255]]


def test_half_transparent_pixels_are_blended_with_white(tmp_path):
    assert colours(save_file(tmp_path, Image.new("RGBA", (1, 1), (200, 0, 0, 51)))) == [[244, 204, 204]]


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_transparent_palette_colour_becomes_white(mode, tmp_path):
    image = Image.new("RGB", (2, 1), "black").convert(mode)
    image.putpixel((0, 0), (255, 0, 0) if mode != "L" else 76)
    black = image.getpixel((1, 0))
    displayed = colours(save_file(tmp_path, image, transparency=black))
    assert displayed == [[76, 76, 76] if mode == "L" else [255, 0, 0], [255, 255, 255]]


def test_cmyk_becomes_rgb(tmp_path):
    image = Image.new("CMYK", (1, 1), (0, 255, 255, 0))
    assert colours(save_file(tmp_path, image, "TIFF")) == [[255, 0, 0]]


@pytest.mark.parametrize(
    ("values", "displayed"),
    [
        (np.array([[0, 257, 20000, 65535]], np.uint16), [0, 1, 78, 255]),
        (np.array([[0, 257, 20000, 65535]], np.int32), [0, 1, 78, 255]),
        (np.array([[0, 1, 78, 255]], np.int32), [0, 1, 78, 255]),
        (np.array([[0, 1, 3]], np.uint16), [0, 0, 0]),
        (np.array([[-5, 0, 50_000, 200_000]], np.int32), [0, 0, 64, 255]),
        (np.array([[0, 0.25, 1]], np.float32), [0, 64, 255]),
        (np.array([[0, 64, 255]], np.float32), [0, 64, 255]),
        (np.array([[np.nan, -np.inf, 0, 1]], np.float32), [0, 0, 0, 255]),
    ],
)
def test_greys_of_16_bits_keep_their_tones(values, displayed, tmp_path):
    path = save_file(tmp_path, Image.fromarray(values), "TIFF")
    assert colours(path) == [[grey] * 3 for grey in displayed]


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_of_several_frames_is_read(format, tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    lossless = {"lossless": True} if format == "WEBP" else {}
    path = save_file(tmp_path, frames[0], format, save_all=True, append_images=frames[1:], **lossless)
    assert colours(path) == [[255, 0, 0]] * 64


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "LAB"])
def test_any_mode_becomes_rgb_without_metadata(mode, tmp_path):
    path = save_file(tmp_path, Image.new(mode, (6, 4)), "TIFF", description="secret", icc_profile=b"profile")
    read = images.read(path)
    assert (read.mode, read.size, read.info) == ("RGB", (6, 4), {})


def test_the_digest_depends_on_displayed_pixels_alone(tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    first = images.digest(save_file(tmp_path / "a", corners()))
    assert images.is_digest(first)
    assert images.digest(first) == first
    assert images.digest(save_file(tmp_path / "b", corners(), "TIFF", description="else")) == first
    assert images.digest(save_file(tmp_path / "b", corners().rotate(180))) != first


def test_the_digest_depends_on_the_shape(tmp_path):
    lying, standing = (
        images.digest(save_file(tmp_path, Image.new("RGB", size))) for size in ((6, 4), (4, 6))
    )
    assert lying != standing


def test_a_changed_file_is_read_again(tmp_path):
    before = images.digest(save_file(tmp_path, Image.new("RGB", (6, 4))))
    os.utime(path := save_file(tmp_path, Image.new("RGB", (4, 6), "red")), ns=(1, 1))
    assert images.digest(path) != before
    assert images.measure(path) == (6, 4)


def png(width, height, pixels=b""):
    """Make a PNG whose header claims this size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def noise():
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(buffer, "JPEG")
    return buffer.getvalue()


def drawing():
    """Make a picture in EPS, which another program would have to render."""
    buffer = io.BytesIO()
    ImageDraw.Draw(image := Image.new("RGB", (8, 8))).line((0, 0, 7, 7))
    image.save(buffer, "EPS")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", UNREADABLE),
        (b"not a picture", UNREADABLE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", UNREADABLE),
        (png(64, 64, b"\0" * 99), UNREADABLE),
        (noise()[:700], UNREADABLE),
        (drawing(), UNREADABLE),
        (png(8000, 5001), LARGE),
        (png(20_000, 20_000), LARGE),
        (png(2**31 - 1, 2**31 - 1), LARGE),
    ],
    ids=["empty", "text", "svg", "few pixels", "cut off", "eps", "40 Mpx", "bomb", "great bomb"],
)
def test_an_unusable_file_is_refused_in_a_sentence(data, sentence, tmp_path):
    (tmp_path / "picture").write_bytes(data)
    with pytest.raises(BadRecipe) as fault:
        images.read(tmp_path / "picture")
    assert (fault.value.field, fault.value.sentence) == ("image", sentence)


def test_a_picture_that_is_too_large_is_refused_before_its_pixels_are_read(tmp_path):
    (tmp_path / "picture").write_bytes(png(8000, 5000))
    assert images.measure(tmp_path / "picture") == (5000, 8000)
    (tmp_path / "picture").write_bytes(png(8000, 5001))
    with pytest.raises(BadRecipe, match="40 megapixels"):
        images.measure(tmp_path / "picture")


def test_a_path_that_is_no_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "picture")
    for path in (tmp_path / "picture", tmp_path, tmp_path / "nothing", "https://example.org/a.png", "\ud800"):
        with pytest.raises(BadRecipe, match="could not be read"):
            images.digest(path)


@pytest.mark.parametrize(
    ("whole", "shape", "box"),
    [
        ((400, 600), (100, 100), (100, 0, 500, 400)),
        ((600, 400), (10, 10), (0, 100, 400, 500)),
        ((400, 600), (1024, 1536), (0, 0, 600, 400)),
        ((100, 1000), (100, 400), (300, 0, 700, 100)),
    ],
)
def test_the_crop_to_a_shape_is_central_and_as_large_as_possible(whole, shape, box):
    assert images.find_crop(whole, shape) == box
    assert images.count_crop_pixels(whole, shape) == (box[2] - box[0]) * (box[3] - box[1])


@pytest.mark.parametrize("size", [(64, 64), (64, 96), (200, 160), (8, 8)])
def test_a_cropped_picture_has_no_bars_and_is_not_stretched(size):
    disc = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(disc).ellipse((100, 50, 200, 150), "black")
    filled = images.crop_to_fill(disc, size)
    assert (filled.height, filled.width) == size
    dark = np.asarray(filled.convert("L")) < 128
    assert abs(int(dark.any(1).sum()) - int(dark.any(0).sum())) <= 1
    rim = np.concatenate([dark[0], dark[-1], dark[:, 0], dark[:, -1]])
    assert dark.any()
    assert not rim.any()


def test_shrinking_averages_fine_patterns():
    board = Image.fromarray((np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)).convert("RGB")
    grey = np.asarray(images.crop_to_fill(board, (32, 32)))[4:-4, 4:-4]
    assert grey.min() >= 126
    assert grey.max() <= 129
