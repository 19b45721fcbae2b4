"""The Gradio widgets of the settings, with labels, help and ranges taken from the recipe's fields.

widget_values converts a recipe to the values of the widgets; recipe_from_widgets converts the values back.
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields, replace
from typing import Any

import gradio as gr

from engine import errors
from engine.catalogue.entries import Facts, ModelEntry
from engine.catalogue.upscalers import upscaler_entries
from engine.errors import BadRecipe, short_repr
from engine.methods import METHODS
from engine.recipe.checks import check_value
from engine.recipe.controls import CONTROL_SETTINGS, MAP_KINDS, Control
from engine.recipe.effects import drop_own_restart, ineffective_settings
from engine.recipe.fields import Setting
from engine.recipe.options import OPTION_DEFAULTS, OPTIONS, Options, changed_options, options_from_pairs
from engine.recipe.recipe import DEFAULTS, LATENT, MAX_SEED, SETTINGS, Recipe
from ui.settings import control_settings
from ui.settings.control_settings import apply_widget_values, control_widget_values, widget_name
from ui.settings.sizes import (
    AS_INPUT_IMAGE,
    MAX_STAGES,
    SHAPES,
    SizeSettings,
    apply_size_settings,
    format_numbers,
    parse_numbers,
    size_settings_for,
)
from ui.text import methods, words
from ui.text.labels import LABELS

# The widget of a setting.
Widget = gr.Textbox | gr.Checkbox | gr.Dropdown | gr.Number | gr.Radio | gr.Slider
# Names of the exponents, which have one widget each.
ALPHAS = ("alpha1", "alpha2", "alpha3")
# Names of the settings of the smoothing and of the distance between windows.
SMOOTHING_AND_STRIDE = ("sigma1", "sigma2", "stride")
# Names of the settings at the top of the section "Advanced settings".
FINE_SETTINGS = ("negative", "guidance", "steps", "scheduler")
# Names of the settings that switch a part of the method on or off.
METHOD_PARTS = ("progressive", "skip_residual", "dilated", "jitter", "feather")
# Names of the options in the section "Advanced settings".
ADVANCED_OPTIONS = ("views", "network", "restart_stages")
# Names of the settings that have a widget of the same name.
WIDGET_SETTINGS = (
    "prompt",
    "seed",
    "model",
    "method",
    "enlarge",
    *ALPHAS,
    *SMOOTHING_AND_STRIDE,
    "fidelity",
    *FINE_SETTINGS,
    *METHOD_PARTS,
    "kernel",
    "economy",
    "faithful",
)
# Names of the widgets that together determine a recipe's width, height and scales.
SIZE_WIDGET_NAMES = tuple(field.name for field in fields(SizeSettings))
# Names of the settings without a widget. The session stores their values, which a picture or a link may bring.
SETTINGS_WITHOUT_WIDGET = tuple(
    name for name in SETTINGS if name not in (*WIDGET_SETTINGS, "options", "width", "height", "scales")
)


def _gradio_choices(titles: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return choices as (title, name) pairs for a Gradio component.

    titles: by name.
    """
    return [(title, name) for name, title in titles.items()]


# The choices of each setting and option that has choices, as (title, name) pairs.
CHOICES = {
    "scheduler": _gradio_choices(words.SCHEDULER_TITLES),
    "kernel": _gradio_choices(words.KERNEL_TITLES),
    "method": _gradio_choices(methods.METHOD_TITLES),
    "views": _gradio_choices(methods.VIEW_TITLES),
    "network": _gradio_choices(methods.NETWORK_TITLES),
}


def setting_widget(name: str, value: Any = None, **changes: Any) -> Widget:
    """Build the widget of a setting of the recipe.

    value: None for the setting's default.
    changes: override the label and other arguments of the Gradio component.
    """
    value = getattr(DEFAULTS, name) if value is None else value
    choices = enlarge_choices() if name == "enlarge" else CHOICES.get(name)
    arguments = {"label": LABELS[name], "elem_id": name, "choices": choices} | changes
    return _build_widget(SETTINGS[name], value, **arguments)


def method_widget(value: Any = None) -> gr.Radio:
    """Build the list of methods, each with its description; value: None for the default method."""
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


def enlarge_choices() -> list[tuple[str, str]]:
    """Return the ways to enlarge a stage as (title, name) pairs.

    The title of an upscaler that is not on this machine says how to get it.
    """
    titles = dict(methods.ENLARGE_TITLES)
    for entry in upscaler_entries():
        if not entry.is_local:
            how = entry.install or methods.UPSCALER_NO_COMMAND
            titles[entry.name] = methods.UPSCALER_NOT_HERE.format(title=entry.title, how=how)
    return _gradio_choices(titles)


def option_widget(name: str, value: Any = None) -> Widget:
    """Build the widget of an option, hidden if the default method ignores the option.

    value: None for the option's default.
    """
    value = getattr(OPTION_DEFAULTS, name) if value is None else value
    arguments = {"label": LABELS[name], "elem_id": name, "choices": CHOICES.get(name)}
    is_visible = name not in ineffective_settings(DEFAULTS)
    return _build_widget(OPTIONS[name], value, visible=is_visible, **arguments)


def control_widget(name: str, value: Any = None, **changes: Any) -> Widget:
    """Build the widget of a setting of the first control.

    value: None for the setting's default.
    changes: override the label and other arguments of the Gradio component.
    """
    setting = CONTROL_SETTINGS[name]
    value = getattr(Control(), name) if value is None else value
    arguments = {
        "label": setting.label,
        "elem_id": widget_name(name),
        "choices": control_settings.kind_choices(MAP_KINDS),
    }
    return _build_widget(setting, value, **arguments | changes)


def _build_widget(setting: Setting, value: Any, choices: Any, **arguments: Any) -> Widget:
    """Build the Gradio component for a setting's kind and range."""
    arguments = {"info": setting.help, "interactive": True} | arguments
    low, high = setting.low, setting.high
    match setting.kind:
        case "text":
            return gr.Textbox(value or "", **arguments)
        case "numbers":
            return gr.Textbox(format_numbers(value), **arguments)
        case "flag":
            return gr.Checkbox(value, **arguments)
        case "choice" | "upscaler":
            return gr.Dropdown(choices, value=value or choices[0][1], **arguments)
        case "integer" | "number" if high == MAX_SEED:
            return gr.Number(value, precision=0, minimum=low, maximum=high, **arguments)
        case "integer" | "number":
            least, most = setting.bounds
            return gr.Slider(
                least, most, value=least if value is None else value, step=setting.step, **arguments
            )
    raise ValueError(f"{setting.label} has no widget")


def clamp_to_slider(widget: Widget, value: Any, maximum: float | None = None) -> Any:
    """Return a widget's value as the browser shows it: a slider silently limits its value to its range.

    maximum: the slider's present maximum if it differs from the one that the slider was built with.
    """
    if not isinstance(widget, gr.Slider):
        return value
    if value is None:
        return widget.minimum
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return min(max(value, widget.minimum), maximum or widget.maximum) if is_number else value


def model_choices(models: Iterable[ModelEntry]) -> list[tuple[str, str]]:
    """Return models as (title, name) pairs; the title of a model to be downloaded includes its size."""
    return [(model_title(entry), entry.name) for entry in models]


def model_title(entry: ModelEntry) -> str:
    """Return a model's title, with the size of its download if it is not on this machine."""
    if entry.is_local or not entry.gigabytes:
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
    """Return the shapes as (title, name) pairs, with "same as my picture" if the recipe has an input image."""
    choices = [(shape, shape) for shape in SHAPES]
    if has_input_image:
        choices.append((words.SHAPE_OF_PICTURE, AS_INPUT_IMAGE))
    return choices


def size_widget(name: str, value: Any = None, **changes: Any) -> Widget:
    """Build the widget of a field of SizeSettings.

    value: None for the field's default.
    changes: override the label and other arguments of the Gradio component.
    """
    value = getattr(SizeSettings(), name) if value is None else value
    arguments = {"label": LABELS[name], "interactive": True, "elem_id": name} | changes
    match name:
        case "stages":
            return gr.Slider(1, MAX_STAGES, value=value, step=1, info=SETTINGS["scales"].help, **arguments)
        case "by_one":
            return gr.Checkbox(value, info=words.BY_ONE_HELP, **arguments)
        case "scales":
            return gr.Textbox(value, info=words.OWN_SCALES_HELP, **arguments)
        case "shape":
            return gr.Radio(shape_choices(), value=value, **arguments)
    return gr.Number(value, precision=0, info=words.OWN_SIZE_HELP, **arguments)


def widget_values(recipe: Recipe, facts: Facts) -> dict[str, Any]:
    """Return the value of each widget for a recipe, by name; empty settings show the model's defaults.

    In recipes of earlier versions, and in those of finished stages, what a method does by itself is named "latent".
    """
    defaults = facts.defaults
    is_former_default = recipe.enlarge == LATENT and not METHODS[recipe.method].upscales
    filled = replace(
        recipe,
        stride=facts.window // 2 if recipe.stride is None else recipe.stride,
        steps=defaults.steps if recipe.steps is None else recipe.steps,
        guidance=defaults.guidance if recipe.guidance is None else recipe.guidance,
        scheduler=recipe.scheduler or defaults.scheduler,
        negative=recipe.negative or "",
        enlarge="" if is_former_default else recipe.enlarge,
    )
    return {
        **{name: getattr(filled, name) for name in WIDGET_SETTINGS},
        **_option_widget_values(recipe),
        **asdict(size_settings_for(recipe, facts)),
        **control_widget_values(recipe),
    }


def _option_widget_values(recipe: Recipe) -> dict[str, Any]:
    """Return the value of the widget of each option, by name; the redraw strength 0 shows the method's own."""
    values = asdict(options_from_pairs(recipe.options))
    lists = {name: format_numbers(values[name]) for name in OPTIONS if OPTIONS[name].kind == "numbers"}
    return values | lists | {"restart": values["restart"] or METHODS[recipe.method].start}


def values_without_widget(recipe: Recipe) -> dict[str, Any]:
    """Return the settings of a recipe that differ from the defaults and that widgets cannot show, by name."""
    values = {name: getattr(recipe, name) for name in SETTINGS_WITHOUT_WIDGET}
    changed_values = {name: value for name, value in values.items() if value != getattr(DEFAULTS, name)}
    # The widget shows None and an intentionally empty negative prompt alike, so the empty one is returned here.
    if recipe.negative == "":
        changed_values["negative"] = ""
    return changed_values


def recipe_from_widgets(values: Mapping[str, Any], rest: Mapping[str, Any], facts: Facts) -> Recipe:
    """Return the recipe set in the widgets; raise BadRecipe if a widget has an unusable value.

    values: by widget; they come from a browser and may be of any type.
    rest: settings without a widget, by name, as values_without_widget returns them.
    """
    settings = {name: _setting_value(name, values.get(name)) for name in WIDGET_SETTINGS}
    options = Options(**{name: _option_value(name, values.get(name)) for name in OPTIONS})
    options = drop_own_restart(options, settings["method"])
    settings["negative"] = settings["negative"] or rest.get("negative")
    for name, value in rest.items():
        if name in SETTINGS_WITHOUT_WIDGET:
            settings[name] = check_value(name, value)
    if settings.get("controls"):
        settings["controls"] = check_value("controls", apply_widget_values(settings["controls"], values))
    sizes = SizeSettings(**{name: _size_value(name, values.get(name)) for name in SIZE_WIDGET_NAMES})
    return apply_size_settings(Recipe(**settings, options=changed_options(options)), sizes, facts)


def method_widgets(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return new values of the widgets that show a method's own value, by name, if another method has been chosen.

    before, now: values by widget.
    """
    old, new = (METHODS.get(str(values.get("method"))) for values in (before, now))
    if old is None or new is None or old is new or now.get("restart") != old.start:
        return {}
    return {"restart": new.start}


def _setting_value(name: str, value: object) -> Any:
    """Return the setting for a widget's value, checked; the default if the widget is empty."""
    if isinstance(value, float) and SETTINGS[name].kind == "integer" and value.is_integer():
        value = int(value)
    if value is None and not SETTINGS[name].optional:
        return getattr(DEFAULTS, name)
    return check_value(name, value)


def _option_value(name: str, value: object) -> Any:
    """Return the option for a widget's value, checked; the default if the widget is empty."""
    default = getattr(OPTION_DEFAULTS, name)
    if value is None:
        return default
    if OPTIONS[name].kind == "numbers" and isinstance(value, str):
        with suppress(ValueError):  # The check refuses a text that does not consist of numbers.
            value = parse_numbers(value)
    return dict(check_value("options", ((name, value),))).get(name, default)


def _size_value(name: str, value: object) -> Any:
    """Return the field of SizeSettings for a widget's value, checked."""
    match name:
        case "stages":
            if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MAX_STAGES:
                sentence = errors.OUT_OF_RANGE.format(
                    field="stages", value=short_repr(value), low=1, high=MAX_STAGES
                )
                raise BadRecipe("scales", sentence)
            return int(value)
        case "by_one":
            return check_value(
                "faithful", value
            )  # `by_one` is no setting; any other flag has the same check.
        case "scales" | "shape":
            return check_value("prompt", value or "")  # The check of a text.
    return check_value(name, None if value in (0, "") else value)


def ineffective_widgets(recipe: Recipe, facts: Facts) -> frozenset[str]:
    """Return the names of the widgets whose values have no effect on this recipe's result."""
    control_widgets = control_settings.ineffective_control_widgets(recipe, facts)
    # The prompt and the seed have buttons beside them, which would stand alone.
    return (frozenset(ineffective_settings(recipe)) - {"prompt", "seed"}) | control_widgets


def summarize_settings(recipe: Recipe) -> str:
    """Return the main settings of a recipe in one line: "α 3 1 1 · σ 0.8 0.008 · seed 42"."""
    if recipe.method != DEFAULTS.method:
        return f"{methods.METHOD_TITLES[recipe.method]} · seed {recipe.seed}"
    alphas = " ".join(f"{value:g}" for value in (recipe.alpha1, recipe.alpha2, recipe.alpha3))
    return f"α {alphas} · σ {recipe.sigma1:g} {recipe.sigma2:g} · seed {recipe.seed}"
