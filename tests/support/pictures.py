"""Pictures that tests draw into files."""

import numpy as np
from PIL import Image, ImageDraw


def save_squares(path, height=256, width=256):
    """Save a picture of randomly coloured squares, 32 px a side, and return its path as a string."""
    colours = np.random.RandomState(0).randint(0, 256, (height // 32, width // 32, 3), np.uint8)
    Image.fromarray(colours.repeat(32, 0).repeat(32, 1)).save(path)
    return str(path)


def save_shapes(path, side):
    """Save a square picture of three shapes on a gradient, with edges in all directions, and return it."""
    gradient = np.linspace(40, 120, side, dtype=np.uint8)[:, None].repeat(side, 1)
    picture = Image.fromarray(gradient).convert("RGB")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((side * 0.1, side * 0.15, side * 0.5, side * 0.6), fill=(230, 60, 50))
    corners = [(side * 0.55, side * 0.9), (side * 0.75, side * 0.3), (side * 0.95, side * 0.9)]
    pen.polygon(corners, fill=(60, 200, 230))
    pen.rectangle((side * 0.2, side * 0.7, side * 0.45, side * 0.95), fill=(250, 240, 120))
    picture.save(path)
    return picture
