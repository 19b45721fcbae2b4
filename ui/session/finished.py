"""Finished stages as the page shows them: the files of a stage and the recipe that it was made from."""

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

# The name of a downloaded file contains at most this many characters of the prompt.
MAX_NAME_LENGTH = 40
# The title of a run contains at most this many characters of the prompt.
MAX_TITLE_LENGTH = 60
# Windows are not outlined if a stage has more windows than this: the outlines would hide the picture and slow the
# page down.
MAX_OUTLINED_WINDOWS = 400
# Names of settings that are left out of the comparison of two pictures.
UNCOMPARED_SETTINGS = ("width", "height", "view_batch", "loras", "options")
# Words that the name of a downloaded file leaves out.
SKIPPED_WORDS = frozenset(("a", "an", "the", "on", "at", "in", "of"))


@dataclass(frozen=True, eq=False)
class FinishedStage:
    """A finished stage of a run, as read from its folder."""

    # The run's name.
    run: str
    # The stage's number within the run, counted from 1.
    number: int
    # The folder of the stage's files.
    folder: Path
    # (height, width) of the picture in px.
    size: tuple[int, int]
    # The seconds that the stage took; 0 if its record does not say.
    seconds: float
    # The recipe that the stage was made from.
    recipe: Recipe
    # The positions of the stage's windows on the canvas; None if they are unknown.
    layout: StageLayout | None

    @property
    def stage_id(self) -> str:
        """The identifier of the stage, which no other finished stage of any run has."""
        return f"{self.run}/{self.folder.name}"

    @property
    def stage_count(self) -> int:
        """The number of stages in the run's plan; if it is unknown, the number of this stage."""
        return max(self.number, self.layout.stage_count if self.layout else 0)


def read_finished_stages(run: Path, facts_of: Callable[[str], Facts | None]) -> tuple[FinishedStage, ...]:
    """Return the finished stages in a run's folder that can be read, the first stage first.

    run: the folder.
    facts_of: returns the facts of a model by the model's name; None if they are unknown.
    """
    try:
        folders = store.finished_stages(run)
    except OSError:
        return ()
    stages = []
    for number, (_, folder) in folders.items():
        recalled = _read_recipe(folder / store.PICTURE_FILE)
        if recalled:
            stages.append(read_finished_stage(run.name, number, folder, facts_of(recalled.recipe.model)))
    return tuple(stages)


@lru_cache(maxsize=512)
def read_finished_stage(run: str, number: int, folder: Path, facts: Facts | None) -> FinishedStage:
    """Read a finished stage from its folder. The result is cached, because the files never change.

    run: the name of the run.
    facts: the facts of the stage's model; needed only if the stage's record has no layout.
    """
    recalled = _read_recipe(folder / store.PICTURE_FILE)
    assert recalled is not None  # Stages without a recipe are left out before.
    seconds = recalled.record.get("seconds")
    return FinishedStage(
        run=run,
        number=number,
        folder=folder,
        size=_picture_size(folder),
        seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
        recipe=recalled.recipe,
        layout=layout.from_dict(recalled.record.get("layout")) or _planned_layout(recalled, facts),
    )


def _planned_layout(recalled: Recalled, facts: Facts | None) -> StageLayout | None:
    """Return the layout of a stage whose record has none, from a plan of its recipe; None if it cannot be planned.

    Records of earlier versions have no layout.
    """
    number = recalled.record.get("stage")
    if facts is None or not isinstance(number, int):
        return None
    planned = plan_of_stored_recipe(recalled.recipe, facts)
    if planned is None or not 0 < number <= len(planned.stages):
        return None
    return layout.stage_layout(planned, number)


@lru_cache(maxsize=512)
def plan_of_stored_recipe(recipe: Recipe, facts: Facts) -> Plan | None:
    """Return the plan of a stored recipe; None if this version of the program rejects the recipe."""
    try:
        return plan(recipe, facts)
    except BadRecipe:
        return None


@lru_cache(maxsize=512)
def _read_recipe(path: Path) -> Recalled | None:
    """Return the recipe and the record in a picture file; None if the file contains no recipe."""
    try:
        return recall(path)
    except BadRecipe:
        log.warning("%s contains no recipe", path)
        return None


def _picture_size(folder: Path) -> tuple[int, int]:
    """Return (height, width) in px of the picture in a stage's folder."""
    with Image.open(folder / store.PICTURE_FILE) as image:
        return image.height, image.width


def stage_for_browser(stage: FinishedStage) -> dict[str, Any]:
    """Return a finished stage as a JSON object for the page's script."""
    height, width = stage.size
    views = stage.layout
    return {
        "key": stage.stage_id,
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
    """Return a JSON object from which Gradio makes a link to the file for the browser."""
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def settings_table(recipe: Recipe) -> list[list[str]]:
    """Return [name, label, value as text] of every setting, for the comparison of two pictures."""
    method = ["method", SETTINGS["method"].label, methods.METHOD_TITLES[recipe.method]]
    settings = [
        [name, setting.label, _as_text(getattr(recipe, name))]
        for name, setting in SETTINGS.items()
        if name not in (*UNCOMPARED_SETTINGS, "method")
    ]
    values = asdict(options_from_pairs(recipe.options))
    options = [[name, option.label, _as_text(values[name])] for name, option in OPTIONS.items()]
    return [method, *settings, *options]


def _as_text(value: object) -> str:
    """Return the value of a setting as text for people."""
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
    """Return [top, left, height, width] of each window without jitter, as fractions of the canvas."""
    (rows, cols), (height, width) = views.canvas, views.window
    tops, lefts = views.grid
    return [
        [round(fraction, 5) for fraction in (top / rows, left / cols, height / rows, width / cols)]
        for top in tops
        for left in lefts
    ]


def download_name(recipe: Recipe, width: int) -> str:
    """Return the file name of a downloaded picture: subject, seed, width in px and exponents or method.

    An example is red-house-snow_s42_1024_a3-1-1.png.
    """
    letters = (letter if letter.isascii() and letter.isalnum() else " " for letter in recipe.prompt.lower())
    prompt_words = [word for word in "".join(letters).split() if word not in SKIPPED_WORDS]
    subject = "-".join(prompt_words)[:MAX_NAME_LENGTH].strip("-") or "picture"
    alphas = "-".join(f"{value:g}" for value in (recipe.alpha1, recipe.alpha2, recipe.alpha3))
    method = f"a{alphas}" if recipe.method == DEFAULTS.method else recipe.method
    return f"{subject}_s{recipe.seed}_{width}_{method}.png"


def run_title(recipe: Recipe, sizes: Sequence[tuple[int, int]]) -> str:
    """Return a line with the prompt and the stage sizes of a run, after the method unless that is the default.

    sizes: (height, width) in px of each stage.
    """
    prompt = recipe.prompt
    if len(prompt) > MAX_TITLE_LENGTH:
        prompt = prompt[: MAX_TITLE_LENGTH - 1] + "…"
    title = f"{prompt or '–'} · {formatting.format_sizes(sizes)}"
    if recipe.method == DEFAULTS.method:
        return title
    return f"{methods.METHOD_TITLES[recipe.method]} · {title}"
