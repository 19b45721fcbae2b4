"""Short texts on the sizes and windows of a plan, on quality presets, and on the differences between two recipes."""

from dataclasses import asdict

from engine.catalogue.entries import Facts
from engine.planning import cost
from engine.planning.plan import Plan
from engine.recipe.options import OPTIONS, options_from_pairs
from engine.recipe.quality import quality_names
from engine.recipe.recipe import SETTINGS, Recipe
from ui.session.finished import UNCOMPARED_SETTINGS
from ui.settings import control_settings
from ui.settings.complaints import SettingChange, describe_changes
from ui.text import formatting, methods, words

# Aspect ratios that differ by less are the same: whole cells make them differ a little from stage to stage.
SHAPE_TOLERANCE = 0.05
# Texts for changed settings whose old and new values are not shown, by setting.
NAMED_WITHOUT_VALUES = {"prompt": words.PROMPT_CHANGED, "image": words.START_IMAGE_CHANGED}


def describe_sizes(plan: Plan | None) -> str:
    """Return the sizes of a plan's stages as text: "256 → 512 → 1024 px"; empty without a plan."""
    if plan is None:
        return ""
    return words.SIZES_IN_PX.format(sizes=formatting.format_sizes([stage.size for stage in plan.stages]))


def describe_windows(plan: Plan | None) -> str:
    """Return a text on the windows of a plan's last stage: overlap, number, and the work that economy saves.

    Overlap and saved work are percentages. Empty without a plan, and if an upscaler makes the last stage.
    """
    if plan is None:
        return ""
    stage, window = plan.stages[-1], plan.facts.window
    if stage.upscales:
        return ""
    if stage.sees_whole_canvas and not stage.is_base:
        return methods.WHOLE_PICTURE_AT_ONCE
    overlap = round(100 * (1 - plan.recipe.stride / window))
    text = words.ONE_WINDOW if stage.window_count == 1 else words.MANY_WINDOWS
    text = text.format(overlap=overlap, windows=stage.window_count)
    saved = round(100 * cost.fraction_saved_by_economy(plan))
    return text + words.ECONOMY_SAVES.format(share=saved) if saved else text


def quality_choices(facts: Facts) -> list[tuple[str, str]]:
    """Return the model's quality presets as (title, name) pairs."""
    return [(words.QUALITY_TITLES[name], name) for name in quality_names(facts)]


def _has_other_shape(before: Recipe, after: Recipe) -> bool:
    """Return whether two recipes have different aspect ratios; not if one of them has no size."""
    if not (before.width and before.height and after.width and after.height):
        return False
    return abs(before.width * after.height / (before.height * after.width) - 1) > SHAPE_TOLERANCE


def describe_differences(before: Recipe, after: Recipe) -> str:
    """Return the differences between two recipes in one line; empty if there are none.

    before, after: without empty settings, as in Plan.recipe.
    """
    changed = [name for name in SETTINGS if getattr(before, name) != getattr(after, name)]
    names = [text for name, text in NAMED_WITHOUT_VALUES.items() if name in changed]
    if _has_other_shape(before, after):
        names.append(words.SHAPE_CHANGED)
    skipped = {*UNCOMPARED_SETTINGS, *NAMED_WITHOUT_VALUES, "controls"}
    changes = [
        SettingChange(name, getattr(before, name), getattr(after, name))
        for name in changed
        if name not in skipped
    ]
    old, new = asdict(options_from_pairs(before.options)), asdict(options_from_pairs(after.options))
    changes += [SettingChange(name, old[name], new[name]) for name in OPTIONS if old[name] != new[name]]
    settings = [describe_changes(tuple(changes))] if changes else []
    controls = control_settings.describe_control_differences(before.controls, after.controls)
    return ", ".join([*names, *settings, *controls])
