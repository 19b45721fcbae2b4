"""The control map (edges, depth, ...) of a stage, drawn over the control image, as HTML."""

import logging
from base64 import b64encode
from dataclasses import dataclass, field, replace
from functools import lru_cache
from html import escape
from io import BytesIO
from pathlib import Path

from PIL import Image

from engine.control import detectors
from engine.control.maps import StageMaps
from engine.control.overlay import draw_overlay, limit_side
from engine.errors import BadRecipe
from engine.planning.stage import Stage
from engine.recipe import images
from engine.recipe.controls import MAP_KINDS, Control
from ui.session.images import DRAWING_TURNS, find_image
from ui.session.services import Services
from ui.session.session import Session
from ui.settings.control_settings import first_control
from ui.text import formatting, words
from ui.text.labels import replace_names_with_labels

log = logging.getLogger(__name__)

# The longest side in px of the control map at 1:1. A larger map is reduced to this side.
MAX_MAP_SIDE = 2048
# The longest side in px of the control map that is fitted into the panel. The server reduces the map, because
# thin lines fade if a browser does.
FITTED_MAP_SIDE = 480
# At most this many drawn control maps are cached.
MAX_CACHED_MAPS = 24
# Pillow's options for a control map's JPEG. Colour has full resolution, as lines are coloured and one px wide.
JPEG_OPTIONS = {"quality": 80, "subsampling": 0}


@dataclass(frozen=True)
class MapRequest:
    """Everything that a drawn control map depends on; the cache of maps uses it as key."""

    # The file of the control image.
    path: Path
    # The control; settings that do not change the map have their defaults.
    control: Control
    # (height, width) of the stage in px.
    size: tuple[int, int]
    # (height, width) of the first stage in px.
    base_size: tuple[int, int]
    # The recipe's seed if the map depends on it, else 0.
    seed: int
    # The stage whose map is drawn. It is not compared, as only the three fields above change the map.
    stage: Stage = field(compare=False)


def map_html(session: Session, services: Services) -> str | None:
    """Return the control map at the chosen stage as HTML, without any user input.

    Returns a sentence if there is no control or its map cannot be drawn; None if the session has no plan.
    """
    control, refusal = first_control(session.recipe), session.refusal
    if control is None:
        return _sentence_html(words.FOLLOW_HELP)
    path = find_image(session, services, control.image) if control.image else None
    if path is None:
        return _sentence_html(words.CONTROL_IMAGE_GONE)
    if refusal and refusal.field == "controls":
        return _sentence_html(replace_names_with_labels(refusal.sentence))
    if session.plan is None:
        return None
    try:
        return draw_map(_map_request(path, control, map_stage(session)))
    except BadRecipe as fault:
        return _sentence_html(fault.sentence)
    except Exception:  # A detector is third-party code and may raise anything.
        log.exception("a map of %s could not be drawn", control.kind)
        return _sentence_html(words.MAP_FAILED)


def map_stage(session: Session) -> Stage:
    """Return the stage whose control map is shown: the chosen stage, else the last one of the plan."""
    if session.plan is None:
        raise ValueError("a session without a plan has no stages")
    stages = session.plan.stages
    return stages[min(session.map_stage or len(stages), len(stages)) - 1]


def _map_request(path: Path, control: Control, stage: Stage) -> MapRequest:
    """Return the request for a control map, in which settings that do not change the map have their defaults."""
    settings = ["kind", "given"]
    if not control.given:
        settings += MAP_KINDS[control.kind].settings
    relevant = replace(Control(), **{name: getattr(control, name) for name in settings})
    seed = stage.recipe.seed if control.kind == "shuffle" else 0
    return MapRequest(path, relevant, stage.size, stage.base_size, seed, stage)


@lru_cache(maxsize=MAX_CACHED_MAPS)
def draw_map(request: MapRequest) -> str:
    """Draw a control map as an HTML figure that holds it twice, fitted and at 1:1; a style shows one of the two."""
    control = request.control
    alt = words.READY_MAP_ALT if control.given else words.MAP_ALT
    alt = alt.format(kind=MAP_KINDS[control.kind].title.lower())
    with DRAWING_TURNS:
        maps = StageMaps(control, images.read(request.path), request.stage, detectors.detect)
        fitted = _map_image(control, maps, FITTED_MAP_SIDE, alt, "fitting")
        full_size = _map_image(control, maps, MAX_MAP_SIDE, alt, "whole")
        del maps  # It holds the whole image.
    stage_size = formatting.format_size(*request.size)
    map_size = formatting.format_size(*limit_side(request.size, MAX_MAP_SIDE))
    caption = words.SIZES_IN_PX.format(sizes=stage_size)
    if map_size != stage_size:
        caption = words.MAP_REDUCED.format(size=stage_size, shown=map_size)
    # The figure can be focused, so that keys scroll it at 1:1.
    return f'<p class="quiet">{caption}</p><figure tabindex="0">{fitted}{full_size}</figure>'


def _map_image(control: Control, maps: StageMaps, max_side: int, alt: str, css_class: str) -> str:
    """Draw a control map over the control image; return an HTML image with sides of at most `max_side` px."""
    image = Image.fromarray(draw_overlay(control, maps.pixels, maps.full_map, max_side))
    file = BytesIO()
    image.save(file, "JPEG", **JPEG_OPTIONS)
    source = f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
    size = f'width="{image.width}" height="{image.height}"'
    return f'<img class="{css_class}" src="{source}" alt="{escape(alt)}" {size}>'


def _sentence_html(text: str) -> str:
    """Return a sentence as HTML, to be shown instead of a control map."""
    return f'<p class="quiet">{escape(text)}</p>'
