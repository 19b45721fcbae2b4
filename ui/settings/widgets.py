"""The Gradio widgets of the settings, with labels, help and ranges taken from the recipe's fields.

widget_values(recipe) is what the widgets show for a recipe; recipe_from_widgets(values) is the way back.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

import gradio as gr

from engine import errors
from engine.catalogue.entries import Facts, ModelEntry
from engine.errors import BadRecipe, short_repr
from engine.recipe.checks import check_value
from engine.recipe.controls import CONTROL_SETTINGS, MAP_KINDS, Control
from engine.recipe.effects import ineffective_settings
from engine.recipe.fields import Setting
from engine.recipe.options import OPTION_DEFAULTS, OPTIONS, Options, changed_options, options_from_pairs
from engine.recipe.recipe import DEFAULTS, MAX_SEED, SETTINGS, Recipe
from ui.settings import control_settings
from ui.settings.control_settings import apply_widget_values, control_widget_values, widget_name
from ui.settings.sizes import (
    AS_INPUT_IMAGE,
    MOST_STAGES,
    SHAPES,
    SizeSettings,
    apply_size_settings,
    size_settings_for,
)
from ui.text import methods, words
from ui.text.labels import LABELS

ALPHAS = ("alpha1", "alpha2", "alpha3")
SMOOTHING_AND_STRIDE = ("sigma1", "sigma2", "stride")
FINE_SETTINGS = ("negative", "guidance", "steps", "scheduler")
# Parts of the method that can be switched off.
METHOD_PARTS = ("progressive", "skip_residual", "dilated", "jitter", "feather")
# Settings with a widget of the same name.
WIDGET_SETTINGS = (
    "prompt",
    "seed",
    "model",
    "method",
    *ALPHAS,
    *SMOOTHING_AND_STRIDE,
    "fidelity",
    *FINE_SETTINGS,
    *METHOD_PARTS,
    "kernel",
    "economy",
    "faithful",
)
# Widgets that stand for width, height and scales together.
SIZE_WIDGETS = tuple(field.name for field in fields(SizeSettings))
# Settings without a widget. If a picture or a link brings a value, the session keeps it beside the widgets.
SETTINGS_WITHOUT_WIDGET = tuple(
    name for name in SETTINGS if name not in (*WIDGET_SETTINGS, "options", "width", "height", "scales")
)


def _choices(titles: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return titles by name as (title, name) pairs for Gradio."""
    return [(title, name) for name, title in titles.items()]


# (title, name) pairs of each setting and option that is a choice.
CHOICES = {
    "scheduler": _choices(words.SCHEDULER_TITLES),
    "kernel": _choices(words.KERNEL_TITLES),
    "method": _choices(methods.METHOD_TITLES),
    "views": _choices(methods.VIEW_TITLES),
    "network": _choices(methods.NETWORK_TITLES),
}


def setting_widget(name: str, value: Any = None, **changes: Any) -> gr.components.Component:
    """Build the widget of a setting; changes override its label and other arguments."""
    value = getattr(DEFAULTS, name) if value is None else value
    arguments = {"label": LABELS[name], "elem_id": name, "choices": CHOICES.get(name)} | changes
    return _build_widget(SETTINGS[name], value, **arguments)


def method_widget(value: Any = None) -> gr.Radio:
    """Build the list of methods, each with its description."""
    choices = [
        (methods.METHOD_CHOICE.format(title=title, line=methods.METHOD_DESCRIPTIONS[name]), name)
        for name, title in methods.METHOD_TITLES.items()
    ]
    return gr.Radio(
        choices,
        value=value or DEFAULTS.method,
        label=LABELS["method"],
        info=SETTINGS["method"].help,
        elem_id="method",
        interactive=True,
    )


def option_widget(name: str, value: Any = None) -> gr.components.Component:
    """Build the widget of a setting that only some methods read; hidden if the default method ignores it."""
    value = getattr(OPTION_DEFAULTS, name) if value is None else value
    arguments = {"label": LABELS[name], "elem_id": name, "choices": CHOICES.get(name)}
    is_visible = name not in ineffective_settings(DEFAULTS)
    return _build_widget(OPTIONS[name], value, visible=is_visible, **arguments)


def control_widget(name: str, value: Any = None, **changes: Any) -> gr.components.Component:
    """Build the widget of a setting of the first control; changes override its label and other arguments."""
    setting = CONTROL_SETTINGS[name]
    value = getattr(Control(), name) if value is None else value
    arguments = {
        "label": setting.label,
        "elem_id": widget_name(name),
        "choices": control_settings.kind_choices(MAP_KINDS),
    }
    return _build_widget(setting, value, **arguments | changes)


def _build_widget(setting: Setting, value: Any, choices: Any, **arguments: Any) -> gr.components.Component:
    """Build the Gradio component for a setting's kind and range."""
    arguments = {"info": setting.help, "interactive": True} | arguments
    low, high = setting.low, setting.high
    match setting.kind:
        case "text":
            return gr.Textbox(value or "", **arguments)
        case "flag":
            return gr.Checkbox(value, **arguments)
        case "choice":
            return gr.Dropdown(choices, value=value or choices[0][1], **arguments)
        case "integer" | "number" if high == MAX_SEED:
            return gr.Number(value, precision=0, minimum=low, maximum=high, **arguments)
        case "integer" | "number":
            return gr.Slider(low, high, value=low if value is None else value, step=setting.step, **arguments)
    raise ValueError(f"{setting.label} has no widget")


def clamp_to_slider(widget: gr.components.Component, value: Any, maximum: float | None = None) -> Any:
    """Return a value as the browser shows it: a slider silently keeps it between its ends.

    maximum: replaces the slider's own, which a model may have lowered.
    """
    if not isinstance(widget, gr.Slider):
        return value
    if value is None:
        return widget.minimum
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return min(max(value, widget.minimum), maximum or widget.maximum) if is_number else value


def model_choices(models: Iterable[ModelEntry]) -> list[tuple[str, str]]:
    """Return the models as (title, name) pairs; the title of one to be downloaded names its size."""
    return [(_model_title(entry), entry.name) for entry in models]


def _model_title(entry: ModelEntry) -> str:
    """Return a model's title in the list of models."""
    if entry.is_here or not entry.gigabytes:
        return entry.title
    return words.MODEL_TO_DOWNLOAD.format(title=entry.title, size=f"{entry.gigabytes:g}")


def model_widget(models: Collection[ModelEntry]) -> gr.Dropdown:
    """Build the list of models with the first one selected."""
    return gr.Dropdown(
        model_choices(models),
        value=next(iter(models)).name,
        label=LABELS["model"],
        info=SETTINGS["model"].help,
        elem_id="model",
        filterable=False,
        interactive=True,
    )


def shape_choices(has_input_image: bool = True) -> list[tuple[str, str]]:
    """Return the shapes as (title, name) pairs; with an input image, its shape is one."""
    choices = [(shape, shape) for shape in SHAPES]
    if has_input_image:
        choices.append((words.SHAPE_OF_PICTURE, AS_INPUT_IMAGE))
    return choices


def size_widget(name: str, value: Any = None, **changes: Any) -> gr.components.Component:
    """Build the widget of a field of SizeSettings; changes override its label and other arguments."""
    value = getattr(SizeSettings(), name) if value is None else value
    arguments = {"label": LABELS[name], "interactive": True, "elem_id": name} | changes
    match name:
        case "stages":
            return gr.Slider(1, MOST_STAGES, value=value, step=1, info=SETTINGS["scales"].help, **arguments)
        case "by_one":
            return gr.Checkbox(value, info=words.BY_ONE_HELP, **arguments)
        case "scales":
            return gr.Textbox(value, info=words.OWN_SCALES_HELP, **arguments)
        case "shape":
            return gr.Radio(shape_choices(), value=value, info=words.SHAPE_HELP, **arguments)
    return gr.Number(value, precision=0, info=words.OWN_SIZE_HELP, **arguments)


def widget_values(recipe: Recipe, facts: Facts) -> dict[str, Any]:
    """Return what the widgets show for a recipe; empty settings show the model's defaults."""
    defaults = facts.defaults
    filled = replace(
        recipe,
        stride=facts.window // 2 if recipe.stride is None else recipe.stride,
        steps=defaults.steps if recipe.steps is None else recipe.steps,
        guidance=defaults.guidance if recipe.guidance is None else recipe.guidance,
        scheduler=recipe.scheduler or defaults.scheduler,
        negative=recipe.negative or "",
    )
    return {
        **{name: getattr(filled, name) for name in WIDGET_SETTINGS},
        **asdict(options_from_pairs(recipe.options)),
        **asdict(size_settings_for(recipe, facts)),
        **control_widget_values(recipe),
    }


def values_without_widget(recipe: Recipe) -> dict[str, Any]:
    """Return the settings that no widget shows and that differ from the defaults."""
    values = {name: getattr(recipe, name) for name in SETTINGS_WITHOUT_WIDGET}
    changed_values = {name: value for name, value in values.items() if value != getattr(DEFAULTS, name)}
    # An empty box means the model's default, so an intentionally empty negative prompt is kept here.
    if recipe.negative == "":
        changed_values["negative"] = ""
    return changed_values


def recipe_from_widgets(values: Mapping[str, Any], rest: Mapping[str, Any], facts: Facts) -> Recipe:
    """Return the recipe that the widgets stand for; BadRecipe names the widget with an unusable value.

    values: by widget; they come from a browser and may be of any type.
    rest: from values_without_widget.
    """
    settings = {name: _setting_value(name, values.get(name)) for name in WIDGET_SETTINGS}
    options = changed_options(Options(**{name: _option_value(name, values.get(name)) for name in OPTIONS}))
    settings["negative"] = settings["negative"] or rest.get("negative")
    for name, value in rest.items():
        if name in SETTINGS_WITHOUT_WIDGET:
            settings[name] = check_value(name, value)
    if settings.get("controls"):
        settings["controls"] = check_value("controls", apply_widget_values(settings["controls"], values))
    sizes = SizeSettings(**{name: _size_value(name, values.get(name)) for name in SIZE_WIDGETS})
    return apply_size_settings(Recipe(**settings, options=options), sizes, facts)


def _setting_value(name: str, value: Any) -> Any:
    """Return the checked value of a setting's widget; a cleared box stands for the default."""
    if isinstance(value, float) and SETTINGS[name].kind == "integer" and value.is_integer():
        value = int(value)
    if value is None and not SETTINGS[name].optional:
        return getattr(DEFAULTS, name)
    return check_value(name, value)


def _option_value(name: str, value: Any) -> Any:
    """Return the checked value of an option's widget; a cleared box stands for the default."""
    default = getattr(OPTION_DEFAULTS, name)
    if value is None:
        return default
    return dict(check_value("options", ((name, value),))).get(name, default)


def _size_value(name: str, value: Any) -> Any:
    """Return the checked value of a size widget."""
    match name:
        case "stages":
            if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MOST_STAGES:
                sentence = errors.OUT_OF_RANGE.format(
                    field="stages", value=short_repr(value), low=1, high=MOST_STAGES
                )
                raise BadRecipe("scales", sentence)
            return int(value)
        case "by_one":
            return check_value("faithful", value)  # Checked like another flag.
        case "scales" | "shape":
            return check_value("prompt", value or "")  # Checked like another text.
    return check_value(name, None if value in (0, "") else value)


def ineffective_widgets(recipe: Recipe, facts: Facts) -> frozenset[str]:
    """Return the widgets that change nothing beside the recipe's other settings."""
    control_widgets = control_settings.ineffective_control_widgets(recipe, facts)
    return frozenset(ineffective_settings(recipe)) | control_widgets


def summarize_settings(recipe: Recipe) -> str:
    """Write the settings that tell pictures apart in one line: "α 3 1 1 · σ 0.8 0.008 · seed 42"."""
    if recipe.method != DEFAULTS.method:
        return f"{methods.METHOD_TITLES[recipe.method]} · seed {recipe.seed}"
    alphas = " ".join(f"{value:g}" for value in (recipe.alpha1, recipe.alpha2, recipe.alpha3))
    return f"α {alphas} · σ {recipe.sigma1:g} {recipe.sigma2:g} · seed {recipe.seed}"
