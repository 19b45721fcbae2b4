"""Texts in the chunks of a PNG."""

import io
import time
import zlib
from struct import pack

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.recipe.image_headers import MAX_PARTS
from engine.recipe.png_text import SIGNATURE, BrokenText, read_text

LIMIT = 1000


def png(*texts, **options):
    """Make a PNG with texts (keyword, text) as Pillow writes them."""
    info, to = PngInfo(), io.BytesIO()
    for keyword, text in texts:
        info.add_text(keyword, text, **options)
    Image.new("RGB", (2, 2)).save(to, "PNG", pnginfo=info)
    return to.getvalue()


def chunk(kind, content):
    """Make a chunk."""
    return pack(">I4s", len(content), kind) + content + pack(">I", zlib.crc32(kind + content))


def read(content, limit=LIMIT):
    return read_text(io.BytesIO(content), "recipe", limit)


@pytest.mark.parametrize("text", ["a red house", "ein Haus für 5 €, 家", ""])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_text_is_read_as_pillow_writes_it(text, compressed):
    assert read(png(("other", "b"), ("recipe", text), ("recipes", "c"), zip=compressed)) == text


def test_the_last_of_several_texts_counts():
    assert read(png(("recipe", "a"), ("recipe", "b"))) == "b"


def test_a_picture_without_the_text_has_none():
    assert read(png(("other", "b"))) is None


@pytest.mark.parametrize("compressed", [False, True])
def test_a_text_is_cut_off_at_the_limit(compressed):
    assert len(read(png(("recipe", 100 * LIMIT * "a"), zip=compressed))) == LIMIT


@pytest.mark.parametrize(
    "content",
    [
        b"GIF89a",
        SIGNATURE,
        SIGNATURE + pack(">I4s", 2**31, b"iCCP"),
        SIGNATURE + pack(">I4s", 2**31, b"tEXt") + b"recipe\0abc",
        SIGNATURE + chunk(b"zTXt", b"recipe\0\0no zlib"),
        SIGNATURE + chunk(b"iTXt", b"recipe\0"),
        SIGNATURE + MAX_PARTS * chunk(b"tEXt", b"a\0"),
    ],
)
def test_what_cannot_be_read_is_broken(content):
    with pytest.raises(BrokenText):
        read(content)


def test_chunks_of_other_kinds_are_not_decompressed():
    profile = chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(1 << 20)))
    content = SIGNATURE + (MAX_PARTS - 2) * profile + png(("recipe", "a"))[len(SIGNATURE) + 25 :]
    began = time.process_time()
    assert read(content) == "a"
    assert time.process_time() - began < 2  # Pillow takes about 40 s.
