"""The examples that the page offers: runs that come with the app."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from engine.runs import store
from ui.session.services import Services
from ui.text import words

# The side in px of an example's thumbnail.
THUMBNAIL_SIDE = 144


def examples_for_browser(services: Services) -> list[dict[str, Any]]:
    """Return the name, the title and the thumbnail of each example. The thumbnails are so small that they are data."""
    return [
        {"name": name, "title": title, "thumb": _thumbnail_url(services.examples[name])}
        for name, title in words.EXAMPLE_TITLES.items()
        if name in services.examples
    ]


def _thumbnail_url(run: Path) -> str:
    """Return a data URL of a small version of the last picture in a run's folder."""
    (*_, (_, folder)) = store.finished_stages(run).values()
    encoded = BytesIO()
    with Image.open(folder / "thumb.jpg") as image:
        image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        image.save(encoded, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{b64encode(encoded.getvalue()).decode()}"
