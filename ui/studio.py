"""The page: what stands where, and which handler answers to what."""

from typing import Any

import gradio as gr

from engine.methods import COMBINATIONS
from engine.recipe.options import OPTIONS
from ui import api
from ui.actions import restore
from ui.handlers.actions import ActionHandlers
from ui.handlers.control import ControlHandlers
from ui.handlers.model import ModelHandlers
from ui.handlers.page import PageHandlers
from ui.handlers.prompt import PromptHandlers
from ui.page import Page
from ui.panels.badge import badge_html
from ui.panels.control import build_control_panel
from ui.panels.stages import WEB, StagesPanel
from ui.session.services import Services
from ui.settings.widgets import (
    ALPHAS,
    FINE_SETTINGS,
    METHOD_PARTS,
    SMOOTHING_AND_STRIDE,
    method_widget,
    model_widget,
    option_widget,
    setting_widget,
    size_widget,
)
from ui.text import methods, words

STORAGE, SECRET = "demofusion-studio", "settings-are-no-secret"
"""Fixed, or a browser's settings would be lost at every start."""
RUNS, OPENED = WEB / "shared_runs.js", WEB / "opened.js"
QUIET = {"queue": False, "show_progress": "hidden", "api_visibility": "private", "preprocess": False}
"""Values come as the browser has them: the recipe's checks say in a sentence what Gradio would throw."""
FOLLOWED = {
    "show_progress": "hidden",
    "concurrency_limit": None,
    "api_visibility": "private",
    # By default what comes after a click is left out while it still goes on after the one before.
    "trigger_mode": "multiple",
}
CACHE = (3600, 86400)
"""Seconds between looks through Gradio's own cache of uploads, and how long they stay."""


def build_studio(services: Services) -> gr.Blocks:
    """The whole app over one house."""
    gr.set_static_paths([services.cache.root, *([services.example] if services.example else [])])
    with gr.Blocks(title=words.TITLE, analytics_enabled=False, delete_cache=CACHE, fill_width=True) as demo:
        page, more = _page(services)
        handlers = PageHandlers(services)
        handlers.page = page
        _wire(demo, page, more, handlers)
        api.add_endpoints(services)
    return demo


def _page(services: Services) -> tuple[Page, dict[str, Any]]:
    controls, more, values = {}, {}, restore.initial_values(services)
    with gr.Row(elem_id="head"):
        gr.Markdown(f"# {words.TITLE}", elem_id="title")
        shown_badge = gr.HTML(badge_html(services), elem_id="badge")
    with gr.Row(elem_id="ask", equal_height=True):
        controls["prompt"] = setting_widget(
            "prompt",
            values.get("prompt"),
            label=words.PROMPT_LABEL,
            info=None,
            lines=1,
            max_lines=4,
            max_length=2000,
            scale=6,
            min_width=280,
        )
        with gr.Column(scale=1, min_width=150, elem_id="go"):
            generate = gr.Button(words.GENERATE, variant="primary", elem_id="generate")
            stop = gr.Button(words.STOP, variant="stop", visible=False, elem_id="stop")
            more["surprise"] = gr.Button(words.SURPRISE_ME, size="sm", elem_id="surprise")
    chips = _chips(services)
    with gr.Row(elem_id="work"):
        with gr.Column(scale=13, min_width=340, elem_id="picture"):
            stages = StagesPanel(elem_id="stages", words=words.STAGES_PANEL)
        with gr.Column(scale=6, min_width=300, elem_id="inspector"):
            inspector = _inspector(values, controls, more)
            with gr.Accordion(words.MODEL_SECTION, open=False, visible=len(services.pool.entries) > 1):
                controls["model"] = model_widget(services.pool.entries.values())
    stored = gr.BrowserState({}, storage_key=STORAGE, secret=SECRET)
    named = ("methods", "alphas", "growing", "drop", "start", "given", "away", "follow_it")
    of_start = (more[name] for name in named)
    shown = (generate, stop, shown_badge)
    page = Page(controls, chips, stages, *inspector, *shown, *of_start, more["follow"], stored)
    return page, more


def _chips(services: Services) -> dict[str, gr.Radio]:
    """The sentence builder: the words of the model on offer that knows only so many, a row for each kind."""
    drawn = next((entry.vocabulary for entry in services.pool.entries.values() if entry.vocabulary), {})
    chips = {}
    with gr.Row(elem_id="chips"):
        for kind, choices in drawn.items():
            chips[kind] = gr.Radio(
                list(choices),
                label=words.WORD_KINDS[kind],
                visible=kind in services.entry().vocabulary,
                interactive=True,
                elem_id=f"chip-{kind}",
                elem_classes="chips",
                min_width=160,
            )
    return chips


def _inspector(values: dict[str, Any], controls: dict[str, Any], more: dict[str, Any]) -> tuple[gr.HTML, ...]:
    """The settings: how large, by which method, from what, and the rest. curves, sizes, windows."""
    sizes = _sizes(values, controls, more)
    with gr.Accordion(methods.METHOD_HEADING, open=False, elem_id="methods") as more["methods"]:
        controls["method"] = method_widget(values.get("method"))
    windows, curves = _growing(values, controls, more)
    _start(values, controls, more)
    more["follow"] = build_control_panel(values, controls)
    _fine(values, controls)
    return curves, sizes, windows


def _sizes(values: dict[str, Any], controls: dict[str, Any], more: dict[str, Any]) -> gr.HTML:
    """How large, and by which chance."""
    with gr.Group():
        controls["stages"] = size_widget("stages", values.get("stages"), elem_id="scale_stages")
        sizes = gr.HTML(elem_id="sizes")
        controls["shape"] = size_widget("shape", values.get("shape"))
        with gr.Row(elem_id="chance"):
            controls["seed"] = setting_widget("seed", values.get("seed"), scale=3, min_width=120)
            more["dice"] = gr.Button(words.NEW_SEED, size="sm", scale=1, min_width=90, elem_id="dice")
    return sizes


def _growing(values: dict[str, Any], controls: dict[str, Any], more: dict[str, Any]) -> tuple[gr.HTML, ...]:
    """The method's own settings. windows, curves."""
    with gr.Accordion(words.FROM_STAGE_TWO, open=True, elem_id="growing") as more["growing"]:
        for name in ALPHAS:
            controls[name] = setting_widget(name, values.get(name))
        more["alphas"] = gr.Markdown(words.ALPHAS_HELP, elem_id="alphas")
        for name in SMOOTHING_AND_STRIDE:
            controls[name] = setting_widget(name, values.get(name))
        for name in OPTIONS:
            if name not in COMBINATIONS:
                controls[name] = option_widget(name, values.get(name))
        windows = gr.HTML(elem_id="windows")
        curves = gr.HTML(elem_id="curves")
        more["defaults"] = gr.Button(words.MODEL_DEFAULTS, size="sm", elem_id="defaults")
    return windows, curves


def _start(values: dict[str, Any], controls: dict[str, Any], more: dict[str, Any]) -> None:
    """Where a picture is dropped."""
    with gr.Accordion(words.START_FROM_PICTURE, open=False, elem_id="start") as more["start"]:
        gr.Markdown(words.DROP_HELP)
        more["drop"] = gr.File(
            label=words.DROP_LABEL, file_count="single", type="filepath", elem_id="drop", height=120
        )
        more["given"] = gr.HTML(visible=False, elem_id="given")
        controls["fidelity"] = setting_widget("fidelity", values.get("fidelity"), visible=False)
        more["away"] = gr.Button(words.TAKE_AWAY, size="sm", visible=False, elem_id="away")
        more["follow_it"] = gr.Button(words.FOLLOW_EDGES, size="sm", visible=False, elem_id="follow-it")


def _fine(values: dict[str, Any], controls: dict[str, Any]) -> None:
    """What most people never touch."""
    with gr.Accordion(words.FINE_CONTROL, open=False, elem_id="fine"):
        for name in FINE_SETTINGS:
            controls[name] = setting_widget(name, values.get(name))
        for name in ("by_one", "scales", "width", "height"):
            controls[name] = size_widget(
                name, values.get(name), **({"elem_id": "own_scales"} if name == "scales" else {})
            )
        controls["economy"] = setting_widget("economy", values.get("economy"))
        for name in METHOD_PARTS:
            controls[name] = setting_widget(name, values.get(name))
        controls["kernel"] = setting_widget("kernel", values.get("kernel"))
        for name in sorted(COMBINATIONS, reverse=True):
            controls[name] = option_widget(name, values.get(name))
        controls["faithful"] = setting_widget("faithful", values.get("faithful"))


def _wire(demo: gr.Blocks, page: Page, more: dict[str, Any], handlers: PageHandlers) -> None:
    acts, choosing, writing = ActionHandlers(handlers), ModelHandlers(handlers), PromptHandlers(handlers)
    controls = page.widgets
    given = {*controls.values(), *page.word_choices.values(), page.browser_state}
    seen = [
        page.stages, page.generate_button, page.stop_button, page.browser_state, page.curves, page.size_line, page.window_line, page.badge,
        page.method_fold, page.alpha_help, page.growth_fold, page.start_fold, page.start_image, page.remove_image_button, page.control_button,
        *page.control_panel.components,
        *controls.values(), *page.word_choices.values(),
    ]  # fmt: skip
    follow = {"outputs": seen} | FOLLOWED

    shared = RUNS.read_text(encoding="utf-8")
    page.browser_state.change(None, [page.browser_state], js=shared, **QUIET)
    at_first = f"(stored) => ({OPENED.read_text(encoding='utf-8')})(...({shared})(stored))"
    opened = demo.load(handlers.opened, [page.browser_state], seen, js=at_first, **QUIET)
    opened.then(handlers.followed, **follow)
    opened.then(choosing.warmed, **follow)

    texts = {name: each for name, each in controls.items() if isinstance(each, gr.Textbox)}
    moves = [each.input for name, each in controls.items() if name not in ("model", *texts)]
    gr.on(moves, handlers.moved, given, seen, trigger_mode="always_last", **QUIET)
    for name, text in texts.items():  # By `input` they hear keys alone, not what is pasted.
        text.change(writing.worded(name), given, seen, trigger_mode="always_last", **QUIET)
    gr.on([chip.input for chip in page.word_choices.values()], writing.built, given, seen, **QUIET)
    controls["model"].input(choosing.chosen, given, seen, **QUIET).then(choosing.warmed, **follow)
    more["surprise"].click(writing.surprised, given, seen, **QUIET)
    more["dice"].click(writing.reseeded, given, seen, **QUIET)
    more["defaults"].click(acts.to_defaults, given, seen, **QUIET)
    _wire_pictures(page, acts, handlers, given, seen)
    for event in (page.generate_button.click, controls["prompt"].submit):
        event(handlers.started, given, seen, **QUIET).then(handlers.followed, **follow)
    page.stop_button.click(handlers.stopped, None, [page.stages], **QUIET)
    acted = page.stages.act(acts.act, given, seen, trigger_mode="multiple", **QUIET)
    acted.then(handlers.followed, **follow)
    acted.then(acts.made, **follow | {"concurrency_limit": 1})


def _wire_pictures(
    page: Page, acts: ActionHandlers, handlers: PageHandlers, given: set[Any], seen: list[Any]
) -> None:
    """What follows from a picture that is dropped: to start from, or to follow."""
    tracing = ControlHandlers(handlers)
    page.drop_zone.upload(acts.dropped, {*given, page.drop_zone}, [*seen, page.drop_zone], **QUIET)
    page.remove_image_button.click(acts.taken_away, given, seen, **QUIET)
    page.control_button.click(tracing.traced, given, seen, **QUIET)
    page.control_panel.remove.click(tracing.unfollowed, given, seen, **QUIET)
    page.control_panel.stage.input(tracing.mapped, {*given, page.control_panel.stage}, seen, **QUIET)
