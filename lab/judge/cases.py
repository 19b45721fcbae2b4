"""What the judge learns from: true pictures with none, one or many subjects, and pictures that show nothing.

A case says what is in its picture; what cannot be said is UNTOLD and not learned from.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from lab.world.lessons import NATIVE, taught
from lab.world.paint import Array
from lab.world.scenery import GROUNDS, SKIES
from lab.world.scenes import COLOURS, Figure, Scene, close_up, draw, half_sides, render, standing
from lab.world.subjects import SUBJECTS

UNTOLD = -1
MANY = 3
"""This many subjects or more."""
ZOOMS = (1, 2, 4)
"""Of crops. Subjects differ in size by 1.6, so that three times one of them is four times another."""
MATERIALS = tuple(sorted({part for subject in SUBJECTS.values() for part, *_ in subject.parts}))
NAMES = {
    "subject": tuple(SUBJECTS),
    "colour": tuple(COLOURS),
    "ground": tuple(GROUNDS),
    "sky": tuple(SKIES),
    "number": ("none", "one", "two", "three or more"),
    "zoom": ZOOMS,
    "material": MATERIALS,
}
SMALLEST = 20 / NATIVE
"""Of a figure that counts, as a share of the picture's side."""
SQUARE = (NATIVE, NATIVE)


@dataclass(frozen=True, eq=False)
class Case:
    """told: an index into NAMES for each head, or UNTOLD. places: middles of figures, shares of the side.
    least: the smallest figure's longer side, as such a share.
    """

    kind: str
    picture: Array
    told: dict[str, int]
    places: tuple[tuple[float, float], ...] = ()
    least: float = 1.0


def case(seed: int, kind: str | None = None, scene: Scene | None = None) -> Case:
    """The case of a seed."""
    chance = np.random.RandomState(seed)
    kind = kind or str(chance.choice(list(KINDS), p=[share for _, share in KINDS.values()]))
    one = scene or taught(seed)
    made = KINDS[kind][0](one, chance)
    told = {name: made.told.get(name, UNTOLD) for name in NAMES}
    return Case(kind, made.picture, told, made.places, made.least)


def _named(**names: object) -> dict[str, int]:
    return {head: NAMES[head].index(name) for head, name in names.items()}


def _around(one: Scene) -> dict[str, int]:
    return _named(ground=one.ground, sky=one.sky)


def _middle(figure: Figure) -> tuple[float, float]:
    """Of a figure in a square picture: down and right, as shares of the side."""
    (x, y), long = figure.foot, figure.long
    return (0.5 - (y + long / 2), 0.5 + x)


def _apart(figure: Figure, others: list[Figure]) -> bool:
    """Whether figures hide little of each other."""
    down, right = _middle(figure)
    for other in others:
        lower, wider = _middle(other)
        if np.hypot(down - lower, right - wider) < 0.42 * (figure.long + other.long):
            return False
    return True


def _somewhere(subject: str, colour: str, long: float, chance: np.random.RandomState) -> Figure:
    """Anywhere inside the picture, in the sky too: that is where models put their second ones."""
    room = 0.5 - SUBJECTS[subject].width * long / 2
    foot = (chance.uniform(-1, 1) * room, chance.uniform(-0.48, 0.48 - long))
    return Figure(subject, colour, foot, long, mirror=bool(chance.rand() < 0.5))


def _told(one: Scene, figures: list[Figure]) -> dict[str, int]:
    told = _around(one) | {"number": min(len(figures), MANY)}
    subjects, colours = {f.subject for f in figures}, {f.colour for f in figures}
    if len(subjects) == 1:
        told |= _named(subject=subjects.pop())
    if len(colours) == 1:
        told |= _named(colour=colours.pop())
    return told


def _shown(one: Scene, figures: list[Figure]) -> Case:
    picture = draw(one, tuple(figures), SQUARE)
    least = min((figure.long for figure in figures), default=1.0)
    return Case("", picture, _told(one, figures), tuple(map(_middle, figures)), least)


def _single(one: Scene, chance: np.random.RandomState) -> Case:
    return _shown(one, [standing(one, half_sides(SQUARE))])


def _small_single(one: Scene, chance: np.random.RandomState) -> Case:
    return _shown(one, [_somewhere(one.subject, one.colour, chance.uniform(SMALLEST, 0.4), chance)])


def _bare(one: Scene, chance: np.random.RandomState) -> Case:
    return _shown(one, [])


def _crowd(one: Scene, chance: np.random.RandomState) -> Case:
    """Two to sixteen, of one kind or of several, of about one size."""
    wanted, alike = int(np.exp(chance.uniform(np.log(2), np.log(16.99)))), chance.rand() < 0.7
    usual = min(0.45, chance.uniform(0.5, 0.9) / np.sqrt(wanted))
    figures: list[Figure] = []
    for _ in range(60):
        subject = one.subject if alike else str(chance.choice(list(SUBJECTS)))
        colour = one.colour if alike else str(chance.choice(list(COLOURS)))
        long = max(SMALLEST, usual * chance.uniform(0.6, 1.2))
        figure = _somewhere(subject, colour, long, chance)
        if _apart(figure, figures):
            figures.append(figure)
        if len(figures) == wanted:
            break
    return _shown(one, figures)


def _second(one: Scene, chance: np.random.RandomState) -> Case:
    """A small second one, an eighth to a half of the first."""
    first = standing(one, half_sides(SQUARE))
    share = np.exp(chance.uniform(np.log(1 / 8), np.log(1 / 2)))
    return beside(one, first, share, chance)


def _small_second(one: Scene, chance: np.random.RandomState) -> Case:
    """A second one that is easily overlooked."""
    return beside(one, standing(one, half_sides(SQUARE)), chance.uniform(1 / 8, 1 / 5), chance)


def beside(one: Scene, first: Figure, share: float, chance: np.random.RandomState) -> Case:
    """The scene with a second subject of this share of the first one's size, where there is room."""
    alike = chance.rand() < 0.7
    subject = one.subject if alike else str(chance.choice(list(SUBJECTS)))
    colour = one.colour if alike else str(chance.choice(list(COLOURS)))
    for _ in range(200):
        small = _somewhere(subject, colour, max(SMALLEST, share * first.long), chance)
        if _apart(small, [first]):
            return _shown(one, [first, small])
    return _shown(one, [first])


def _half(one: Scene, chance: np.random.RandomState) -> Case:
    """Cut by the side so that less than half is left: not a subject."""
    whole = standing(one, half_sides(SQUARE))
    wide = SUBJECTS[one.subject].width * whole.long
    out = 0.5 + wide * chance.uniform(0.05, 0.25)
    side = 1 if chance.rand() < 0.5 else -1
    cut = replace(whole, foot=(side * out, whole.foot[1]))
    return Case("", draw(one, (cut,), SQUARE), _around(one) | {"number": 0})


def _swapped(one: Scene, chance: np.random.RandomState) -> Case:
    """Patches of a picture in any order."""
    picture, tile = render(one, SQUARE), int(chance.choice([16, 32, 64]))
    many = NATIVE // tile
    tiles = picture.reshape(many, tile, many, tile, 3).swapaxes(1, 2).reshape(-1, tile, tile, 3)
    tiles = tiles[chance.permutation(len(tiles))].reshape(many, many, tile, tile, 3)
    return Case("", tiles.swapaxes(1, 2).reshape(NATIVE, NATIVE, 3), {"number": 0})


def _ruined(one: Scene, chance: np.random.RandomState) -> Case:
    """Blurred or noised beyond knowing, or never a picture."""
    picture = render(one, SQUARE).astype(np.float32)
    way = chance.randint(3)
    if way == 0:
        picture = cv2.GaussianBlur(picture, (0, 0), chance.uniform(18, 40))
    elif way == 1:
        picture = 0.25 * picture + 96 + chance.standard_normal(picture.shape) * chance.uniform(70, 110)
    else:
        cells = chance.uniform(0, 255, (*chance.randint(2, 40, size=2), 3)).astype(np.float32)
        picture = cv2.resize(cells, SQUARE, interpolation=cv2.INTER_CUBIC)
    return Case("", np.clip(picture, 0, 255).astype(np.uint8), {"number": 0})


def _crop(one: Scene, chance: np.random.RandomState) -> Case:
    """A part of a larger rendering, or all of one: the zoom is known, and the material where a close-up was
    asked."""
    zoom = int(chance.choice(ZOOMS))
    size = (zoom * NATIVE, zoom * NATIVE)
    told = {"zoom": ZOOMS.index(zoom)}
    if zoom > 1 and chance.rand() < 0.6:
        words, (top, left, side, _) = close_up(one, chance.randint(1 << 30), size)
        told |= _named(material=words.split(" of ")[0])
        corner = [place + (side - NATIVE) // 2 for place in (top, left)]
    else:
        corner = [chance.randint(size[0] - NATIVE + 1) for _ in range(2)]
    top, left = (int(np.clip(place, 0, size[0] - NATIVE)) for place in corner)
    return Case("", render(one, size, (top, left, NATIVE, NATIVE)), told)


KINDS = {
    "single": (_single, 0.20),
    "small single": (_small_single, 0.06),
    "none": (_bare, 0.06),
    "crowd": (_crowd, 0.16),
    "second": (_second, 0.12),
    "small second": (_small_second, 0.06),
    "half": (_half, 0.04),
    "swapped": (_swapped, 0.03),
    "ruined": (_ruined, 0.03),
    "crop": (_crop, 0.24),
}
