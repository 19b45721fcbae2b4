"""Finished stages as the page shows them: where their files are, and what made them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from engine.catalogue.entries import Facts
from engine.errors import BadRecipe
from engine.planning.plan import Plan, plan
from engine.recipe.controls import Control
from engine.recipe.images import is_digest
from engine.recipe.options import OPTIONS, options_of
from engine.recipe.recall import Recalled, recall
from engine.recipe.recipe import DEFAULTS, SETTINGS, Recipe
from engine.runs import layout, store
from engine.runs.layout import StageLayout
from engine.runs.thumbnails import levels
from ui.settings import control_settings
from ui.text import formatting, methods

log = logging.getLogger(__name__)

LONGEST_NAME = 40
MOST_WINDOWS = 400
"""More of them would be a grey sheet, and a page that is slow to arrive."""
UNTOLD = ("width", "height", "view_batch", "loras", "options")


@dataclass(frozen=True, eq=False)
class Picture:
    """A finished stage. size: px, (height, width). layout: of its views, if it is known."""

    run: str
    number: int
    folder: Path
    size: tuple[int, int]
    seconds: float
    recipe: Recipe
    layout: StageLayout | None

    @property
    def of(self) -> int:
        """How many stages the plan has that it belongs to."""
        return max(self.number, self.layout.stage_count if self.layout else 0)

    @property
    def key(self) -> str:
        return f"{self.run}/{self.folder.name}"


def pictures(run: Path, facts_of: Callable[[str], Facts | None]) -> tuple[Picture, ...]:
    """The finished stages in a run's folder; those that cannot be read are left out. facts_of: by name."""
    try:
        folders = store.stages(run)
    except OSError:
        return ()
    told = {number: (folder, _record(folder / store.PICTURE)) for number, (_, folder) in folders.items()}
    return tuple(
        picture(run.name, number, folder, facts_of(record.recipe.model))
        for number, (folder, record) in told.items()
        if record
    )


@lru_cache(maxsize=512)
def picture(run: str, number: int, folder: Path, facts: Facts | None) -> Picture:
    """A finished stage never changes, so what its files tell is read once. facts: of its model, if known."""
    told = _record(folder / store.PICTURE)
    seconds = told.record.get("seconds")
    return Picture(
        run,
        number,
        folder,
        _size(folder),
        float(seconds) if isinstance(seconds, int | float) else 0.0,
        told.recipe,
        layout.from_dict(told.record.get("layout")) or _planned_layout(told, facts),
    )


def _planned_layout(told: Recalled, facts: Facts | None) -> StageLayout | None:
    """The layout of a stage whose record holds none, as those of earlier versions."""
    number = told.record.get("stage")
    if facts is None or not isinstance(number, int):
        return None
    whole = planned(told.recipe, facts)
    return layout.layout_of(whole, number) if whole and 0 < number <= len(whole.stages) else None


@lru_cache(maxsize=512)
def planned(recipe: Recipe, facts: Facts) -> Plan | None:
    """The plan of a recipe that a finished stage was made with; None if it is refused by now."""
    try:
        return plan(recipe, facts)
    except BadRecipe:
        return None


@lru_cache(maxsize=512)
def _record(path: Path) -> Recalled | None:
    try:
        return recall(path)
    except BadRecipe:
        log.warning("%s tells no recipe", path)
        return None


def _size(folder: Path) -> tuple[int, int]:
    with Image.open(folder / store.PICTURE) as image:
        return image.height, image.width


def shown(each: Picture) -> dict[str, Any]:
    """A picture as the component takes it."""
    height, width = each.size
    return {
        "key": each.key,
        "run": each.run,
        "number": each.number,
        "of": each.of,
        "size": [height, width],
        "levels": levels(height, width),
        "thumb": file(each.folder / "thumb.jpg"),
        "proxy": file(each.folder / "proxy.jpg"),
        "tile": file(each.folder / "tiles" / "0-0-0.png"),
        "file": file(each.folder / store.PICTURE),
        "name": file_name(each.recipe, width),
        "alt": each.recipe.prompt,
        "settings": told_settings(each.recipe),
        "windows": windows(each.layout) if each.layout and each.layout.window_count <= MOST_WINDOWS else [],
        "lattice": each.layout.dilation if each.layout and each.layout.dilation > 1 else 0,
    }


def file(path: Path) -> dict[str, Any]:
    """A file that the browser may fetch, as Gradio sends it."""
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def told_settings(recipe: Recipe) -> list[list[str]]:
    """(name, label, value) of every setting, for telling two pictures apart."""
    told = [
        [name, setting.label, _said(getattr(recipe, name))]
        for name, setting in SETTINGS.items()
        if name not in (*UNTOLD, "method")
    ]
    options = asdict(options_of(recipe.options))
    method = ["method", SETTINGS["method"].label, methods.METHOD_TITLES[recipe.method]]
    return [method, *told, *([name, OPTIONS[name].label, _said(options[name])] for name in OPTIONS)]


def _said(value: Any) -> str:
    match value:
        case (Control(), *_):
            return control_settings.describe_controls(value)
        case bool():
            return "on" if value else "off"
        case tuple():
            return " · ".join(_said(each) for each in value)
        case float():
            return f"{value:g}"
        case None | "":
            return "–"
    return value.removeprefix("sha256:")[:6] if is_digest(value) else str(value)


def windows(layout: StageLayout) -> list[list[float]]:
    """Where the local views of a stage lie before they are shaken: top, left, height, width as shares."""
    (rows, cols), (height, width) = layout.canvas, layout.window
    tops, lefts = layout.grid
    return [
        [round(share, 5) for share in (top / rows, left / cols, height / rows, width / cols)]
        for top in tops
        for left in lefts
    ]


def file_name(recipe: Recipe, width: int) -> str:
    """A name that sorts: red-house-snow_s42_1024_a3-1-1.png"""
    words = "".join(
        letter if letter.isascii() and letter.isalnum() else " " for letter in recipe.prompt.lower()
    )
    kept = [word for word in words.split() if word not in ("a", "an", "the", "on", "at", "in", "of")]
    subject = "-".join(kept)[:LONGEST_NAME].strip("-") or "picture"
    alphas = "-".join(f"{value:g}" for value in (recipe.alpha1, recipe.alpha2, recipe.alpha3))
    way = f"a{alphas}" if recipe.method == DEFAULTS.method else recipe.method
    return f"{subject}_s{recipe.seed}_{width}_{way}.png"


def title(recipe: Recipe, sizes: Sequence[tuple[int, int]]) -> str:
    prompt = recipe.prompt if len(recipe.prompt) <= 60 else recipe.prompt[:59] + "…"
    way = "" if recipe.method == DEFAULTS.method else f"{methods.METHOD_TITLES[recipe.method]} · "
    return f"{way}{prompt or '–'} · {formatting.format_sizes(sizes)}"
