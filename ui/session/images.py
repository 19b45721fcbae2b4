"""Pictures of a visit to start from or to follow: whose they are, which shape they give.

On the page a recipe names its pictures by their digests; a file is looked up for each plan and each run.
"""

from base64 import b64encode
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from engine import errors
from engine.errors import BadRecipe
from engine.planning.sizes import fill_sizes
from engine.recipe import images
from engine.recipe.controls import Control
from engine.recipe.recipe import Recipe
from engine.runs import store
from ui.session.services import House
from ui.session.session import Visit
from ui.settings.sizes import pictured
from ui.text import formatting, words

LONGEST_SIDE = 280
"""px of the small view."""


def at_hand(visit: Visit, house: House, recipe: Recipe) -> Recipe:
    """The recipe with its pictures as files, or BadRecipe.

    Digests travel in pictures and settings: knowing one makes nobody the owner of the pixels.
    """
    controls = tuple(_with_picture(visit, house, control) for control in recipe.controls)
    if recipe.image is None:
        return replace(recipe, controls=controls)
    path = found(visit, house, recipe.image)
    if path is None:
        raise BadRecipe("image", errors.PICTURE_GONE)
    return replace(recipe, image=str(path), controls=controls)


def _with_picture(visit: Visit, house: House, control: Control) -> Control:
    path = found(visit, house, control.image)
    if path is None:
        raise BadRecipe("controls", errors.CONTROL_GONE)
    return replace(control, image=str(path))


def found(visit: Visit, house: House, digest: str) -> Path | None:
    """The file of a picture that was dropped on this page, or that a run of this browser keeps."""
    dropped = visit.pictures.get(digest)
    if dropped and dropped.is_file():
        return dropped
    shown = [visit.shown.name] if visit.shown else []
    folders = filter(None, map(house.folder, dict.fromkeys([*shown, *visit.earlier])))
    return next(filter(None, (store.upload(folder, digest) for folder in folders)), None)


def as_shaped(visit: Visit, house: House, recipe: Recipe) -> Recipe:
    """The recipe without width and height where these are what its picture gives by itself."""
    try:
        free = at_hand(visit, house, replace(recipe, width=None, height=None))
        own = pictured(recipe) and fill_sizes(free, house.facts(recipe.model))[:2] == (
            recipe.width,
            recipe.height,
        )
    except BadRecipe:
        return recipe
    return replace(recipe, width=None, height=None) if own else recipe


def seen(visit: Visit, house: House) -> str:
    """The small view of the start picture, with its size. Nothing of a visitor's text is in it."""
    path = found(visit, house, visit.recipe.image) if visit.recipe.image else None
    return _seen(path) if path else f"<p>{words.NO_START_PICTURE}</p>" if visit.recipe.image else ""


@lru_cache(maxsize=64)
def _seen(path: Path) -> str:
    """Such a file never changes."""
    plain, small = images.read(path), BytesIO()
    size = formatting.size(plain.height, plain.width)
    plain.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    plain.save(small, "JPEG", quality=85)
    image = f"data:image/jpeg;base64,{b64encode(small.getvalue()).decode()}"
    told = f"<figcaption>{words.PX.format(sizes=size)}</figcaption>"
    return f'<figure><img src="{image}" alt="{words.START_PICTURE}">{told}</figure>'
