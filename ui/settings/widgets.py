"""The controls: one for each setting on the page, made from the recipe's own words and ranges.

values_of(recipe) is what they show for a recipe, and recipe_of(values) the recipe that they stand for.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

import gradio as gr

from engine import errors
from engine.catalogue.entries import Facts, ModelEntry
from engine.errors import BadRecipe, short_repr
from engine.recipe.checks import check_value
from engine.recipe.controls import CONTROL_SETTINGS, KINDS, Control
from engine.recipe.effects import ineffective_settings
from engine.recipe.fields import Setting
from engine.recipe.options import OPTION_DEFAULTS, OPTIONS, Options, changed, options_of
from engine.recipe.recipe import DEFAULTS, LARGEST_SEED, SETTINGS, Recipe
from ui.settings import control_settings
from ui.settings.control_settings import widget_name, control_widget_values, apply_widget_values
from ui.settings.sizes import AS_INPUT_IMAGE, MOST_STAGES, SHAPES, SizeSettings, apply_size_settings, size_settings_for
from ui.text import methods, words
from ui.text.labels import LABELS

STAGE_TWO_SETTINGS = ("alpha1", "alpha2", "alpha3", "sigma1", "sigma2", "stride")
FINE_SETTINGS = ("negative", "guidance", "steps", "scheduler")
METHOD_PARTS = ("progressive", "skip_residual", "dilated", "jitter", "feather")
WIDGET_SETTINGS = (
    "prompt", "seed", "model", "method", *STAGE_TWO_SETTINGS, "fidelity", *FINE_SETTINGS, *METHOD_PARTS, "kernel", "economy", "faithful",
)  # fmt: skip
"""Settings with a control of the same name."""
SIZE_WIDGETS = tuple(field.name for field in fields(SizeSettings))
"""Controls that stand for width, height and scales together."""
SETTINGS_WITHOUT_WIDGET = tuple(name for name in SETTINGS if name not in (*WIDGET_SETTINGS, "options", "width", "height", "scales"))
"""Settings without a control: what a picture or a link brings of them is carried along."""
CHOICES = {
    "scheduler": [(label, name) for name, label in words.SCHEDULER_TITLES.items()],
    "kernel": [(label, name) for name, label in words.KERNEL_TITLES.items()],
    "method": [(title, name) for name, title in methods.METHOD_TITLES.items()],
    "views": [(label, name) for name, label in methods.VIEW_TITLES.items()],
    "network": [(label, name) for name, label in methods.NETWORK_TITLES.items()],
}


def setting_widget(name: str, value: Any = None, **more: Any) -> gr.components.Component:
    """The control of a setting, in its own words and range."""
    value = getattr(DEFAULTS, name) if value is None else value
    said = {"label": LABELS[name], "elem_id": name, "choices": CHOICES.get(name)} | more
    return _made(SETTINGS[name], value, **said)


def method_widget(value: Any = None) -> gr.Radio:
    """The methods, each with what it does and when one would want it."""
    said = [
        (methods.METHOD_CHOICE.format(title=title, line=methods.METHOD_DESCRIPTIONS[name]), name)
        for name, title in methods.METHOD_TITLES.items()
    ]
    told = {"label": LABELS["method"], "info": SETTINGS["method"].help, "elem_id": "method"}
    return gr.Radio(said, value=value or DEFAULTS.method, interactive=True, **told)


def option_widget(name: str, value: Any = None) -> gr.components.Component:
    """The control of a setting that only some methods know; it is hidden where it has no effect."""
    value = getattr(OPTION_DEFAULTS, name) if value is None else value
    said = {"label": LABELS[name], "elem_id": name, "choices": CHOICES.get(name)}
    return _made(OPTIONS[name], value, visible=name not in ineffective_settings(DEFAULTS), **said)


def control_widget(name: str, value: Any = None, **more: Any) -> gr.components.Component:
    """The knob of a setting of the picture to follow."""
    setting = CONTROL_SETTINGS[name]
    value = getattr(Control(), name) if value is None else value
    said = {"label": setting.label, "elem_id": widget_name(name), "choices": control_settings.kind_choices(KINDS)} | more
    return _made(setting, value, **said)


def _made(setting: Setting, value: Any, choices: Any, **said: Any) -> gr.components.Component:
    said = {"info": setting.help, "interactive": True} | said
    match setting.kind:
        case "text":
            return gr.Textbox(value or "", **said)
        case "flag":
            return gr.Checkbox(value, **said)
        case "choice":
            return gr.Dropdown(choices, value=value or choices[0][1], **said)
        case "integer" | "number" if setting.high == LARGEST_SEED:
            return gr.Number(value, precision=0, minimum=setting.low, maximum=setting.high, **said)
        case "integer" | "number":
            low, high = setting.low, setting.high
            return gr.Slider(low, high, value=low if value is None else value, step=setting.step, **said)
    raise ValueError(f"{setting.label} has no control")


def clamp_to_slider(control: gr.components.Component, value: Any, most: float | None = None) -> Any:
    """A value as its box shows it: a browser keeps it within a slider's ends, and tells nobody."""
    if not isinstance(control, gr.Slider):
        return value
    if value is None:
        return control.minimum
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return min(max(value, control.minimum), most or control.maximum) if is_number else value


def model_choices(models: Iterable[ModelEntry]) -> list[tuple[str, str]]:
    """The models to choose from, by their titles; of those that are not here, with what comes first."""
    return [(_title(entry), entry.name) for entry in models]


def _title(entry: ModelEntry) -> str:
    if entry.is_here or not entry.gigabytes:
        return entry.title
    return words.MODEL_TO_DOWNLOAD.format(title=entry.title, size=f"{entry.gigabytes:g}")


def model_widget(models: Collection[ModelEntry]) -> gr.Dropdown:
    """The models on offer, of which the first is chosen."""
    said = {"label": LABELS["model"], "info": SETTINGS["model"].help, "elem_id": "model"}
    return gr.Dropdown(
        model_choices(models), value=next(iter(models)).name, filterable=False, interactive=True, **said
    )


def shape_choices(pictured: bool = True) -> list[tuple[str, str]]:
    """The shapes to choose from, by their words; a picture's among them if there is one."""
    own = [(words.SHAPE_OF_PICTURE, AS_INPUT_IMAGE)] if pictured else []
    return [(shape, shape) for shape in SHAPES] + own


def size_widget(name: str, value: Any = None, **more: Any) -> gr.components.Component:
    """The control of a part of Growth."""
    value = getattr(SizeSettings(), name) if value is None else value
    same = {"label": LABELS[name], "interactive": True, "elem_id": name} | more
    match name:
        case "stages":
            return gr.Slider(1, MOST_STAGES, value=value, step=1, info=SETTINGS["scales"].help, **same)
        case "by_one":
            return gr.Checkbox(value, info=words.BY_ONE_HELP, **same)
        case "scales":
            return gr.Textbox(value, info=words.OWN_SCALES_HELP, **same)
        case "shape":
            return gr.Radio(shape_choices(), value=value, info=words.SHAPE_HELP, **same)
    return gr.Number(value, precision=0, info=words.OWN_SIZE_HELP, **same)


def widget_values(recipe: Recipe, facts: Facts) -> dict[str, Any]:
    """What the controls show for a recipe, empty fields as the model fills them."""
    defaults = facts.defaults
    filled = replace(
        recipe,
        stride=facts.window // 2 if recipe.stride is None else recipe.stride,
        steps=defaults.steps if recipe.steps is None else recipe.steps,
        guidance=defaults.guidance if recipe.guidance is None else recipe.guidance,
        scheduler=recipe.scheduler or defaults.scheduler,
        negative=recipe.negative or "",
    )
    plain = {name: getattr(filled, name) for name in WIDGET_SETTINGS}
    return plain | asdict(options_of(recipe.options)) | asdict(size_settings_for(recipe, facts)) | control_widget_values(recipe)


def values_without_widget(recipe: Recipe) -> dict[str, Any]:
    """What has no control and differs from the defaults."""
    rest = {name: getattr(recipe, name) for name in SETTINGS_WITHOUT_WIDGET if getattr(recipe, name) != getattr(DEFAULTS, name)}
    # An empty box is no word at all; that the empty text was meant has to be carried along.
    return rest | ({"negative": ""} if recipe.negative == "" else {})


def recipe_from_widgets(values: Mapping[str, Any], rest: Mapping[str, Any], facts: Facts) -> Recipe:
    """The recipe that the controls stand for; BadRecipe names the control that no recipe can come from.

    Values come from a browser and may be anything.
    """
    plain = {name: _given(name, values.get(name)) for name in WIDGET_SETTINGS}
    options = changed(Options(**{name: _option(name, values.get(name)) for name in OPTIONS}))
    plain["negative"] = plain["negative"] or rest.get("negative")
    carried = {name: check_value(name, value) for name, value in rest.items() if name in SETTINGS_WITHOUT_WIDGET}
    if carried.get("controls"):
        carried["controls"] = check_value("controls", apply_widget_values(carried["controls"], values))
    growth = SizeSettings(**{name: _size(name, values.get(name)) for name in SIZE_WIDGETS})
    return apply_size_settings(Recipe(**plain | carried, options=options), growth, facts)


def _given(name: str, value: Any) -> Any:
    if isinstance(value, float) and SETTINGS[name].kind == "integer" and value.is_integer():
        value = int(value)
    if value is None and not SETTINGS[name].optional:
        return getattr(DEFAULTS, name)  # A cleared box.
    return check_value(name, value)


def _option(name: str, value: Any) -> Any:
    value = getattr(OPTION_DEFAULTS, name) if value is None else value
    return dict(check_value("options", ((name, value),))).get(name, getattr(OPTION_DEFAULTS, name))


def _size(name: str, value: Any) -> Any:
    match name:
        case "stages":
            if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MOST_STAGES:
                raise BadRecipe(
                    "scales",
                    errors.OUT_OF_RANGE.format(field="stages", value=short_repr(value), low=1, high=MOST_STAGES),
                )
            return int(value)
        case "by_one":
            return check_value("faithful", value)
        case "scales" | "shape":
            return check_value("prompt", value or "")
    return check_value(name, None if value in (0, "") else value)


def ineffective_widgets(recipe: Recipe, facts: Facts) -> frozenset[str]:
    """Controls that change nothing beside the others."""
    return frozenset(ineffective_settings(recipe)) | control_settings.ineffective_control_widgets(recipe, facts)


def summarize_settings(recipe: Recipe) -> str:
    """The settings that an artist tells pictures apart by, in a line."""
    if recipe.method != DEFAULTS.method:
        return f"{methods.METHOD_TITLES[recipe.method]} · seed {recipe.seed}"
    alphas = " ".join(f"{value:g}" for value in (recipe.alpha1, recipe.alpha2, recipe.alpha3))
    return f"α {alphas} · σ {recipe.sigma1:g} {recipe.sigma2:g} · seed {recipe.seed}"
