"""Check the headers of an image file before Pillow opens it. No torch, no Pillow.

A small file can cost a decoder minutes or gigabytes: a compressed BMP that skips over millions of rows, a GIF with a
comment of millions of blocks, a JPEG or PNG of millions of empty parts. Here a file's format is found from its first
bytes, and the parts before its px are counted.
"""

import re
from collections.abc import Callable
from struct import unpack
from typing import BinaryIO

# The largest number of parts (chunks of a PNG, segments of a JPEG, blocks of a GIF's extensions) before the px end.
MAX_PARTS = 20_000
# The largest number of chunks of a PNG that Pillow decompresses although they are no px.
MAX_COMPRESSED_CHUNKS = 100
COMPRESSED_CHUNKS = (b"iCCP", b"zTXt", b"iTXt")
# The most bytes of filling between two segments of a JPEG, in all.
MAX_FILLING = 4096
# The most scans of a JPEG; a progressive one has about ten. Pillow decodes all px once for each.
MAX_SCANS = 100
# The most bytes of the segments before a JPEG's first scan, in all.
MAX_SEGMENT_BYTES = 16 << 20
# The header of a PPM with numbers of 8 bits, which Pillow decodes without a loop over px. It may contain comments.
PPM_HEADER = re.compile(rb"P[56](?:\s+(?:#[^\n]*\n\s*)*\d{1,5}){2}\s+(?:#[^\n]*\n\s*)*255\s")
MAX_PPM_HEADER = 1024
# The most bytes of comments and other extensions before the first frame of a GIF.
MAX_EXTENSION_BYTES = 1 << 20
# The most tags in the first directory of a TIFF.
MAX_TIFF_TAGS = 1000
# The values of a BMP's compression field that mean plain px.
PLAIN_BMP = (0, 3, 6)


class UnusualImage(Exception):
    """A file is of no known format, or its headers are broken or too long."""


def find_format(file: BinaryIO) -> str:
    """Return Pillow's name of an image file's format, after checking the headers; raise UnusualImage.

    file: the file, opened at its beginning in binary mode.
    """
    start = file.read(32)
    for name, is_format, check in FORMATS:
        if is_format(start):
            file.seek(0)
            check(file)
            file.seek(0)
            return name
    raise UnusualImage("no known format")


def _read(file: BinaryIO, count: int) -> bytes:
    """Read exactly `count` bytes; raise UnusualImage at the end of the file."""
    read = file.read(count)
    if len(read) < count:
        raise UnusualImage("the file ends early")
    return read


def _check_nothing(file: BinaryIO) -> None:
    """Accept the file: its format has no lists of parts before the px."""


def _check_png(file: BinaryIO) -> None:
    """Count the chunks of a PNG up to its end, as Pillow reads them."""
    file.seek(8)
    compressed = 0
    for _ in range(MAX_PARTS):
        header = file.read(8)
        if len(header) < 8:
            return
        length, kind = unpack(">I4s", header)
        if kind == b"IEND":
            return
        compressed += kind in COMPRESSED_CHUNKS
        if compressed > MAX_COMPRESSED_CHUNKS:
            break
        file.seek(length + 4, 1)
    raise UnusualImage("too many chunks")


def _check_jpeg(file: BinaryIO) -> None:
    """Count the segments of a JPEG before its first scan."""
    file.seek(2)
    filling = total = 0
    for _ in range(MAX_PARTS // 10):
        if _read(file, 1) != b"\xff":
            raise UnusualImage("no marker")
        marker = _read(file, 1)[0]
        while marker == 0xFF:
            filling += 1
            if filling > MAX_FILLING:
                raise UnusualImage("too much filling")
            marker = _read(file, 1)[0]
        if marker == 0xDA:
            _count_scans(file)
            return
        if 0xD0 <= marker <= 0xD9 or marker == 0x01:
            continue
        (length,) = unpack(">H", _read(file, 2))
        if length < 2:
            raise UnusualImage("a segment without its length")
        total += length
        if total > MAX_SEGMENT_BYTES:
            raise UnusualImage("too long segments")
        file.seek(length - 2, 1)
    raise UnusualImage("too many segments")


def _count_scans(file: BinaryIO) -> None:
    """Count the scans of a JPEG from the first one on. In the data of a scan, 0xFF is never followed by 0xDA."""
    if file.read().count(b"\xff\xda") >= MAX_SCANS:
        raise UnusualImage("too many scans")


def _check_ppm(file: BinaryIO) -> None:
    """Accept only a PPM whose header is short, and whose numbers have 8 bits."""
    if not PPM_HEADER.match(file.read(MAX_PPM_HEADER)):
        raise UnusualImage("an unusual PPM")


def _check_gif(file: BinaryIO) -> None:
    """Count the blocks and bytes of the extensions before a GIF's first frame."""
    header = _read(file, 13)
    if header[10] & 0x80:
        file.seek(3 << ((header[10] & 7) + 1), 1)
    blocks = total = 0
    while True:
        kind = _read(file, 1)
        if kind == b",":
            return
        if kind != b"!":
            raise UnusualImage("no frame")
        _read(file, 1)
        while size := _read(file, 1)[0]:
            file.seek(size, 1)
            blocks, total = blocks + 1, total + size
            if blocks > MAX_PARTS or total > MAX_EXTENSION_BYTES:
                raise UnusualImage("too long extensions")


def _check_bmp(file: BinaryIO) -> None:
    """Accept only a BMP whose px are not compressed."""
    header = _read(file, 26)
    (length,) = unpack("<I", header[14:18])
    if length == 12:  # The oldest header, which has no compression.
        return
    (compression,) = unpack("<I", (header + _read(file, 8))[30:34])
    if compression not in PLAIN_BMP:
        raise UnusualImage("a compressed BMP")


def _check_tiff(file: BinaryIO) -> None:
    """Count the tags in a TIFF's first directory."""
    order = "<" if _read(file, 4)[:2] == b"II" else ">"
    (offset,) = unpack(f"{order}I", _read(file, 4))
    file.seek(offset)
    (tags,) = unpack(f"{order}H", _read(file, 2))
    if tags > MAX_TIFF_TAGS:
        raise UnusualImage("too many tags")


def _starts_with(*beginnings: bytes) -> Callable[[bytes], bool]:
    """Return a function that says whether bytes begin with one of these."""
    return lambda start: start.startswith(beginnings)


def _is_webp(start: bytes) -> bool:
    """Return whether these are the first bytes of a WebP."""
    return start[:4] == b"RIFF" and start[8:12] == b"WEBP"


def _is_avif(start: bytes) -> bool:
    """Return whether these are the first bytes of an AVIF."""
    return start[4:8] == b"ftyp" and start[8:12] in (b"avif", b"avis")


# Pillow's name of each format that is read, whether a file's first bytes are of it, and the check of its headers.
FORMATS: tuple[tuple[str, Callable[[bytes], bool], Callable[[BinaryIO], None]], ...] = (
    ("PNG", _starts_with(b"\x89PNG\r\n\x1a\n"), _check_png),
    ("JPEG", _starts_with(b"\xff\xd8\xff"), _check_jpeg),
    ("WEBP", _is_webp, _check_nothing),
    ("GIF", _starts_with(b"GIF87a", b"GIF89a"), _check_gif),
    ("TIFF", _starts_with(b"II*\0", b"MM\0*"), _check_tiff),
    ("BMP", _starts_with(b"BM"), _check_bmp),
    ("AVIF", _is_avif, _check_nothing),
    # Binary files only: those of text have one number a px.
    ("PPM", _starts_with(b"P5", b"P6"), _check_ppm),
)
