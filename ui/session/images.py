"""The files of the start image and the control images of a page.

The recipes of a page name images by digest. The file of an image is looked up for each plan and each run.
"""

import threading
from base64 import b64encode
from dataclasses import replace
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

from engine.errors import BadRecipe
from engine.planning.sizes import fill_sizes
from engine.recipe import images
from engine.recipe.files import with_files
from engine.recipe.recipe import Recipe
from engine.runs import store
from ui.session.services import Services
from ui.session.session import Session
from ui.settings.sizes import has_input_image
from ui.text import formatting, words

# The longer side in px of the reduced start image on the page.
PREVIEW_SIDE = 280
# The longer side in px of the reduced start image in the comparison.
COMPARED_SIDE = 1024
# Held while an uploaded image is drawn for a page. A large image takes hundreds of megabytes, so few are drawn at once.
DRAWING_TURNS = threading.BoundedSemaphore(2)


def recipe_with_files(session: Session, services: Services, recipe: Recipe) -> Recipe:
    """Return the recipe with the digest of each image replaced by a file.

    Raise BadRecipe if the page has no access to an image. It has access to images that were dropped on it, and to
    images of examples and of the runs of its browser. Knowing a digest gives no access, because pictures and links
    contain digests.
    """
    return with_files(recipe, partial(find_image, session, services))


def find_image(session: Session, services: Services, digest: str) -> Path | None:
    """Return the file of an image with this digest; None if the page has no access to such an image.

    The image must have been dropped on this page, or belong to a run of this browser or to an example.
    """
    dropped = session.images.get(digest)
    if dropped and dropped.is_file():
        return dropped
    shown = [session.shown_run.name] if session.shown_run else []
    for name in dict.fromkeys([*shown, *session.own_runs, *services.examples]):
        folder = services.run_folder(name, session.owner)
        path = store.find_image(folder, digest) if folder else None
        if path:
            return path
    return None


def without_image_size(session: Session, services: Services, recipe: Recipe) -> Recipe:
    """Return the recipe without width and height if its input image implies the same width and height.

    Any other recipe is returned unchanged.
    """
    if not has_input_image(recipe):
        return recipe
    free = replace(recipe, width=None, height=None)
    try:
        with_image = recipe_with_files(session, services, free)
        width, height, _ = fill_sizes(with_image, services.facts(recipe.model))
    except BadRecipe:
        return recipe
    return free if (width, height) == (recipe.width, recipe.height) else recipe


def start_image_html(session: Session, services: Services) -> str:
    """Return the HTML of the start image: the reduced image with its size.

    Return a sentence if the file of the start image is gone, and "" if there is no start image. The HTML contains no
    text from outside, so nothing is escaped.
    """
    digest = session.recipe.image
    if not digest:
        return ""
    path = find_image(session, services, digest)
    return _figure_html(path) if path else f"<p>{words.START_IMAGE_GONE}</p>"


def _figure_html(path: Path) -> str:
    """Return the HTML of a reduced image with its size."""
    (height, width), source = _reduced_image(path, PREVIEW_SIDE)
    size = formatting.format_size(height, width)
    caption = f"<figcaption>{words.SIZES_IN_PX.format(sizes=size)}</figcaption>"
    return f'<figure><img src="{source}" alt="{words.START_IMAGE_ALT}">{caption}</figure>'


def has_start_picture(session: Session) -> bool:
    """Return whether the shown run, or else the settings, have a start image."""
    return _start_image_digest(session) is not None


def _start_image_digest(session: Session) -> str | None:
    """Return the digest of the start image of the shown run, or else of the settings; None without one."""
    shown = session.shown_run
    of_run = shown.plan.recipe.image if shown and shown.plan else None
    return of_run or session.recipe.image


def start_picture_for_browser(session: Session, services: Services) -> dict[str, Any] | None:
    """Return the start image for the comparison, as a JSON object like that of a finished stage.

    It is the one of the shown run, or else of the settings. Return None if there is none, or its file is gone. Uploads
    are never served: the image in it is a reduced copy, as data.
    """
    digest = _start_image_digest(session)
    path = find_image(session, services, digest) if digest else None
    if path is None:
        return None
    (height, width), source = _reduced_image(path, COMPARED_SIDE)
    link = {"url": source}
    return {
        "key": f"start {digest}",
        "run": "",
        "title": words.START_IMAGE_ALT,
        "number": 0,
        "of": 0,
        "size": [height, width],
        "levels": 0,
        "thumb": link,
        "proxy": link,
        "tile": link,
        "file": link,
        "name": "",
        "alt": words.START_IMAGE_ALT,
        "settings": [],
        "windows": [],
        "lattice": 0,
    }


@lru_cache(maxsize=64)
def _reduced_image(path: Path, side: int) -> tuple[tuple[int, int], str]:
    """Return the (height, width) of an image, and a data URL of it, reduced to a longer side of at most `side` px.

    The result is cached, because the file never changes.
    """
    encoded = BytesIO()
    with DRAWING_TURNS:
        image = images.read(path)
        size = (image.height, image.width)
        image.thumbnail((side, side))
    image.save(encoded, "JPEG", quality=85)
    return size, f"data:image/jpeg;base64,{b64encode(encoded.getvalue()).decode()}"
