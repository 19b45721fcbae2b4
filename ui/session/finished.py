"""Finished stages as the page shows them: their files, and the recipe that made them."""

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
from engine.recipe.options import OPTIONS, options_from_pairs
from engine.recipe.recall import Recalled, recall
from engine.recipe.recipe import DEFAULTS, SETTINGS, Recipe
from engine.runs import layout, store
from engine.runs.layout import StageLayout
from engine.runs.thumbnails import count_tile_levels
from ui.settings import control_settings
from ui.text import formatting, methods

log = logging.getLogger(__name__)

# Characters of the prompt in the name of a downloaded file.
MAX_NAME_LENGTH = 40
# Characters of the prompt in the title of a run.
MAX_TITLE_LENGTH = 60
# Windows are outlined if there are at most this many; more would hide the picture and slow the page down.
MAX_OUTLINED_WINDOWS = 400
# Settings that are left out where two pictures are compared.
NOT_COMPARED = ("width", "height", "view_batch", "loras", "options")
# Words that the name of a downloaded file leaves out.
SKIPPED_WORDS = frozenset(("a", "an", "the", "on", "at", "in", "of"))


@dataclass(frozen=True, eq=False)
class FinishedStage:
    """A finished stage of a run, as read from its folder."""

    # The run's name.
    run: str
    # The stage's number within the run, counted from 1.
    number: int
    folder: Path
    # (height, width) in px.
    size: tuple[int, int]
    # How long it took; 0 if its record does not say.
    seconds: float
    recipe: Recipe
    # How its views lie on the canvas; None if that is unknown.
    layout: StageLayout | None

    @property
    def key(self) -> str:
        """A name that no other finished stage has."""
        return f"{self.run}/{self.folder.name}"

    @property
    def stage_count(self) -> int:
        """The number of stages of the plan that the stage belongs to, as far as it is known."""
        return max(self.number, self.layout.stage_count if self.layout else 0)


def read_finished_stages(run: Path, facts_of: Callable[[str], Facts | None]) -> tuple[FinishedStage, ...]:
    """Return the finished stages in a run's folder, without those that cannot be read.

    facts_of: returns the facts of a model by its name, None if they are unknown.
    """
    try:
        folders = store.finished_stages(run)
    except OSError:
        return ()
    stages = []
    for number, (_, folder) in folders.items():
        recalled = _recall(folder / store.PICTURE_FILE)
        if recalled:
            stages.append(read_finished_stage(run.name, number, folder, facts_of(recalled.recipe.model)))
    return tuple(stages)


@lru_cache(maxsize=512)
def read_finished_stage(run: str, number: int, folder: Path, facts: Facts | None) -> FinishedStage:
    """Return a finished stage; cached, because its files never change.

    facts: of the stage's model; needed only for records without a layout.
    """
    recalled = _recall(folder / store.PICTURE_FILE)
    seconds = recalled.record.get("seconds")
    return FinishedStage(
        run=run,
        number=number,
        folder=folder,
        size=_size(folder),
        seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
        recipe=recalled.recipe,
        layout=layout.from_dict(recalled.record.get("layout")) or _planned_layout(recalled, facts),
    )


def _planned_layout(recalled: Recalled, facts: Facts | None) -> StageLayout | None:
    """Return the layout from a plan of the stage's recipe, for records of earlier versions without layout."""
    number = recalled.record.get("stage")
    if facts is None or not isinstance(number, int):
        return None
    planned = plan_of_stored_recipe(recalled.recipe, facts)
    if planned is None or not 0 < number <= len(planned.stages):
        return None
    return layout.stage_layout(planned, number)


@lru_cache(maxsize=512)
def plan_of_stored_recipe(recipe: Recipe, facts: Facts) -> Plan | None:
    """Return the plan of the recipe in a record; None if this version of the program rejects the recipe."""
    try:
        return plan(recipe, facts)
    except BadRecipe:
        return None


@lru_cache(maxsize=512)
def _recall(path: Path) -> Recalled | None:
    """Return the recipe and the record in a picture; None if it holds none."""
    try:
        return recall(path)
    except BadRecipe:
        log.warning("%s contains no recipe", path)
        return None


def _size(folder: Path) -> tuple[int, int]:
    with Image.open(folder / store.PICTURE_FILE) as image:
        return image.height, image.width


def stage_for_browser(stage: FinishedStage) -> dict[str, Any]:
    """Return what the page's script needs of a finished stage."""
    height, width = stage.size
    views = stage.layout
    return {
        "key": stage.key,
        "run": stage.run,
        "number": stage.number,
        "of": stage.stage_count,
        "size": [height, width],
        "levels": count_tile_levels(height, width),
        "thumb": file_for_browser(stage.folder / "thumb.jpg"),
        "proxy": file_for_browser(stage.folder / "proxy.jpg"),
        "tile": file_for_browser(stage.folder / "tiles" / "0-0-0.png"),
        "file": file_for_browser(stage.folder / store.PICTURE_FILE),
        "name": download_name(stage.recipe, width),
        "alt": stage.recipe.prompt,
        "settings": settings_table(stage.recipe),
        "windows": window_boxes(views) if views and views.window_count <= MAX_OUTLINED_WINDOWS else [],
        "lattice": views.dilation if views and views.dilation > 1 else 0,
    }


def file_for_browser(path: Path) -> dict[str, Any]:
    """Return a file that the browser may fetch, in Gradio's format."""
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def settings_table(recipe: Recipe) -> list[list[str]]:
    """Return name, label and value of every setting as text, to compare two pictures by."""
    method = ["method", SETTINGS["method"].label, methods.METHOD_TITLES[recipe.method]]
    settings = [
        [name, setting.label, _as_text(getattr(recipe, name))]
        for name, setting in SETTINGS.items()
        if name not in (*NOT_COMPARED, "method")
    ]
    values = asdict(options_from_pairs(recipe.options))
    options = [[name, option.label, _as_text(values[name])] for name, option in OPTIONS.items()]
    return [method, *settings, *options]


def _as_text(value: Any) -> str:
    match value:
        case (Control(), *_):
            return control_settings.describe_controls(value)
        case bool():
            return "on" if value else "off"
        case tuple():
            return " · ".join(_as_text(each) for each in value)
        case float():
            return f"{value:g}"
        case None | "":
            return "–"
    return value.removeprefix("sha256:")[:6] if is_digest(value) else str(value)


def window_boxes(views: StageLayout) -> list[list[float]]:
    """Return top, left, height and width of each window before jitter, as shares of the canvas."""
    (rows, cols), (height, width) = views.canvas, views.window
    tops, lefts = views.grid
    return [
        [round(share, 5) for share in (top / rows, left / cols, height / rows, width / cols)]
        for top in tops
        for left in lefts
    ]


def download_name(recipe: Recipe, width: int) -> str:
    """Return a file name that sorts well, such as red-house-snow_s42_1024_a3-1-1.png."""
    letters = (letter if letter.isascii() and letter.isalnum() else " " for letter in recipe.prompt.lower())
    prompt_words = [word for word in "".join(letters).split() if word not in SKIPPED_WORDS]
    subject = "-".join(prompt_words)[:MAX_NAME_LENGTH].strip("-") or "picture"
    alphas = "-".join(f"{value:g}" for value in (recipe.alpha1, recipe.alpha2, recipe.alpha3))
    method = f"a{alphas}" if recipe.method == DEFAULTS.method else recipe.method
    return f"{subject}_s{recipe.seed}_{width}_{method}.png"


def run_title(recipe: Recipe, sizes: Sequence[tuple[int, int]]) -> str:
    """Return the method (unless it is the default one), the prompt and the sizes of a run in one line."""
    prompt = recipe.prompt
    if len(prompt) > MAX_TITLE_LENGTH:
        prompt = prompt[: MAX_TITLE_LENGTH - 1] + "…"
    title = f"{prompt or '–'} · {formatting.format_sizes(sizes)}"
    if recipe.method == DEFAULTS.method:
        return title
    return f"{methods.METHOD_TITLES[recipe.method]} · {title}"
