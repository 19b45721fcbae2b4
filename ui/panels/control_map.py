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
from ui.session.images import find_image
from ui.session.services import Services
from ui.session.session import Session
from ui.settings.control_settings import first_control
from ui.text import formatting, words
from ui.text.labels import replace_names_with_labels

log = logging.getLogger(__name__)

# px of the longest side of the map at 1:1; a larger stage's map is reduced to it.
LONGEST_MAP_SIDE = 2048
# px of the longest side of the fitted map. It is reduced here, as thin lines fade if a browser reduces them.
FITTED_SIDE = 480
# Maps that are kept in memory.
MAPS_CACHED = 24
# Colour at full resolution, as lines are coloured and one px wide.
JPEG = {"quality": 80, "subsampling": 0}


@dataclass(frozen=True)
class MapRequest:
    """All that a drawn map depends on, as the key of the cache."""

    # The control image.
    path: Path
    # The control with the settings that the map does not depend on at their defaults.
    control: Control
    # (height, width) px of the stage and of the base.
    size: tuple[int, int]
    base: tuple[int, int]
    # The recipe's seed if the map depends on it, else 0.
    seed: int
    # The stage, of which the map depends on the three fields above alone.
    stage: Stage = field(compare=False)


def map_html(session: Session, services: Services) -> str | None:
    """Return the map at the chosen stage, or a sentence in its place; None while no stage is planned.

    It holds nothing that a person typed in.
    """
    control, refusal = first_control(session.recipe), session.refusal
    if control is None:
        return _sentence(words.FOLLOW_HELP)
    path = find_image(session, services, control.image)
    if path is None:
        return _sentence(words.CONTROL_IMAGE_GONE)
    if refusal and refusal.field == "controls":
        return _sentence(replace_names_with_labels(refusal.sentence))
    if session.plan is None:
        return None
    try:
        return draw_map(_map_request(path, control, map_stage(session)))
    except BadRecipe as fault:
        return _sentence(fault.sentence)
    except Exception:  # A detector is third-party code and may raise anything.
        log.exception("a map of %s could not be drawn", control.kind)
        return _sentence(words.MAP_FAILED)


def map_stage(session: Session) -> Stage:
    """Return the stage whose map is shown: the chosen one, else the last."""
    stages = session.plan.stages
    return stages[min(session.map_stage or len(stages), len(stages)) - 1]


def _map_request(path: Path, control: Control, stage: Stage) -> MapRequest:
    """Return what the map depends on, so that it is not drawn again when other settings change."""
    settings = ["kind", "given"]
    if not control.given:
        settings += MAP_KINDS[control.kind].settings
    relevant = replace(Control(), **{name: getattr(control, name) for name in settings})
    seed = stage.recipe.seed if control.kind == "shuffle" else 0
    return MapRequest(path, relevant, stage.size, stage.base_size, seed, stage)


@lru_cache(maxsize=MAPS_CACHED)
def draw_map(request: MapRequest) -> str:
    """Draw the map as an HTML figure, fitted and at 1:1; a style shows one of the two."""
    control = request.control
    maps = StageMaps(control, images.read(request.path), request.stage, detectors.detect)
    alt = words.READY_MAP_ALT if control.given else words.MAP_ALT
    alt = alt.format(kind=MAP_KINDS[control.kind].title.lower())
    fitted = _map_image(control, maps, FITTED_SIDE, alt, "fitting")
    full_size = _map_image(control, maps, LONGEST_MAP_SIDE, alt, "whole")
    stage_size = formatting.format_size(*request.size)
    map_size = formatting.format_size(*limit_side(request.size, LONGEST_MAP_SIDE))
    caption = words.SIZES_IN_PX.format(sizes=stage_size)
    if map_size != stage_size:
        caption = words.MAP_REDUCED.format(size=stage_size, shown=map_size)
    # The figure can be focused, so that keys scroll it at 1:1.
    return f'<p class="quiet">{caption}</p><figure tabindex="0">{fitted}{full_size}</figure>'


def _map_image(control: Control, maps: StageMaps, longest: int, alt: str, css_class: str) -> str:
    """Draw the map over the control image as an HTML image whose longest side has at most so many px."""
    image = Image.fromarray(draw_overlay(control, maps.pixels, maps.full_map, longest))
    file = BytesIO()
    image.save(file, "JPEG", **JPEG)
    source = f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
    size = f'width="{image.width}" height="{image.height}"'
    return f'<img class="{css_class}" src="{source}" alt="{escape(alt)}" {size}>'


def _sentence(text: str) -> str:
    """Return a sentence as HTML, to stand in the place of a map."""
    return f'<p class="quiet">{escape(text)}</p>'
