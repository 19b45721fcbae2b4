"""Which image files are opened: ordinary ones of each format, and none that is made to cost a decoder much."""

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image, features

from engine.recipe.image_headers import UnusualImage, find_format

ORDINARY = ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM"] + ["AVIF"] * features.check("avif")
PNG_START = b"\x89PNG\r\n\x1a\n"
GIF_START = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0)


def chunk(kind, data=b""):
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bmp(compression):
    """Return the header of a BMP."""
    return b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, 40_000_000, 1, 1, 8, compression) + bytes(20)


def ordinary(name, mode="RGB", **options):
    """Return a small image in a format."""
    file = BytesIO()
    Image.new(mode, (8, 8), 100).save(file, name, **options)
    return file.getvalue()


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_file_is_opened_from_its_beginning(name):
    file = BytesIO(ordinary(name))
    assert find_format(file) == name
    assert file.tell() == 0


@pytest.mark.parametrize(
    "data",
    [
        ordinary("GIF", "P", comment=b"made by hand"),
        ordinary("JPEG", progressive=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
        ordinary("PNG", pnginfo=None, dpi=(72, 72)),
        b"P6 # by hand\n8 8 # px\n255\n" + bytes(192),
    ],
    ids=["gif with a comment", "progressive jpeg with exif", "png with a resolution", "ppm with comments"],
)
def test_usual_extras_are_taken(data):
    assert find_format(BytesIO(data)) in ("GIF", "JPEG", "PNG", "PPM")


@pytest.mark.parametrize(
    "data",
    [
        bmp(compression=1) + b"\0\2\0\xff",
        bmp(compression=2),
        GIF_START + b"!\xfe" + b"\1x" * 400_000 + b"\0,",
        GIF_START + b"!\xfe" + (b"\xff" + b"x" * 255) * 5_000 + b"\0,",
        b"\xff\xd8" + b"\xff" * 100_000 + b"\xda",
        b"\xff\xd8" + b"\xff\xfe\0\2" * 100_000 + b"\xff\xda",
        PNG_START + chunk(b"IHDR", bytes(13)) + chunk(b"teXt") * 30_000,
        PNG_START + chunk(b"IHDR", bytes(13)) + chunk(b"iCCP") * 101,
        b"\xff\xd8" + 300 * (b"\xff\xe1\xff\xff" + bytes(0xFFFD)) + b"\xff\xda",
        b"\xff\xd8" + 101 * b"\xff\xda\0\2x",
        b"P6\n8 8\n65535\n" + bytes(384),
        b"P6\n#" + b"x" * 2000 + b"\n8 8\n255\n" + bytes(192),
        b"II*\0" + struct.pack("<IH", 8, 65_535),
        b"P3\n8 8\n255\n" + b"1 " * 192,
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"/* XPM */",
        b"\0\0\1\0\1\0",
        b"",
    ],
    ids=[
        "bmp of runs of 8 bits",
        "bmp of runs of 4 bits",
        "gif with a comment of many blocks",
        "gif with a long comment",
        "jpeg with filling",
        "jpeg of many comments",
        "png of many chunks",
        "png of many colour profiles",
        "jpeg of long segments",
        "jpeg of many scans",
        "ppm of 16 bits",
        "ppm with a long comment",
        "tiff of many tags",
        "ppm in text",
        "eps",
        "xpm",
        "icon",
        "empty",
    ],
)
def test_a_file_made_to_cost_much_is_refused(data):
    with pytest.raises(UnusualImage):
        find_format(BytesIO(data))


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "TIFF", "BMP"])
def test_a_file_cut_short_anywhere_in_its_headers_raises_nothing_else(name):
    whole = ordinary(name)
    for length in range(min(len(whole), 200)):
        try:
            find_format(BytesIO(whole[:length]))
        except UnusualImage:
            continue
