"""The map of the picture to follow, drawn over that picture at the size of a stage, as HTML."""

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

LONGEST_MAP_SIDE = 2048
"""px of what is shown at 1:1; a larger stage's map is reduced to it."""
FITTED_SIDE = 480
"""px of what is shown to fit. A browser that made it smaller would let thin lines fade."""
MAPS_CACHED = 24
JPEG = {"quality": 80, "subsampling": 0}
"""Colour at full resolution: the lines are coloured, and one px wide."""


@dataclass(frozen=True)
class MapRequest:
    """All that a drawn map depends on; its stage is told by size, base and seed."""

    path: Path
    control: Control
    size: tuple[int, int]
    base: tuple[int, int]
    seed: int
    stage: Stage = field(compare=False)


def map_html(session: Session, services: Services) -> str | None:
    """The map at the chosen stage, or a sentence in its place; None while no stage is planned.

    Nothing of a visitor's text is in it.
    """
    control, refused = first_control(session.recipe), session.refusal
    if control is None:
        return _sentence(words.FOLLOW_HELP)
    path = find_image(session, services, control.image)
    if path is None:
        return _sentence(words.CONTROL_IMAGE_GONE)
    if refused and refused.field == "controls":
        return _sentence(replace_names_with_labels(refused.sentence))
    if session.plan is None:
        return None
    try:
        return draw_map(_asked(path, control, map_stage(session)))
    except BadRecipe as fault:
        return _sentence(fault.sentence)
    except Exception:  # Of a detector's network, which is not ours.
        log.exception("a map of %s could not be drawn", control.kind)
        return _sentence(words.MAP_FAILED)


def map_stage(session: Session) -> Stage:
    """The stage whose map is shown: the chosen one, else the last."""
    stages = session.plan.stages
    return stages[min(session.map_stage or len(stages), len(stages)) - 1]


def _asked(path: Path, control: Control, stage: Stage) -> MapRequest:
    """Knobs that a map does not depend on stand at their defaults, so that it is not drawn again."""
    read = ("kind", "given", *(() if control.given else MAP_KINDS[control.kind].settings))
    plain = replace(Control(), **{name: getattr(control, name) for name in read})
    seed = stage.recipe.seed if control.kind == "shuffle" else 0
    return MapRequest(path, plain, stage.size, stage.base_size, seed, stage)


@lru_cache(maxsize=MAPS_CACHED)
def draw_map(asked: MapRequest) -> str:
    """The figure. Such a file never changes."""
    maps = StageMaps(asked.control, images.read(asked.path), asked.stage, detectors.detect)
    title = MAP_KINDS[asked.control.kind].title
    alt = (words.READY_MAP_ALT if asked.control.given else words.MAP_ALT).format(kind=title.lower())
    whole, fitting = (_image(asked.control, maps, side, alt) for side in (LONGEST_MAP_SIDE, FITTED_SIDE))
    size, told = (
        formatting.format_size(*asked.size),
        formatting.format_size(*limit_side(asked.size, LONGEST_MAP_SIDE)),
    )
    caption = (
        words.SIZES_IN_PX.format(sizes=size)
        if told == size
        else words.MAP_REDUCED.format(size=size, shown=told)
    )
    # It takes the focus, so that keys scroll it where it is shown 1:1.
    return f'<p class="quiet">{caption}</p><figure tabindex="0">{fitting}{whole}</figure>'


def _image(control: Control, maps: StageMaps, longest: int, alt: str) -> str:
    shown = Image.fromarray(draw_overlay(control, maps.pixels, maps.full_map, longest))
    to = BytesIO()
    shown.save(to, "JPEG", **JPEG)
    source = f"data:image/jpeg;base64,{b64encode(to.getvalue()).decode()}"
    kind = "whole" if longest == LONGEST_MAP_SIDE else "fitting"
    size = f'width="{shown.width}" height="{shown.height}"'
    return f'<img class="{kind}" src="{source}" alt="{escape(alt)}" {size}>'


def _sentence(text: str) -> str:
    return f'<p class="quiet">{escape(text)}</p>'
