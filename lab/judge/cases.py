"""Cases: the judge's training examples, with no, one or many subjects, or with nothing recognisable.

A case has a label for each head of the judge whose answer is known; the other heads are UNLABELLED.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from lab.world.lessons import NATIVE_SIDE, training_scene
from lab.world.paint import Array
from lab.world.scenery import GROUNDS, SKIES
from lab.world.scenes import (
    COLOURS,
    Figure,
    Scene,
    choose_close_up,
    draw_scene,
    half_sides,
    place_subject,
    render,
)
from lab.world.subjects import SUBJECTS

# The label of a head whose answer is not known.
UNLABELLED = -1
# From this many subjects on they are not counted exactly.
MANY = 3
# How many times larger than a native picture the rendering is from which a crop is taken. (Subjects differ in
# size by a factor of 1.6, so that zooms of 3 and 4 would look alike.)
ZOOMS = (1, 2, 4)
MATERIALS = tuple(sorted({part for subject in SUBJECTS.values() for part, *_ in subject.parts}))
# The judge's heads, and the classes that each distinguishes.
CLASSES = {
    "subject": tuple(SUBJECTS),
    "colour": tuple(COLOURS),
    "ground": tuple(GROUNDS),
    "sky": tuple(SKIES),
    "number": ("none", "one", "two", "three or more"),
    "zoom": ZOOMS,
    "material": MATERIALS,
}
# Height of the smallest figure that counts as a subject, as a share of the picture's side.
MIN_FIGURE = 20 / NATIVE_SIDE
SQUARE = (NATIVE_SIDE, NATIVE_SIDE)


@dataclass(frozen=True, eq=False)
class Case:
    """One training example of the judge."""

    # A key of CASE_KINDS.
    kind: str
    # Bytes (rows, cols, 3).
    picture: Array
    # For each head the index of its class, or UNLABELLED.
    labels: dict[str, int]
    # Centres (down, right) of the figures, as shares of the picture's side.
    centres: tuple[tuple[float, float], ...] = ()
    # Height of the smallest figure, as a share of the picture's side.
    smallest: float = 1.0


def make_case(seed: int, kind: str | None = None, scene: Scene | None = None) -> Case:
    """Return the case of a seed, of a random kind and with a random scene unless these are passed."""
    draw = np.random.RandomState(seed)
    kind = kind or str(draw.choice(list(CASE_KINDS), p=[share for _, share in CASE_KINDS.values()]))
    scene = scene or training_scene(seed)
    made = CASE_KINDS[kind][0](scene, draw)
    labels = {head: made.labels.get(head, UNLABELLED) for head in CLASSES}
    return Case(kind, made.picture, labels, made.centres, made.smallest)


def _class_indices(**names: object) -> dict[str, int]:
    """Return labels for the heads that are passed as keywords, from the names of their classes."""
    return {head: CLASSES[head].index(name) for head, name in names.items()}


def _background_labels(scene: Scene) -> dict[str, int]:
    """Return the labels of the scene's ground and sky."""
    return _class_indices(ground=scene.ground, sky=scene.sky)


def _centre(figure: Figure) -> tuple[float, float]:
    """Return the centre (down, right) of a figure in a square picture, as shares of its side."""
    (x, y), height = figure.foot, figure.height
    return (0.5 - (y + height / 2), 0.5 + x)


def _is_clear_of(figure: Figure, others: list[Figure]) -> bool:
    """Return whether a figure hides little of the others, and they little of it."""
    down, right = _centre(figure)
    for other in others:
        other_down, other_right = _centre(other)
        if np.hypot(down - other_down, right - other_right) < 0.42 * (figure.height + other.height):
            return False
    return True


def _random_figure(subject: str, colour: str, height: float, draw: np.random.RandomState) -> Figure:
    """Place a figure anywhere inside the picture, also in the sky, where models put repeated subjects."""
    room = 0.5 - SUBJECTS[subject].width * height / 2
    foot = (draw.uniform(-1, 1) * room, draw.uniform(-0.48, 0.48 - height))
    return Figure(subject, colour, foot, height, mirror=bool(draw.rand() < 0.5))


def _labels(scene: Scene, figures: list[Figure]) -> dict[str, int]:
    """Return the labels of a scene with these figures; subject and colour only where all figures agree."""
    labels = _background_labels(scene) | {"number": min(len(figures), MANY)}
    subjects, colours = {f.subject for f in figures}, {f.colour for f in figures}
    if len(subjects) == 1:
        labels |= _class_indices(subject=subjects.pop())
    if len(colours) == 1:
        labels |= _class_indices(colour=colours.pop())
    return labels


def _draw_case(scene: Scene, figures: list[Figure]) -> Case:
    """Draw a scene with these figures and label it; the caller sets the kind."""
    picture = draw_scene(scene, tuple(figures), SQUARE)
    smallest = min((figure.height for figure in figures), default=1.0)
    return Case("", picture, _labels(scene, figures), tuple(map(_centre, figures)), smallest)


def _single(scene: Scene, draw: np.random.RandomState) -> Case:
    """Draw the scene as it is, with its one subject."""
    return _draw_case(scene, [place_subject(scene, half_sides(SQUARE))])


def _small_single(scene: Scene, draw: np.random.RandomState) -> Case:
    """Draw the scene's subject small and anywhere."""
    height = draw.uniform(MIN_FIGURE, 0.4)
    return _draw_case(scene, [_random_figure(scene.subject, scene.colour, height, draw)])


def _no_subject(scene: Scene, draw: np.random.RandomState) -> Case:
    """Draw the scene without its subject."""
    return _draw_case(scene, [])


def _random_look(scene: Scene, is_alike: bool, draw: np.random.RandomState) -> tuple[str, str]:
    """Return subject and colour of a further figure: the scene's own, or random ones."""
    subject = scene.subject if is_alike else str(draw.choice(list(SUBJECTS)))
    colour = scene.colour if is_alike else str(draw.choice(list(COLOURS)))
    return subject, colour


def _crowd(scene: Scene, draw: np.random.RandomState) -> Case:
    """Draw two to sixteen figures of about one size, all alike or of any kind."""
    wanted = int(np.exp(draw.uniform(np.log(2), np.log(16.99))))
    is_alike = draw.rand() < 0.7
    usual = min(0.45, draw.uniform(0.5, 0.9) / np.sqrt(wanted))
    figures: list[Figure] = []
    for _ in range(60):
        subject, colour = _random_look(scene, is_alike, draw)
        height = max(MIN_FIGURE, usual * draw.uniform(0.6, 1.2))
        figure = _random_figure(subject, colour, height, draw)
        if _is_clear_of(figure, figures):
            figures.append(figure)
        if len(figures) == wanted:
            break
    return _draw_case(scene, figures)


def _second(scene: Scene, draw: np.random.RandomState) -> Case:
    """Draw the scene with a second subject, an eighth to a half as large as the first."""
    first = place_subject(scene, half_sides(SQUARE))
    share = np.exp(draw.uniform(np.log(1 / 8), np.log(1 / 2)))
    return second_subject_case(scene, first, share, draw)


def _small_second(scene: Scene, draw: np.random.RandomState) -> Case:
    """Draw the scene with a second subject that is easily overlooked."""
    first = place_subject(scene, half_sides(SQUARE))
    return second_subject_case(scene, first, draw.uniform(1 / 8, 1 / 5), draw)


def second_subject_case(scene: Scene, first: Figure, share: float, draw: np.random.RandomState) -> Case:
    """Draw the scene with a second subject, or with the first alone if there is no room for two.

    share: size of the second subject as a share of the first one's.
    """
    subject, colour = _random_look(scene, draw.rand() < 0.7, draw)
    for _ in range(200):
        small = _random_figure(subject, colour, max(MIN_FIGURE, share * first.height), draw)
        if _is_clear_of(small, [first]):
            return _draw_case(scene, [first, small])
    return _draw_case(scene, [first])


def _half_subject(scene: Scene, draw: np.random.RandomState) -> Case:
    """Draw less than half of the subject, the rest beyond the picture's edge: it does not count."""
    whole = place_subject(scene, half_sides(SQUARE))
    width = SUBJECTS[scene.subject].width * whole.height
    distance = 0.5 + width * draw.uniform(0.05, 0.25)
    side = 1 if draw.rand() < 0.5 else -1
    cut = replace(whole, foot=(side * distance, whole.foot[1]))
    return Case("", draw_scene(scene, (cut,), SQUARE), _background_labels(scene) | {"number": 0})


def _shuffled_patches(scene: Scene, draw: np.random.RandomState) -> Case:
    """Cut the picture into square patches and put them together in random order."""
    picture, tile = render(scene, SQUARE), int(draw.choice([16, 32, 64]))
    many = NATIVE_SIDE // tile
    tiles = picture.reshape(many, tile, many, tile, 3).swapaxes(1, 2).reshape(-1, tile, tile, 3)
    tiles = tiles[draw.permutation(len(tiles))].reshape(many, many, tile, tile, 3)
    return Case("", tiles.swapaxes(1, 2).reshape(NATIVE_SIDE, NATIVE_SIDE, 3), {"number": 0})


def _unrecognisable(scene: Scene, draw: np.random.RandomState) -> Case:
    """Blur the picture strongly, drown it in noise, or replace it with random colours."""
    picture = render(scene, SQUARE).astype(np.float32)
    way = draw.randint(3)
    if way == 0:
        picture = cv2.GaussianBlur(picture, (0, 0), draw.uniform(18, 40))
    elif way == 1:
        picture = 0.25 * picture + 96 + draw.standard_normal(picture.shape) * draw.uniform(70, 110)
    else:
        cells = draw.uniform(0, 255, (*draw.randint(2, 40, size=2), 3)).astype(np.float32)
        picture = cv2.resize(cells, SQUARE, interpolation=cv2.INTER_CUBIC)
    return Case("", np.clip(picture, 0, 255).astype(np.uint8), {"number": 0})


def _crop(scene: Scene, draw: np.random.RandomState) -> Case:
    """Crop a native square from a rendering at a random zoom.

    The zoom is labelled; the material too, if the crop shows one of the subject's parts.
    """
    zoom = int(draw.choice(ZOOMS))
    size = (zoom * NATIVE_SIDE, zoom * NATIVE_SIDE)
    labels = {"zoom": ZOOMS.index(zoom)}
    if zoom > 1 and draw.rand() < 0.6:
        words, (top, left, side, _) = choose_close_up(scene, draw.randint(1 << 30), size)
        labels |= _class_indices(material=words.split(" of ")[0])
        corner = [place + (side - NATIVE_SIDE) // 2 for place in (top, left)]
    else:
        corner = [draw.randint(size[0] - NATIVE_SIDE + 1) for _ in range(2)]
    top, left = (int(np.clip(place, 0, size[0] - NATIVE_SIDE)) for place in corner)
    return Case("", render(scene, size, (top, left, NATIVE_SIDE, NATIVE_SIDE)), labels)


# For each kind of case the function that makes it, and its share among all cases.
CASE_KINDS = {
    "single": (_single, 0.20),
    "small single": (_small_single, 0.06),
    "none": (_no_subject, 0.06),
    "crowd": (_crowd, 0.16),
    "second": (_second, 0.12),
    "small second": (_small_second, 0.06),
    "half": (_half_subject, 0.04),
    "swapped": (_shuffled_patches, 0.03),
    "ruined": (_unrecognisable, 0.03),
    "crop": (_crop, 0.24),
}
