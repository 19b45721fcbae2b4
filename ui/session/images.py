"""Pictures of a visit to start from or to follow: whose they are, which shape they give.

On the page a recipe names its pictures by their digests; a file is looked up for each plan and each run.
"""

from base64 import b64encode
from dataclasses import replace
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path

from engine.errors import BadRecipe
from engine.planning.sizes import fill_sizes
from engine.recipe import images
from engine.recipe.files import with_files
from engine.recipe.recipe import Recipe
from engine.runs import store
from ui.session.services import House
from ui.session.session import Visit
from ui.settings.sizes import has_input_image
from ui.text import formatting, words

LONGEST_SIDE = 280
"""px of the small view."""


def at_hand(visit: Visit, house: House, recipe: Recipe) -> Recipe:
    """The recipe with its pictures as files, or BadRecipe.

    Digests travel in pictures and settings: knowing one makes nobody the owner of the pixels.
    """
    return with_files(recipe, partial(found, visit, house))


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
        own = has_input_image(recipe) and fill_sizes(free, house.facts(recipe.model))[:2] == (
            recipe.width,
            recipe.height,
        )
    except BadRecipe:
        return recipe
    return replace(recipe, width=None, height=None) if own else recipe


def seen(visit: Visit, house: House) -> str:
    """The small view of the start picture, with its size. Nothing of a visitor's text is in it."""
    path = found(visit, house, visit.recipe.image) if visit.recipe.image else None
    return _seen(path) if path else f"<p>{words.START_IMAGE_GONE}</p>" if visit.recipe.image else ""


@lru_cache(maxsize=64)
def _seen(path: Path) -> str:
    """Such a file never changes."""
    plain, small = images.read(path), BytesIO()
    size = formatting.format_size(plain.height, plain.width)
    plain.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    plain.save(small, "JPEG", quality=85)
    image = f"data:image/jpeg;base64,{b64encode(small.getvalue()).decode()}"
    told = f"<figcaption>{words.SIZES_IN_PX.format(sizes=size)}</figcaption>"
    return f'<figure><img src="{image}" alt="{words.START_IMAGE_ALT}">{told}</figure>'
