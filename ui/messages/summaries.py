"""Small facts beside the controls, computed from the plan. Numbers only."""

from dataclasses import asdict

from engine.planning import cost
from engine.planning.plan import Plan
from engine.recipe.options import OPTIONS, options_of
from engine.recipe.recipe import SETTINGS, Recipe
from ui.session.finished import UNTOLD
from ui.settings import control_settings
from ui.settings.complaints import SettingChange, describe_changes
from ui.text import formatting, methods, words

NAMED_WITHOUT_VALUES = {"prompt": words.PROMPT_CHANGED, "image": words.START_IMAGE_CHANGED}
"""Settings of which it is told that they changed, and not how."""


def describe_sizes(planned: Plan | None) -> str:
    """256 → 512 → 1024 px"""
    return words.SIZES_IN_PX.format(sizes=formatting.format_sizes([stage.size for stage in planned.stages])) if planned else ""


def describe_windows(planned: Plan | None) -> str:
    """How far windows overlap, how many there are in the last stage, and what economy saves."""
    if planned is None:
        return ""
    stage, window = planned.stages[-1], planned.facts.window
    if stage.sees_whole_canvas and not stage.is_base:
        return methods.WHOLE_PICTURE_AT_ONCE
    overlap = round(100 * (1 - planned.recipe.stride / window))
    said = words.ONE_WINDOW if stage.windows == 1 else words.MANY_WINDOWS
    saved = round(100 * cost.economy_saves(planned))
    saves = words.ECONOMY_SAVES.format(share=saved) if saved else ""
    return said.format(overlap=overlap, windows=stage.windows) + saves


def describe_differences(before: Recipe, after: Recipe) -> str:
    """What changed from one filled recipe to another, in words; empty if nothing did."""
    changes = tuple(
        SettingChange(name, getattr(before, name), getattr(after, name))
        for name in SETTINGS
        if name not in (*UNTOLD, *NAMED_WITHOUT_VALUES, "controls") and getattr(before, name) != getattr(after, name)
    )
    old, new = asdict(options_of(before.options)), asdict(options_of(after.options))
    changes += tuple(SettingChange(name, old[name], new[name]) for name in OPTIONS if old[name] != new[name])
    words_changed = [said for name, said in NAMED_WITHOUT_VALUES.items() if getattr(before, name) != getattr(after, name)]
    followed = control_settings.describe_control_differences(before.controls, after.controls)
    return ", ".join([*words_changed, *([describe_changes(changes)] if changes else []), *followed])
