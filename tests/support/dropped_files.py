"""Files that tests drop on the page: pictures of many kinds, with and without a recipe."""

import io
import json
import struct
import zlib

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.recipe.recall import RECORD_NAME

PNG = b"\x89PNG\r\n\x1a\n"


def drop_file(page, name, content):
    """Choose a file with the button that adds a picture."""
    page.locator("#ask input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )


def encode_image(picture, kind, **more):
    """Encode a picture as a file of this kind."""
    to = io.BytesIO()
    picture.save(to, kind, **more)
    return to.getvalue()


def png_with_recipe(**values):
    """Make a PNG whose metadata holds these values as a recipe."""
    info = PngInfo()
    info.add_text(RECORD_NAME, json.dumps({"recipe": values}))
    return encode_image(Image.new("RGB", (8, 8)), "PNG", pnginfo=info)


def animated_gif():
    """Make a GIF of two frames."""
    frames = [Image.new("P", (8, 8), colour) for colour in (0, 1)]
    return encode_image(frames[0], "GIF", save_all=True, append_images=frames[1:])


def png_of_16_bits():
    """Make a PNG with 16 bits a pixel."""
    return encode_image(Image.new("I;16", (8, 8), 40000), "PNG")


def cmyk_jpeg():
    """Make a JPEG in CMYK."""
    return encode_image(Image.new("CMYK", (8, 8)), "JPEG")


def huge_png():
    """Make a PNG that claims 200 megapixels in a hundred bytes."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 20000, 10000, 8, 2, 0, 0, 0)
    parts = [head, b"IDAT" + zlib.compress(b"\0" * 64), b"IEND"]
    return PNG + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts
    )
