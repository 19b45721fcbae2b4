"""Builds the page: its components, and the connection of their events with the event handlers."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from engine.recipe.options import OPTIONS
from ui import api
from ui.actions import restore
from ui.handlers.actions import ActionHandlers
from ui.handlers.control import ControlHandlers
from ui.handlers.model import ModelHandlers
from ui.handlers.page import PageHandlers
from ui.handlers.prompt import PromptHandlers
from ui.page import Page
from ui.panels.control import build_control_panel
from ui.panels.examples import examples_for_browser
from ui.panels.head import heading_html, page_tools_html, title_html
from ui.panels.model_picker import ModelPicker, model_picker_html
from ui.panels.stages import WEB_FOLDER, StagesPanel
from ui.panels.word_lists import WordLists, word_lists_html
from ui.session.services import Services
from ui.session.upload_folder import MAX_UPLOAD_AGE
from ui.settings.widgets import (
    ADVANCED_OPTIONS,
    ALPHAS,
    FINE_SETTINGS,
    METHOD_PARTS,
    SMOOTHING_AND_STRIDE,
    Widget,
    method_widget,
    model_widget,
    option_widget,
    setting_widget,
    size_widget,
)
from ui.text import methods, words
from ui.web.skipping_blocks import SkippingBlocks

# The key in the browser's local storage under which the page stores its state. Gradio's default key changes with
# every start of the app.
STORAGE_KEY = "demofusion-studio"
# The secret with which Gradio encrypts the stored state. It is fixed, so that a restarted app can read the state.
STORAGE_SECRET = "settings-are-no-secret"
# The script that merges the runs of this tab into the list of all tabs of the browser.
SHARED_RUNS_SCRIPT = WEB_FOLDER / "shared_runs.js"
# The script that runs when the page is opened, on the stored state.
OPENED_SCRIPT = WEB_FOLDER / "opened.js"
# Gradio's arguments for an event that is handled at once. Values arrive without preprocessing, because Gradio's
# would raise on an unusable value, while the checks of a recipe answer it with a sentence.
INSTANT_EVENT: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "api_visibility": "private",
    "preprocess": False,
}
# Gradio's arguments for an event whose handler sends updates for as long as a run or a download takes.
STREAMING_EVENT: dict[str, Any] = {
    "show_progress": "hidden",
    "concurrency_limit": None,
    "api_visibility": "private",
    # Otherwise Gradio would drop an event that arrives while its handler is still sending updates.
    "trigger_mode": "multiple",
}
# Seconds between two checks of Gradio's cache of uploads, and the age in seconds at which Gradio deletes an upload.
UPLOAD_CACHE_SECONDS = (600, MAX_UPLOAD_AGE)


def build_studio(services: Services) -> gr.Blocks:
    """Return the whole app: the page, its events and the public endpoints."""
    gr.set_static_paths([services.cache.root, *services.examples.values()])
    with SkippingBlocks(
        title=words.TITLE, analytics_enabled=False, delete_cache=UPLOAD_CACHE_SECONDS, fill_width=True
    ) as demo:
        page, buttons = _PageBuilder(services).build()
        _connect_events(demo, page, buttons, services)
        api.add_endpoints(services)
    return demo


class _PageBuilder:
    """Builds the components of the page, from top to bottom."""

    def __init__(self, services: Services) -> None:
        self.services = services
        # The first values of the widgets, by name.
        self.values: dict[str, Any] = restore.initial_values(services)
        # The widgets that have been built, by name.
        self.widgets: dict[str, Widget] = {}
        # The other fields of Page that have been built, by name.
        self.parts: dict[str, Any] = {}
        # Buttons that no handler updates, by name. They are no fields of Page.
        self.buttons: dict[str, gr.Button] = {}

    def build(self) -> tuple[Page, Mapping[str, gr.Button]]:
        """Build all components. Return the page, and by name the buttons that are no fields of it."""
        with gr.Row(elem_id="head"):
            gr.HTML(title_html(), elem_id="title")
            self.parts["model_picker"] = ModelPicker(model_picker_html(self.services), elem_id="model-picker")
            gr.HTML(page_tools_html(), elem_id="page-tools")
        self._build_prompt()
        self._build_words()
        with gr.Row(elem_id="work"):
            with gr.Column(elem_id="picture"):
                self.parts["stages"] = StagesPanel(
                    elem_id="stages", words=words.STAGES_PANEL, examples=examples_for_browser(self.services)
                )
            with gr.Column(elem_id="inspector"):
                self._build_size_section()
                self._build_look_section()
                self._build_method_section()
                self._build_start_section()
                self.parts["control_panel"] = build_control_panel(self.values, self.widgets)
                self._build_fine_section()
                self._build_model_section()
        self.parts["browser_state"] = gr.BrowserState({}, storage_key=STORAGE_KEY, secret=STORAGE_SECRET)
        return Page(widgets=self.widgets, **self.parts), self.buttons

    def _add_setting(self, name: str, **changes: Any) -> None:
        """Build the widget of a setting; changes override arguments of its Gradio component."""
        self.widgets[name] = setting_widget(name, self.values.get(name), **changes)

    def _add_size(self, name: str, **changes: Any) -> None:
        """Build the widget of a size setting; changes override arguments of its Gradio component."""
        self.widgets[name] = size_widget(name, self.values.get(name), **changes)

    def _add_option(self, name: str) -> None:
        """Build the widget of an option, which is a setting that only some methods read."""
        self.widgets[name] = option_widget(name, self.values.get(name))

    def _build_prompt(self) -> None:
        """Build the prompt, and beside it the buttons that add a picture, start or stop a run and draw a seed."""
        with gr.Row(elem_id="ask"):
            self.parts["add_picture_button"] = gr.UploadButton(
                words.ADD_PICTURE, file_count="single", type="filepath", elem_id="drop"
            )
            self._add_setting(
                "prompt",
                label=words.PROMPT_LABEL,
                show_label=False,
                placeholder=words.PROMPT_LABEL,
                info=None,
                lines=1,
                max_lines=4,
                max_length=2000,
            )
            with gr.Column(elem_id="go"):
                self.parts["generate_button"] = gr.Button(
                    words.GENERATE,
                    variant="primary",
                    elem_id="generate",
                    # Enabled by the first answer, which fills the page: a run must not start with other settings.
                    interactive=False,
                )
                self.parts["stop_button"] = gr.Button(
                    words.STOP, variant="stop", visible=False, elem_id="stop"
                )
            self.buttons["new_seed"] = gr.Button(words.NEW_SEED, elem_id="dice")
            self.buttons["candidates"] = gr.Button(words.MAKE_CANDIDATES, elem_id="make-candidates")

    def _build_words(self) -> None:
        """Build the lists of words that build a prompt, and the button "Surprise me" beside them."""
        entry, prompt = self.services.entry(), str(self.values.get("prompt") or "")
        with gr.Row(elem_id="words"):
            self.parts["word_lists"] = WordLists(word_lists_html(entry, prompt), elem_id="word-lists")
            self.buttons["surprise"] = gr.Button(words.SURPRISE_ME, elem_id="surprise")

    def _build_size_section(self) -> None:
        """Build the widgets of the number of stages, the shape and the seed."""
        with gr.Column(elem_id="size", elem_classes="compact"):
            self._add_size("stages", elem_id="scale_stages")
            self.parts["size_line"] = gr.HTML(elem_id="sizes")
            self.parts["quality"] = gr.Radio(
                [(title, name) for name, title in words.QUALITY_TITLES.items()],
                label=words.QUALITY,
                info=words.QUALITY_HELP,
                interactive=True,
                elem_id="quality",
            )
            self._add_size("shape")
            self._add_setting("seed")
            self.parts["keep_seed"] = gr.Checkbox(
                False, label=words.KEEP_SEED, info=words.KEEP_SEED_HELP, interactive=True, elem_id="keep-seed"
            )

    def _build_method_section(self) -> None:
        """Build the section in which a method is chosen."""
        with gr.Accordion(methods.METHOD_HEADING, open=False, elem_id="methods") as fold:
            self.widgets["method"] = method_widget(self.values.get("method"))
            self._add_setting("enlarge")
        self.parts["method_fold"] = fold

    def _build_look_section(self) -> None:
        """Build the settings of the stages after the first: looks, sliders, and the curves that follow from them."""
        with gr.Column(elem_id="look", elem_classes="compact"):
            self.parts["look_heading"] = gr.HTML(heading_html(words.FROM_STAGE_TWO), elem_id="look-heading")
            self.parts["looks"] = gr.Radio(
                [(title, name) for name, title in words.LOOK_TITLES.items()],
                label=words.LOOKS,
                interactive=True,
                elem_id="looks",
            )
            for name in (*ALPHAS, *SMOOTHING_AND_STRIDE):
                self._add_setting(name)
            for name in OPTIONS:
                if name not in ADVANCED_OPTIONS:
                    self._add_option(name)
            self.parts["slider_help"] = gr.HTML(elem_id="slider-help")
            self.parts["curves"] = gr.HTML(elem_id="curves")
            self.parts["window_line"] = gr.HTML(elem_id="windows")
            self.buttons["defaults"] = gr.Button(words.MODEL_DEFAULTS, size="sm", elem_id="defaults")

    def _build_start_section(self) -> None:
        """Build the section with the start image and its settings, hidden while there is none."""
        with gr.Accordion(words.START_FROM_PICTURE, open=False, visible=False, elem_id="start") as fold:
            self.parts["start_image"] = gr.HTML(visible=False, elem_id="given")
            self._add_setting("fidelity", visible=False)
            self.parts["remove_image_button"] = gr.Button(
                words.TAKE_AWAY, size="sm", visible=False, elem_id="away"
            )
            self.parts["control_button"] = gr.Button(
                words.FOLLOW_EDGES, size="sm", visible=False, elem_id="follow-it"
            )
        self.parts["start_fold"] = fold

    def _build_fine_section(self) -> None:
        """Build the section with the settings that most people leave unchanged."""
        with gr.Accordion(words.FINE_CONTROL, open=False, elem_id="fine"):
            for name in FINE_SETTINGS:
                self._add_setting(name)
            self._add_size("by_one")
            self._add_size("scales", elem_id="own_scales")
            self._add_size("width")
            self._add_size("height")
            self._add_setting("economy")
            for name in METHOD_PARTS:
                self._add_setting(name)
            self._add_setting("kernel")
            for name in ADVANCED_OPTIONS:
                self._add_option(name)
            self._add_setting("faithful")

    def _build_model_section(self) -> None:
        """Build the widget that holds the chosen model. It is never shown: the model picker sets it."""
        with gr.Column(visible=False):
            self.widgets["model"] = model_widget(self.services.pool.entries.values())


def _connect_events(
    demo: gr.Blocks, page: Page, buttons: Mapping[str, gr.Button], services: Services
) -> None:
    """Connect the events of the page's components with their handlers."""
    page_handlers, action_handlers = PageHandlers(services, page), ActionHandlers(services, page)
    model_handlers, prompt_handlers = ModelHandlers(services, page), PromptHandlers(services, page)
    widgets = page.widgets
    inputs = {*widgets.values(), page.browser_state}
    outputs = _updated_components(page)
    streaming: dict[str, Any] = {"outputs": outputs} | STREAMING_EVENT

    shared_runs = SHARED_RUNS_SCRIPT.read_text(encoding="utf-8")
    page.browser_state.change(None, [page.browser_state], js=shared_runs, **INSTANT_EVENT)
    opened = OPENED_SCRIPT.read_text(encoding="utf-8")
    on_open = f"(stored) => ({opened})(...({shared_runs})(stored))"
    loaded = demo.load(page_handlers.on_load, [page.browser_state], outputs, js=on_open, **INSTANT_EVENT)
    loaded.then(page_handlers.on_follow_run, **streaming)
    loaded.then(model_handlers.on_load_model, **streaming)

    textboxes = {name: widget for name, widget in widgets.items() if isinstance(widget, gr.Textbox)}
    moves = [widget.input for name, widget in widgets.items() if name not in ("model", *textboxes)]
    gr.on(moves, page_handlers.on_change, inputs, outputs, trigger_mode="always_last", **INSTANT_EVENT)
    # A textbox's `input` event does not report pasted text, so `change` is used.
    for name, textbox in textboxes.items():
        on_text = prompt_handlers.on_text_change(name)
        textbox.change(on_text, inputs, outputs, trigger_mode="always_last", **INSTANT_EVENT)
    page.word_lists.act(prompt_handlers.on_word_choice, inputs, outputs, **INSTANT_EVENT)
    chosen = page.model_picker.act(model_handlers.on_model_choice, inputs, outputs, **INSTANT_EVENT)
    chosen.then(model_handlers.on_load_model, **streaming)
    buttons["surprise"].click(prompt_handlers.on_surprise, inputs, outputs, **INSTANT_EVENT)
    buttons["new_seed"].click(prompt_handlers.on_new_seed, inputs, outputs, **INSTANT_EVENT)
    page.quality.input(action_handlers.on_quality_choice, {*inputs, page.quality}, outputs, **INSTANT_EVENT)
    page.looks.input(action_handlers.on_look_choice, {*inputs, page.looks}, outputs, **INSTANT_EVENT)
    buttons["defaults"].click(action_handlers.on_defaults, inputs, outputs, **INSTANT_EVENT)
    keep_seed, state = page.keep_seed, page.browser_state
    keep_seed.input(page_handlers.on_keep_seed, {state, keep_seed}, [state], **INSTANT_EVENT)
    _connect_image_events(page, action_handlers, ControlHandlers(services, page), inputs, outputs)
    for event, on_start in (
        (page.generate_button.click, page_handlers.on_generate),
        (textboxes["prompt"].submit, page_handlers.on_generate),
        (buttons["candidates"].click, page_handlers.on_make_candidates),
    ):
        started = event(on_start, inputs, outputs, **INSTANT_EVENT)
        started.then(page_handlers.on_follow_run, **streaming)
    page.stop_button.click(page_handlers.on_stop, [page.browser_state], [page.stages], **INSTANT_EVENT)
    acted = page.stages.act(
        action_handlers.on_action, inputs, outputs, trigger_mode="multiple", **INSTANT_EVENT
    )
    acted.then(page_handlers.on_follow_run, **streaming)
    acted.then(action_handlers.on_make_export, **streaming)


def _updated_components(page: Page) -> list[Any]:
    """Return all components that handlers may update."""
    return [
        page.stages,
        page.generate_button,
        page.stop_button,
        page.keep_seed,
        page.browser_state,
        page.curves,
        page.size_line,
        page.window_line,
        page.model_picker,
        page.method_fold,
        page.look_heading,
        page.looks,
        page.quality,
        page.slider_help,
        page.start_fold,
        page.start_image,
        page.remove_image_button,
        page.control_button,
        *page.control_panel.components,
        *page.widgets.values(),
        page.word_lists,
    ]


def _connect_image_events(
    page: Page,
    action_handlers: ActionHandlers,
    control_handlers: ControlHandlers,
    inputs: set[Any],
    outputs: list[Any],
) -> None:
    """Connect the events of the start image and the control image with their handlers."""
    add_picture, panel = page.add_picture_button, page.control_panel
    add_picture.upload(
        action_handlers.on_drop_file, {*inputs, add_picture}, [*outputs, add_picture], **INSTANT_EVENT
    )
    page.remove_image_button.click(action_handlers.on_remove_start_image, inputs, outputs, **INSTANT_EVENT)
    page.control_button.click(
        control_handlers.on_use_start_image_as_control, inputs, outputs, **INSTANT_EVENT
    )
    panel.remove.click(control_handlers.on_remove_control, inputs, outputs, **INSTANT_EVENT)
    panel.map_stage.input(
        control_handlers.on_map_stage_choice, {*inputs, panel.map_stage}, outputs, **INSTANT_EVENT
    )
