"""The twelve subjects. Each stands on (0, 0), is about 1 high, and is painted part by part.

The size of a detail decides from which picture size on it shows: parts are 0.09 or more, fittings about
0.045, units of a surface about 0.026.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lab.world.paint import Brush, Colour, block, both, disc, either, line, mix, oval, poly, rim, shade
from lab.world.textures import bricks, fur, leaves, planks, ribs, rivets, scales, stripes

WOOD, STONE, GLASS, LAMP = (0.50, 0.33, 0.20), (0.66, 0.64, 0.62), (0.62, 0.80, 0.90), (1.0, 0.90, 0.55)
DARK, PALE, GREEN, STEEL = (0.16, 0.13, 0.14), (0.95, 0.93, 0.88), (0.28, 0.50, 0.22), (0.70, 0.73, 0.78)
# Sizes of a fitting, such as a window's cross, and of a unit of a surface, such as a brick.
FITTING, SURFACE = 0.045, 0.026


@dataclass(frozen=True)
class Subject:
    """A subject: how it is painted and how much room it takes."""

    # Paints the subject with a brush, mostly in this colour.
    paint: Callable[[Brush, Colour], None]
    # Parts for close-ups: the part's words, its centre (u, v), and half the side of the box that shows it.
    parts: tuple[tuple[str, float, float, float], ...]
    # Width of the box around the middle that holds the whole subject.
    width: float
    # Whether it hovers above the ground.
    floats: bool = False


def paint_window(brush: Brush, left: float, bottom: float, width: float, height: float) -> None:
    """Paint a lit window; where cross and frame are too small to show, the pane is paler by their area."""
    right, top, bar, edge = left + width, bottom + height, 0.02, 0.012
    pane = block(left, bottom, right, top, 0.01)
    cross = either(
        block(left + width / 2 - bar / 2, bottom, left + width / 2 + bar / 2, top),
        block(left, bottom + height / 2 - bar / 2, right, bottom + height / 2 + bar / 2),
    )
    cross_visibility, frame_visibility = brush.visibility(FITTING), brush.visibility(SURFACE)
    hidden = (1 - cross_visibility) * bar * (1 / width + 1 / height)
    hidden += (1 - frame_visibility) * 2 * edge * (1 / width + 1 / height)
    lit = tuple(pale * light for pale, light in zip(PALE, brush.light, strict=True))
    brush.fill(pane, mix(LAMP, lit, hidden), glows=True)
    brush.fill(cross, PALE, cross_visibility)
    brush.fill(rim(pane, edge), PALE, frame_visibility)


def paint_house(brush: Brush, colour: Colour) -> None:
    """Paint a house, mostly in this colour."""
    brush.fill(block(-0.36, 0, 0.36, 0.52), bricks(colour, SURFACE))
    brush.fill(block(0.16, 0.66, 0.28, 0.98), bricks(shade(STONE, -0.2), SURFACE))
    brush.fill(poly((-0.46, 0.50), (0.46, 0.50), (0.0, 0.95)), scales(shade(colour, -0.5), 0.04))
    paint_window(brush, -0.27, 0.22, 0.17, 0.19)
    paint_window(brush, 0.10, 0.22, 0.17, 0.19)
    door = block(-0.07, 0, 0.07, 0.27)
    brush.fill(door, planks(WOOD, 0.045))
    brush.fill(disc(0.04, 0.13, 0.014), LAMP, brush.visibility(0.028))


def paint_tree(brush: Brush, colour: Colour) -> None:
    """Paint a tree, mostly in this colour."""
    brush.fill(poly((-0.09, 0), (0.09, 0), (0.05, 0.5), (-0.05, 0.5)), planks(WOOD, 0.03))
    brush.fill(line(0.04, (0, 0.3), (0.16, 0.46)), WOOD)
    crown = either(disc(-0.2, 0.58, 0.2), disc(0.2, 0.58, 0.2), disc(0, 0.74, 0.25), disc(0, 0.52, 0.2))
    brush.fill(crown, leaves(colour, 0.03))
    brush.fill(both(crown, disc(0.16, 0.46, 0.26)), shade(colour, -0.5), 0.28)
    for u, v in ((-0.22, 0.66), (0.05, 0.86), (0.2, 0.55), (-0.05, 0.6), (-0.18, 0.48)):
        brush.fill(disc(u, v, 0.024), (0.86, 0.16, 0.14), brush.visibility(0.048))


def paint_boat(brush: Brush, colour: Colour) -> None:
    """Paint a boat, mostly in this colour."""
    brush.fill(line(0.045, (0, 0.2), (0, 0.98)), planks(WOOD, 0.03))
    brush.fill(poly((0.05, 0.30), (0.05, 0.95), (0.44, 0.32)), ribs(PALE, 0.05))
    brush.fill(poly((-0.05, 0.32), (-0.05, 0.82), (-0.32, 0.34)), ribs(shade(PALE, -0.08), 0.05))
    hull = poly((-0.48, 0.24), (0.5, 0.24), (0.34, 0.0), (-0.34, 0.0))
    brush.fill(hull, planks(colour, 0.04))
    brush.fill(block(-0.49, 0.21, 0.51, 0.27, 0.02), shade(colour, -0.35))
    for u in (-0.2, 0.0, 0.2):
        brush.fill(disc(u, 0.13, 0.036), PALE, brush.visibility(0.072))
    brush.fill(poly((0.0, 0.98), (0.0, 1.06), (-0.14, 1.02)), shade(colour, 0.15))


def paint_rocket(brush: Brush, colour: Colour) -> None:
    """Paint a rocket, mostly in this colour."""
    brush.fill(poly((-0.1, 0.10), (0.1, 0.10), (0.0, -0.02)), (1.0, 0.72, 0.25), glows=True)
    for side in (-1, 1):
        brush.fill(poly((side * 0.13, 0.12), (side * 0.33, 0.02), (side * 0.14, 0.42)), shade(colour, -0.3))
    body = both(oval(0, 0.45, 0.2, 0.58), block(-0.3, 0.10, 0.3, 1.1))
    brush.fill(body, rivets(PALE, 0.055))
    brush.fill(both(body, block(-0.3, 0.74, 0.3, 1.1)), rivets(colour, 0.055))
    brush.fill(both(body, block(-0.3, 0.10, 0.3, 0.22)), rivets(colour, 0.055))
    brush.fill(both(body, oval(0.22, 0.45, 0.14, 0.6)), (0.1, 0.1, 0.2), 0.16)
    brush.fill(disc(0, 0.54, 0.1), STEEL)
    brush.fill(disc(0, 0.54, 0.075), GLASS)
    brush.fill(disc(-0.025, 0.565, 0.022), (1.0, 1.0, 1.0), brush.visibility(0.044))


def paint_balloon(brush: Brush, colour: Colour) -> None:
    """Paint a balloon, mostly in this colour."""
    for u in (-0.075, 0.075):
        brush.fill(line(0.02, (u, 0.14), (u * 2.6, 0.46)), WOOD)
    brush.fill(line(0.012, (0, 0.14), (0, 0.4)), WOOD, brush.visibility(FITTING))
    bag = either(oval(0, 0.68, 0.34, 0.32), poly((-0.25, 0.50), (0.25, 0.50), (0.1, 0.30), (-0.1, 0.30)))
    brush.fill(bag, stripes(colour, PALE, 0.115))
    brush.fill(both(bag, block(-0.5, 0.62, 0.5, 0.74)), ribs(shade(colour, -0.25), 0.05))
    brush.fill(both(bag, oval(0.3, 0.5, 0.22, 0.5)), (0.1, 0.05, 0.15), 0.14)
    brush.fill(block(-0.1, 0.0, 0.1, 0.14, 0.02), bricks((0.68, 0.47, 0.25), 0.025))
    brush.fill(block(-0.115, 0.12, 0.115, 0.155, 0.012), shade(WOOD, -0.2))


def paint_lighthouse(brush: Brush, colour: Colour) -> None:
    """Paint a lighthouse, mostly in this colour."""
    tower = poly((-0.17, 0.06), (0.17, 0.06), (0.11, 0.76), (-0.11, 0.76))
    brush.fill(tower, bricks(PALE, SURFACE))
    for low in (0.16, 0.44):
        brush.fill(both(tower, block(-0.3, low, 0.3, low + 0.14)), bricks(colour, SURFACE))
    brush.fill(both(tower, block(0.04, 0, 0.3, 0.8)), (0.1, 0.1, 0.2), 0.12)
    brush.fill(block(-0.24, 0, 0.24, 0.07, 0.02), bricks(STONE, 0.03))
    brush.fill(block(-0.16, 0.75, 0.16, 0.80, 0.01), shade(colour, -0.45))
    brush.fill(block(-0.09, 0.80, 0.09, 0.92), LAMP, glows=True)
    for u in (-0.045, 0.0, 0.045):
        brush.fill(line(0.012, (u, 0.80), (u, 0.92)), DARK, brush.visibility(FITTING))
    brush.fill(poly((-0.13, 0.91), (0.13, 0.91), (0.0, 1.04)), scales(shade(colour, -0.2), 0.035))
    brush.fill(block(-0.055, 0.07, 0.055, 0.17, 0.02), planks(WOOD, 0.04))
    brush.fill(block(-0.03, 0.34, 0.03, 0.41, 0.02), LAMP, glows=True)


def paint_windmill(brush: Brush, colour: Colour) -> None:
    """Paint a windmill, mostly in this colour."""
    brush.fill(poly((-0.23, 0), (0.23, 0), (0.13, 0.58), (-0.13, 0.58)), bricks(colour, SURFACE))
    brush.fill(both(disc(0, 0.58, 0.15), block(-0.2, 0.57, 0.2, 0.8)), scales(shade(colour, -0.45), 0.035))
    brush.fill(block(-0.06, 0, 0.06, 0.18, 0.03), planks(WOOD, 0.04))
    paint_window(brush, -0.045, 0.30, 0.09, 0.1)
    for turn in (0.5, 2.07, 3.64, 5.21):
        sail = brush.with_frame(_to_scene(brush, 0.0, 0.62), brush.size, brush.lean + turn, brush.mirror)
        # Where the four slats are too small to show, the cloth takes their share of the wood's colour.
        cloth = mix(PALE, WOOD, 0.13 * (1 - brush.visibility(FITTING)))
        sail.fill(block(0.09, -0.01, 0.46, 0.09), ribs(cloth, 0.04))
        sail.fill(line(0.026, (0, 0), (0.48, 0)), WOOD)
        for u in (0.16, 0.24, 0.32, 0.40):
            sail.fill(line(0.012, (u, 0), (u, 0.085)), WOOD, brush.visibility(FITTING))
    brush.fill(disc(0, 0.62, 0.04), DARK)


def _to_scene(brush: Brush, u: float, v: float) -> tuple[float, float]:
    """Convert frame coordinates (u, v) of a brush that is not rotated to scene coordinates."""
    return brush.origin[0] + brush.size * (-u if brush.mirror else u), brush.origin[1] + brush.size * v


def paint_flower(brush: Brush, colour: Colour) -> None:
    """Paint a flower, mostly in this colour."""
    brush.fill(line(0.05, (0.02, 0), (-0.02, 0.3), (0, 0.62)), GREEN)
    for side, v in ((-1, 0.18), (1, 0.27)):
        leaf = brush.with_frame(_to_scene(brush, 0, v), brush.size, brush.lean + side * 0.6, brush.mirror)
        leaf.fill(oval(side * 0.15, 0.02, 0.15, 0.065), leaves(GREEN, 0.03))
        leaf.fill(line(0.012, (0, 0.02), (side * 0.28, 0.02)), shade(GREEN, 0.3), brush.visibility(FITTING))
    for k in range(8):
        turn = brush.lean + k * 0.7854
        petal = brush.with_frame(_to_scene(brush, 0, 0.68), brush.size, turn, brush.mirror)
        petal.fill(oval(0.19, 0, 0.14, 0.085), shade(colour, -0.12 if k % 2 else 0.08))
        petal.fill(line(0.014, (0.12, 0), (0.3, 0)), shade(colour, -0.35), brush.visibility(FITTING))
    brush.fill(disc(0, 0.68, 0.12), leaves((0.93, 0.72, 0.2), 0.028))


def paint_fish(brush: Brush, colour: Colour) -> None:
    """Paint a fish, mostly in this colour."""
    brush.fill(
        poly((-0.26, 0.45), (-0.52, 0.68), (-0.46, 0.45), (-0.52, 0.24)), ribs(shade(colour, -0.2), 0.04)
    )
    brush.fill(poly((-0.1, 0.62), (0.14, 0.64), (0.0, 0.84), (-0.16, 0.8)), ribs(shade(colour, -0.25), 0.04))
    body = oval(0.05, 0.45, 0.38, 0.22)
    brush.fill(body, scales(colour, 0.05))
    brush.fill(both(body, oval(0.05, 0.27, 0.4, 0.14)), shade(colour, 0.55), 0.5)
    brush.fill(both(body, disc(0.42, 0.45, 0.2)), shade(colour, -0.12))
    brush.fill(poly((0.02, 0.40), (-0.14, 0.26), (0.06, 0.32)), ribs(shade(colour, -0.3), 0.03))
    brush.fill(disc(0.31, 0.50, 0.05), (1.0, 1.0, 1.0))
    brush.fill(disc(0.32, 0.50, 0.028), DARK)
    brush.fill(line(0.02, (0.42, 0.40), (0.34, 0.38)), DARK, brush.visibility(FITTING))


def paint_cat(brush: Brush, colour: Colour) -> None:
    """Paint a cat, mostly in this colour."""
    brush.fill(
        line(0.08, (0.2, 0.06), (0.42, 0.12), (0.40, 0.36), (0.32, 0.46)), fur(shade(colour, -0.1), 0.026)
    )
    brush.fill(either(oval(0, 0.26, 0.25, 0.27), oval(0, 0.07, 0.28, 0.08)), fur(colour, 0.026))
    brush.fill(oval(0, 0.24, 0.12, 0.2), fur(shade(colour, 0.4), 0.026))
    for side in (-1, 1):
        brush.fill(poly((side * 0.05, 0.76), (side * 0.23, 0.70), (side * 0.2, 0.95)), fur(colour, 0.026))
        brush.fill(poly((side * 0.1, 0.77), (side * 0.19, 0.74), (side * 0.175, 0.87)), (0.93, 0.66, 0.66))
    brush.fill(oval(0, 0.64, 0.24, 0.2), fur(colour, 0.026))
    for side in (-1, 1):
        brush.fill(oval(side * 0.1, 0.67, 0.052, 0.058), (0.98, 0.93, 0.6))
        brush.fill(oval(side * 0.1, 0.67, 0.02, 0.05), DARK)
        for lift in (-0.03, 0.0, 0.03):
            whisker = line(0.01, (side * 0.09, 0.57), (side * 0.3, 0.57 + lift))
            brush.fill(whisker, PALE, brush.visibility(FITTING))
        brush.fill(oval(side * 0.1, 0.03, 0.085, 0.045), shade(colour, 0.2))
    brush.fill(poly((-0.035, 0.60), (0.035, 0.60), (0, 0.565)), (0.9, 0.5, 0.52))


def paint_castle(brush: Brush, colour: Colour) -> None:
    """Paint a castle, mostly in this colour."""
    brush.fill(block(-0.3, 0, 0.3, 0.46), bricks(STONE, 0.032))
    for left in (-0.3, -0.14, 0.02, 0.18):
        brush.fill(block(left, 0.44, left + 0.1, 0.54), bricks(STONE, 0.032))
    for u in (-0.34, 0.34):
        brush.fill(block(u - 0.12, 0, u + 0.12, 0.64), bricks(shade(STONE, 0.12), 0.032))
        brush.fill(poly((u - 0.16, 0.62), (u + 0.16, 0.62), (u, 0.92)), scales(colour, 0.036))
        paint_window(brush, u - 0.045, 0.38, 0.09, 0.13)
        brush.fill(poly((u, 0.90), (u, 1.02), (u + 0.12, 0.97)), shade(colour, 0.25))
    gate = either(block(-0.1, 0, 0.1, 0.18), disc(0, 0.18, 0.1))
    brush.fill(gate, planks(WOOD, 0.045))
    brush.fill(rim(gate, 0.025), DARK, brush.visibility(FITTING))
    paint_window(brush, -0.045, 0.33, 0.09, 0.1)


def paint_bicycle(brush: Brush, colour: Colour) -> None:
    """Paint a bicycle, mostly in this colour."""
    for u in (-0.3, 0.3):
        for k in range(6):
            wheel = brush.with_frame(
                _to_scene(brush, u, 0.2), brush.size, brush.lean + k * 0.5236, brush.mirror
            )
            wheel.fill(line(0.01, (-0.17, 0), (0.17, 0)), STEEL, brush.visibility(FITTING))
        brush.fill(rim(disc(u, 0.2, 0.2), 0.045), DARK)
        brush.fill(disc(u, 0.2, 0.035), STEEL)
    tube = 0.05
    brush.fill(line(tube, (-0.3, 0.2), (-0.12, 0.5), (0.2, 0.5), (0.0, 0.2), (-0.3, 0.2)), colour)
    brush.fill(line(tube, (-0.15, 0.56), (-0.12, 0.5), (0.0, 0.2)), colour)
    brush.fill(line(tube, (0.3, 0.2), (0.19, 0.62)), shade(colour, -0.15))
    brush.fill(line(0.04, (0.10, 0.66), (0.20, 0.62), (0.28, 0.68)), DARK)
    brush.fill(oval(-0.15, 0.59, 0.1, 0.04), WOOD)
    brush.fill(block(0.22, 0.44, 0.44, 0.60, 0.02), bricks((0.72, 0.52, 0.30), 0.026))
    brush.fill(disc(0.0, 0.2, 0.05), STEEL)
    brush.fill(line(0.026, (-0.07, 0.13), (0.07, 0.27)), DARK, brush.visibility(FITTING))


SUBJECTS = {
    "house": Subject(
        paint_house,
        (("bricks", -0.2, 0.12, 0.14), ("window", -0.18, 0.31, 0.15), ("roof", 0.0, 0.68, 0.16)),
        0.92,
    ),
    "tree": Subject(paint_tree, (("leaves", -0.05, 0.72, 0.15), ("trunk", 0.0, 0.18, 0.13)), 0.8),
    "boat": Subject(paint_boat, (("planks", -0.1, 0.1, 0.13), ("sail", 0.17, 0.5, 0.15)), 1.02),
    "rocket": Subject(paint_rocket, (("window", 0.0, 0.54, 0.15), ("rivets", 0.0, 0.36, 0.12)), 0.66),
    "balloon": Subject(
        paint_balloon, (("cloth", -0.05, 0.76, 0.16), ("basket", 0.0, 0.08, 0.14)), 0.68, floats=True
    ),
    "lighthouse": Subject(paint_lighthouse, (("lamp", 0.0, 0.87, 0.14), ("wall", 0.0, 0.3, 0.15)), 0.5),
    "windmill": Subject(paint_windmill, (("sails", 0.1, 0.72, 0.16), ("wall", -0.08, 0.22, 0.14)), 0.86),
    "flower": Subject(paint_flower, (("petals", 0.1, 0.74, 0.16), ("heart", 0.0, 0.68, 0.12)), 0.66),
    "fish": Subject(paint_fish, (("scales", 0.05, 0.48, 0.14), ("eye", 0.31, 0.5, 0.12)), 1.04, floats=True),
    "cat": Subject(paint_cat, (("face", 0.0, 0.64, 0.18), ("fur", 0.0, 0.26, 0.14)), 0.92),
    "castle": Subject(
        paint_castle,
        (("gate", 0.0, 0.14, 0.16), ("tower", 0.34, 0.6, 0.2), ("stones", -0.15, 0.3, 0.13)),
        1.0,
    ),
    "bicycle": Subject(paint_bicycle, (("wheel", -0.3, 0.2, 0.18), ("basket", 0.33, 0.52, 0.13)), 1.0),
}
