"""Tests that every text, range and endpoint of the page is defined in one place. No browser, no server."""

import ast
import re
from pathlib import Path

import gradio as gr
import pytest

from engine.methods import METHODS
from engine.paths import ROOT
from engine.recipe.controls import CONTROL_SETTINGS, MAP_KINDS
from engine.recipe.options import OPTIONS
from engine.recipe.recipe import SETTINGS, Recipe
from engine.serving.model_pool import ModelPool
from tests.support.running_app import tiny_entry
from ui.panels.stages import HTML_TEMPLATE, WEB_FOLDER, StagesPanel
from ui.session.services import open_services
from ui.settings.control_settings import SETTING_BY_WIDGET
from ui.settings.sizes import SHAPES
from ui.settings.widgets import SIZE_WIDGET_NAMES, WIDGET_SETTINGS
from ui.studio import build_studio
from ui.text import methods as method_texts
from ui.text import words

SCRIPTS = sorted(WEB_FOLDER.rglob("*.js"))
# Ids of elements that cannot have the name of their setting.
OWN_IDS = {"stages": "scale_stages", "scales": "own_scales"}
VOCABULARY = {"colour": ("red",), "subject": ("house",), "ground": ("snow",), "sky": ("night",)}


@pytest.fixture(scope="module")
def demo(tmp_path_factory, tiny_folder):
    """The app's Gradio Blocks for a model with a vocabulary, so with all widgets; no model is loaded."""
    services = open_services(
        tmp_path_factory.mktemp("runs"),
        ModelPool([tiny_entry(tiny_folder, vocabulary=VOCABULARY)], "cpu", "float32"),
        max_age=86400.0,
    )
    yield build_studio(services)
    services.queue.close()


def blocks_of(demo, *kinds):
    """Return the Gradio blocks of these classes."""
    return [block for block in demo.blocks.values() if isinstance(block, kinds)]


def widget_of(demo, name):
    """Return the only block that shows this setting."""
    (found,) = [block for block in demo.blocks.values() if block.elem_id == OWN_IDS.get(name, name)]
    return found


def all_texts():
    """Return every text that the page may show, of ui/text and of the settings' fields."""
    constants = [value for name, value in (vars(words) | vars(method_texts)).items() if name.isupper()]
    texts = {value for value in constants if isinstance(value, str)}
    texts |= {text for value in constants if isinstance(value, dict) for text in value.values()}
    settings = (*SETTINGS.values(), *CONTROL_SETTINGS.values(), *OPTIONS.values())
    return texts | {text for setting in settings for text in (setting.label, setting.help)}


@pytest.mark.parametrize("module", [words, method_texts])
def test_no_constant_is_assigned_twice(module):
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    names = [
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    assert names
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_a_label_and_a_help_text(name):
    setting = SETTINGS[name]
    assert setting.label.strip()
    assert setting.help.strip().endswith(".")


@pytest.mark.parametrize("name", [n for n in SETTINGS if SETTINGS[n].kind in ("number", "integer")])
def test_every_number_has_a_range_that_includes_its_default(name):
    setting, default = SETTINGS[name], getattr(Recipe(), name)
    assert setting.low < setting.high
    assert 0 < setting.step <= setting.high - setting.low
    assert default is None or setting.low <= default <= setting.high


@pytest.mark.parametrize("name", [n for n in WIDGET_SETTINGS if n != "prompt"])
def test_a_widget_has_label_and_help_of_its_setting(demo, name):
    widget, setting = widget_of(demo, name), SETTINGS[name]
    assert (widget.label, widget.info) == (setting.label, setting.help)


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_has_a_widget_with_its_label_and_help(demo, name):
    widget, option = widget_of(demo, name), OPTIONS[name]
    assert (widget.label, widget.info) == (option.label, option.help)
    assert widget.info.endswith(".")


@pytest.mark.parametrize("name", [n for n in WIDGET_SETTINGS if SETTINGS[n].kind in ("number", "integer")])
def test_a_widget_has_the_range_of_its_setting(demo, name):
    widget, setting = widget_of(demo, name), SETTINGS[name]
    assert (widget.minimum, widget.maximum) == (setting.low, setting.high)


def test_every_widget_is_interactive_although_it_is_an_output_too(demo):
    widgets = [
        widget_of(demo, name) for name in (*WIDGET_SETTINGS, *SIZE_WIDGET_NAMES, *SETTING_BY_WIDGET, *OPTIONS)
    ] + blocks_of(demo, gr.Radio, gr.Dropdown)
    assert widgets
    assert not [widget.elem_id for widget in widgets if widget.interactive is not True]


def test_every_label_button_and_text_block_is_a_text_constant(demo):
    shown = {block.label for block in blocks_of(demo, gr.components.FormComponent, gr.Accordion, gr.File)}
    shown |= {block.value for block in blocks_of(demo, gr.Button)}
    shown |= {block.value.removeprefix("# ") for block in blocks_of(demo, gr.Markdown)}
    assert words.GENERATE in shown
    assert shown - all_texts() == set()


def test_every_label_of_a_choice_is_a_text_constant(demo):
    dropdowns = [block for block in blocks_of(demo, gr.Dropdown) if block.elem_id not in ("model", "enlarge")]
    shown = {label for block in dropdowns for label, _ in block.choices}
    kinds = {kind.title for kind in MAP_KINDS.values()}
    titles = (
        words.SCHEDULER_TITLES,
        words.KERNEL_TITLES,
        method_texts.VIEW_TITLES,
        method_texts.NETWORK_TITLES,
    )
    assert shown <= {*kinds, *(label for choices in titles for label in choices.values())}
    methods = {label for label, _ in widget_of(demo, "method").choices}
    assert methods == {
        method_texts.METHOD_CHOICE.format(
            title=method_texts.METHOD_TITLES[name], line=method_texts.METHOD_DESCRIPTIONS[name]
        )
        for name in METHODS
    }
    assert {label for label, _ in widget_of(demo, "shape").choices} == {*SHAPES, words.SHAPE_OF_PICTURE}


def test_the_public_endpoints_are_plan_generate_and_read(demo):
    public = [
        event["api_name"]
        for event in demo.get_config_file()["dependencies"]
        if event["api_visibility"] == "public"
    ]
    assert public == ["plan", "generate", "read"]


def test_plan_and_generate_take_the_settings_as_named_parameters(demo):
    endpoints = demo.get_api_info()["named_endpoints"]
    not_taken = {"image", "loras"}
    for name in ("/plan", "/generate"):
        names = {parameter["parameter_name"] for parameter in endpoints[name]["parameters"]}
        assert names == set(SETTINGS) - not_taken | {"quality"}


def is_unload(event):
    """Return whether Gradio calls this event when a page is closed; it does so outside its queue."""
    return any(kind == "unload" for _, kind in event.targets)


def test_no_queued_event_waits_for_another_of_its_kind(demo):
    queued = [event for event in demo.fns.values() if event.queue and not is_unload(event)]
    assert queued
    assert [event.name for event in queued if event.concurrency_limit] == []


def test_the_templates_of_the_stages_panel_contain_no_placeholders():
    panel = StagesPanel()
    assert panel.html_template == HTML_TEMPLATE
    for template in (panel.html_template, panel.css_template):
        assert not re.search(r"\{\{|\$\{", template)


def test_the_scripts_use_exactly_the_texts_of_the_stages_panel():
    used = {name for script in SCRIPTS for name in re.findall(r"\bwords\.(\w+)", script.read_text("utf-8"))}
    assert used == set(words.STAGES_PANEL)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_contains_no_texts(script):
    code = re.sub(r"//.*|/\*.*?\*/", "", script.read_text("utf-8"))
    literals = re.findall(r"\"([^\"\n]*)\"|'([^'\n]*)'|`([^`]*)`", code)
    sentences = ["".join(parts) for parts in literals if re.match(r"[A-Z]\w* ", "".join(parts))]
    labels = re.findall(
        r"(?:textContent|aria-label\"|title|alt|placeholder)\s*[:=]\s*[\"'`]([^\"'`]*\w)", code
    )
    assert sentences + labels == []


def test_every_text_of_the_page_is_used():
    code = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "ui").rglob("*.py")))
    names = [name for name in vars(words) if name.isupper()]
    assert names
    unused = [name for name in names if len(re.findall(rf"\b{name}\b", code)) < 2]
    assert unused == []
