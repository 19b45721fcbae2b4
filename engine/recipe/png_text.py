"""Read one text from the chunks of a PNG, without a decoder of images. No torch, no Pillow.

Pillow reads all chunks before the px. In a file that was made for it this takes minutes, because some chunks are
decompressed. Here only chunks with the wanted keyword are looked into, up to a limit.
"""

import zlib
from struct import unpack
from typing import BinaryIO

from engine.recipe.image_headers import MAX_PARTS

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The types of the chunks that contain a keyword and a text.
TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")


class BrokenText(Exception):
    """The chunks of a PNG, or the text in one of them, cannot be read."""


def read_text(file: BinaryIO, keyword: str, limit: int) -> str | None:
    """Return the last text with a keyword among the chunks before the px; None if there is none.

    Raise BrokenText if the file is no PNG, if its chunks are too many or if the text is broken.

    limit: the most bytes that are read and decompressed; a longer text is cut off.
    """
    if file.read(len(SIGNATURE)) != SIGNATURE:
        raise BrokenText("no PNG")
    name, text = keyword.encode("latin-1") + b"\0", None
    for _ in range(MAX_PARTS):
        header = file.read(8)
        if len(header) < 8:
            raise BrokenText("the file ends early")
        length, kind = unpack(">I4s", header)
        if kind in (b"IDAT", b"IEND"):
            return text
        start = file.read(min(length, len(name))) if kind in TEXT_CHUNKS else b""
        if start == name:
            content = file.read(min(length - len(name), limit))
            text = _decode(kind, content, limit)
            start += content
        file.seek(length - len(start) + 4, 1)
    raise BrokenText("too many chunks")


def _decode(kind: bytes, content: bytes, limit: int) -> str:
    """Return the text of a chunk of this type. content: what follows the keyword."""
    try:
        if kind == b"tEXt":
            return content.decode("latin-1")
        if kind == b"zTXt":
            return _decompress(content[1:], limit).decode("latin-1")
        flags, rest = content[:2], content[2:]
        _, _, rest = rest.partition(b"\0")  # The language.
        _, _, rest = rest.partition(b"\0")  # The keyword in that language.
        return (_decompress(rest, limit) if flags[0] else rest[:limit]).decode("utf-8", "ignore")
    except (zlib.error, IndexError) as fault:
        raise BrokenText(str(fault)) from fault


def _decompress(content: bytes, limit: int) -> bytes:
    """Return at most `limit` bytes of decompressed content."""
    return zlib.decompressobj().decompress(content, limit)
