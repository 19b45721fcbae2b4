"""The three public endpoints: plan, generate, read. Their arguments are the recipe's fields.

`controls` is a list of mappings, each with its picture as an upload: {"image": handle_file(path)}
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, replace
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import gradio as gr

from engine import errors
from engine.control.detectors import check_detectors
from engine.errors import BadRecipe, Fault, short_repr
from engine.planning import cost
from engine.planning.plan import Plan, plan
from engine.recipe import images as picture
from engine.recipe.checks import check, check_value
from engine.recipe.controls import MOST_CONTROLS, Control
from engine.recipe.effects import unused_settings
from engine.recipe.recall import recall
from engine.recipe.recipe import DEFAULTS, SETTINGS, Recipe, to_dict
from engine.runs.events import END, Accepted, Event, Failed, Preview, StageDone
from engine.serving.entry import Request
from ui.messages.status import too_large_message
from ui.session.finished import file
from ui.session.services import House
from ui.session.uploads import uploaded
from ui.text import words

PAUSE = 0.2
LEFT_OUT = ("image", "loras")
"""Fields that this version cannot take from outside."""
KINDS = {
    "text": str, "choice": str, "flag": bool, "integer": int, "number": float, "scales": list[float],
    "controls": list[dict[str, Any]], "options": dict[str, Any],
}  # fmt: skip


def offer(house: House) -> None:
    """Adds the endpoints to the app that is being built."""
    gr.api(_planning(house), api_name="plan", api_description=words.API_PLAN, queue=False)
    gr.api(
        _generating(house), api_name="generate", api_description=words.API_GENERATE, concurrency_limit=None,
    )  # fmt: skip
    gr.api(_reading(), api_name="read", api_description=words.API_READ, queue=False)


def _with_settings(function: Any, returns: Any) -> Any:
    """The function with the recipe's fields as its arguments, so that the API names them."""
    names = [name for name in SETTINGS if name not in LEFT_OUT]
    kinds = {name: _kind(name) for name in names}
    function.__signature__ = Signature(
        [
            Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=_default(name), annotation=kinds[name])
            for name in names
        ],
        return_annotation=returns,
    )
    function.__annotations__ = kinds | {"return": returns}
    return function


def _kind(name: str) -> Any:
    kind = KINDS[SETTINGS[name].kind]
    return kind | None if SETTINGS[name].optional else kind


def _default(name: str) -> Any:
    value = getattr(DEFAULTS, name)
    if SETTINGS[name].kind == "options":
        return {}
    return list(value) if isinstance(value, tuple) else value


def _recipe(house: House, given: tuple[Any, ...], named: dict[str, Any]) -> Recipe:
    names = [name for name in SETTINGS if name not in LEFT_OUT]
    values = {name: getattr(DEFAULTS, name) for name in names} | dict(zip(names, given, strict=False)) | named
    values["controls"] = _controls(house, values["controls"])
    recipe = check(Recipe(**values))
    house.lender.entry(recipe.model)
    check_detectors(recipe.controls)
    return recipe


def _controls(house: House, given: Any) -> tuple[Control, ...]:
    """Controls whose pictures were uploaded along with them; BadRecipe for what names anything else.

    A digest is not enough: it travels in pictures, and knowing one makes nobody the owner of the pixels.
    """
    if not isinstance(given, list | tuple) or not all(isinstance(control, Mapping) for control in given):
        raise BadRecipe("controls", errors.NOT_CONTROLS.format(value=short_repr(given)))
    if len(given) > MOST_CONTROLS:
        raise BadRecipe("controls", errors.TOO_MANY_CONTROLS.format(count=len(given), limit=MOST_CONTROLS))
    if any(picture.is_digest(control.get("image")) for control in given):
        raise BadRecipe("controls", errors.CONTROL_PICTURE_GONE)
    kept: dict[str, str] = {}
    named = [control | _uploaded(house, control.get("image"), kept) for control in map(dict, given)]
    told = check_value("controls", Recipe(controls=named).controls)
    return tuple(replace(control, image=kept[control.image]) for control in told)


def _uploaded(house: House, image: Any, kept: dict[str, str]) -> dict[str, Any]:
    """An upload by its digest; its file is noted by that."""
    if not isinstance(image, Mapping):
        return {"image": image}
    path = house.uploads.keep(uploaded(image.get("path")))
    digest = picture.digest(path)
    kept[digest] = str(path)
    return {"image": digest}


def _planning(house: House) -> Any:
    def planned(*given: Any, **named: Any) -> dict[str, Any]:
        try:
            recipe = _recipe(house, given, named)
            whole = plan(recipe, house.lender.facts(recipe.model))
        except Fault as fault:
            raise gr.Error(fault.sentence, print_exception=False) from fault
        prices = house.pace.each(whole.stages)
        return {
            "recipe": to_dict(whole.recipe),
            "evaluations": whole.evaluations,
            "memory": cost.peak_memory(whole.stages),
            "unused": list(unused_settings(recipe)),
            "stages": [
                {
                    "stage": stage.number,
                    "scale": stage.scale,
                    "size": list(stage.size),
                    "steps": stage.step_count,
                    "evaluations": stage.evaluations,
                    "seconds": seconds,
                }
                for stage, seconds in zip(whole.stages, prices, strict=True)
            ],
        }  # fmt: skip

    return _with_settings(planned, dict)


def _planned(house: House, recipe: Recipe) -> Plan | None:
    """The plan of a recipe; None where there is none, of which the run itself tells the reason."""
    try:
        return plan(recipe, house.facts(recipe.model))
    except Fault:
        return None


def _generating(house: House) -> Any:
    async def generated(*given: Any, **named: Any) -> AsyncIterator[dict[str, Any]]:
        try:
            recipe = _recipe(house, given, named)
            whole = _planned(house, recipe)
            refused = too_large_message(whole, house) if whole else None
            if refused:
                raise Fault(refused.text)
            name = house.desk.submit(Request(recipe, recipe.model, plan=whole))
        except Fault as fault:
            raise gr.Error(fault.sentence, print_exception=False) from fault
        first, over = 0, False
        try:
            while not over:
                events, first = house.desk.since(name, first)
                for event in events:
                    if isinstance(event, Failed):
                        raise gr.Error(event.sentence, print_exception=False)
                    if not isinstance(event, Preview):
                        yield _plain(event)
                    over = over or isinstance(event, END)
                await asyncio.sleep(PAUSE)
        finally:
            house.desk.stop(name)

    return _with_settings(generated, dict)


def _plain(event: Event) -> dict[str, Any]:
    """An event as JSON: its kind and its values; a stage with its picture as a file."""
    kind = type(event).__name__
    match event:
        case Accepted():
            return {
                "kind": kind, "run": Path(event.run).name, "recipe": to_dict(event.recipe),
                "stages": [{"scale": scale, "size": list(size)} for scale, size in event.stages],
                "evaluations": event.evaluations, "first": event.first, "unused": list(event.unused),
                "notes": list(event.notes), "kept": [_plain(stage) for stage in event.kept],
            }  # fmt: skip
        case StageDone():
            return {
                "kind": kind, "stage": event.stage, "scale": event.scale, "size": list(event.size),
                "seconds": event.seconds, "evaluations": event.evaluations, "image": file(Path(event.image)),
            }  # fmt: skip
    return {"kind": kind} | asdict(event)


def _reading() -> Any:
    def read(picture: gr.FileData) -> dict[str, Any]:
        path = picture.get("path") if isinstance(picture, dict) else getattr(picture, "path", None)
        try:
            recalled = recall(uploaded(path))
        except BadRecipe as fault:
            raise gr.Error(fault.sentence, print_exception=False) from fault
        return {"recipe": to_dict(recalled.recipe), "strange": list(recalled.strange)}

    return read
