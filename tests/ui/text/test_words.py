"""Every text, range and endpoint is defined in one place. No browser, no server."""

import ast
import re
from pathlib import Path

import gradio as gr
import pytest

from engine.methods import METHODS
from engine.recipe.controls import CONTROL_SETTINGS, MAP_KINDS
from engine.recipe.options import OPTIONS
from engine.recipe.recipe import SETTINGS, Recipe
from engine.serving.model_pool import ModelPool
from tests.support.running_app import tiny_entry
from ui.panels.stages import TEMPLATE, WEB, StagesPanel
from ui.session.services import open_services
from ui.settings.control_settings import SETTING_BY_WIDGET
from ui.settings.sizes import SHAPES
from ui.settings.widgets import SIZE_WIDGETS, WIDGET_SETTINGS
from ui.studio import build_studio
from ui.text import methods as ways
from ui.text import words

SCRIPTS = sorted(WEB.glob("*.js"))
OWN_IDS = {"stages": "scale_stages", "scales": "own_scales"}
"""Where an element could not have its setting's name."""
DRAWS = {"colour": ("red",), "subject": ("house",), "ground": ("snow",), "sky": ("night",)}


@pytest.fixture(scope="module")
def demo(tmp_path_factory, tiny_folder):
    """The app as it is built, over a model with a sentence builder; nothing is loaded."""
    services = open_services(
        tmp_path_factory.mktemp("runs"),
        ModelPool([tiny_entry(tiny_folder, vocabulary=DRAWS)], "cpu", "float32"),
        age=86400.0,
    )
    yield build_studio(services)
    services.queue.close()


def parts(demo, *kinds):
    return [block for block in demo.blocks.values() if isinstance(block, kinds)]


def by_id(demo, name):
    (found,) = [block for block in demo.blocks.values() if block.elem_id == OWN_IDS.get(name, name)]
    return found


def all_texts():
    """Return every text that the page may show, of ui/text and of the settings' fields."""
    ours = [value for name, value in (vars(words) | vars(ways)).items() if name.isupper()]
    texts = {value for value in ours if isinstance(value, str)}
    texts |= {text for value in ours if isinstance(value, dict) for text in value.values()}
    settings = (*SETTINGS.values(), *CONTROL_SETTINGS.values(), *OPTIONS.values())
    return texts | {text for setting in settings for text in (setting.label, setting.help)}


@pytest.mark.parametrize("rows", [words, ways])
def test_no_sentence_takes_the_name_of_another(rows):
    tree = ast.parse(Path(rows.__file__).read_text(encoding="utf-8"))
    names = [
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    assert names
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_a_label_and_a_line_below_it(name):
    setting = SETTINGS[name]
    assert setting.label.strip()
    assert setting.help.strip().endswith(".")


@pytest.mark.parametrize("name", [n for n in SETTINGS if SETTINGS[n].kind in ("number", "integer")])
def test_every_number_has_a_range_that_holds_its_default(name):
    setting, default = SETTINGS[name], getattr(Recipe(), name)
    assert setting.low < setting.high
    assert 0 < setting.step <= setting.high - setting.low
    assert default is None or setting.low <= default <= setting.high


@pytest.mark.parametrize("name", [n for n in WIDGET_SETTINGS if n != "prompt"])
def test_a_control_says_what_the_recipe_says(demo, name):
    control, setting = by_id(demo, name), SETTINGS[name]
    assert (control.label, control.info) == (setting.label, setting.help)


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_has_a_control_that_says_the_same(demo, name):
    control, option = by_id(demo, name), OPTIONS[name]
    assert (control.label, control.info) == (option.label, option.help)
    assert control.info.endswith(".")


@pytest.mark.parametrize("name", [n for n in WIDGET_SETTINGS if SETTINGS[n].kind in ("number", "integer")])
def test_a_control_goes_as_far_as_the_recipe(demo, name):
    control, setting = by_id(demo, name), SETTINGS[name]
    assert (control.minimum, control.maximum) == (setting.low, setting.high)


def test_every_control_can_be_moved_though_it_is_an_output_too(demo):
    controls = [
        by_id(demo, name) for name in (*WIDGET_SETTINGS, *SIZE_WIDGETS, *SETTING_BY_WIDGET, *OPTIONS)
    ] + parts(demo, gr.Radio)
    assert controls
    assert not [control.elem_id for control in controls if control.interactive is not True]


def test_what_stands_on_the_page_comes_from_the_words(demo):
    shown = {part.label for part in parts(demo, gr.components.FormComponent, gr.Accordion, gr.File)}
    shown |= {part.value for part in parts(demo, gr.Button)}
    shown |= {part.value.removeprefix("# ") for part in parts(demo, gr.Markdown)}
    assert words.GENERATE in shown
    assert shown - all_texts() == set()


def test_the_words_of_choices_come_from_the_words(demo):
    ours = [part for part in parts(demo, gr.Dropdown) if part.elem_id != "model"]
    shown = {label for part in ours for label, _ in part.choices}
    kinds = {kind.title for kind in MAP_KINDS.values()}
    named = (words.SCHEDULER_TITLES, words.KERNEL_TITLES, ways.VIEW_TITLES, ways.NETWORK_TITLES)
    assert shown <= {*kinds, *(label for choices in named for label in choices.values())}
    methods = {label for label, _ in by_id(demo, "method").choices}
    assert methods == {
        ways.METHOD_CHOICE.format(title=ways.METHOD_TITLES[name], line=ways.METHOD_DESCRIPTIONS[name])
        for name in METHODS
    }
    assert {label for label, _ in by_id(demo, "shape").choices} == {*SHAPES, words.SHAPE_OF_PICTURE}


def test_the_public_endpoints_are_plan_generate_and_read(demo):
    public = [
        event["api_name"]
        for event in demo.get_config_file()["dependencies"]
        if event["api_visibility"] == "public"
    ]
    assert public == ["plan", "generate", "read"]


def test_an_endpoint_takes_the_settings_by_name(demo):
    taken = demo.get_api_info()["named_endpoints"]
    left_out = {"image", "loras"}
    for name in ("/plan", "/generate"):
        named = {part["parameter_name"] for part in taken[name]["parameters"]}
        assert named == set(SETTINGS) - left_out


def is_unload(event):
    """Called by Gradio itself when a page is left, beside its queue."""
    return any(kind == "unload" for _, kind in event.targets)


def test_no_event_waits_behind_one_visitors_run(demo):
    queued = [event for event in demo.fns.values() if event.queue and not is_unload(event)]
    assert {event.name: event.concurrency_limit for event in queued if event.concurrency_limit} == {
        "on_make_export": 1
    }


def test_no_text_goes_through_a_template():
    component = StagesPanel()
    assert component.html_template == TEMPLATE
    for template in (component.html_template, component.css_template):
        assert not re.search(r"\{\{|\$\{", template)


def test_the_scripts_say_every_word_and_no_other():
    used = {name for script in SCRIPTS for name in re.findall(r"\bwords\.(\w+)", script.read_text("utf-8"))}
    assert used == set(words.STAGES_PANEL)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_has_no_words_of_its_own(script):
    code = re.sub(r"//.*|/\*.*?\*/", "", script.read_text("utf-8"))
    literals = re.findall(r"\"([^\"\n]*)\"|'([^'\n]*)'|`([^`]*)`", code)
    sentences = ["".join(parts) for parts in literals if re.match(r"[A-Z]\w* ", "".join(parts))]
    named = re.findall(
        r"(?:textContent|aria-label\"|title|alt|placeholder)\s*[:=]\s*[\"'`]([^\"'`]*\w)", code
    )
    assert sentences + named == []
