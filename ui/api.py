"""The public API endpoints plan, generate and read. The arguments of the first two are the recipe's fields.

`controls` is a list of mappings, each with its image as an upload: {"image": handle_file(path), ...}
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
from engine.recipe import images
from engine.recipe.checks import check, check_value
from engine.recipe.controls import MAX_CONTROLS, Control
from engine.recipe.effects import changed_but_ineffective_settings
from engine.recipe.recall import recall
from engine.recipe.recipe import DEFAULTS, SETTINGS, Recipe, to_dict
from engine.runs.events import END, Accepted, Event, Failed, Preview, StageDone
from engine.serving.entry import Request
from ui.messages.status import too_large_message
from ui.session.finished import file_for_browser
from ui.session.services import Services
from ui.session.uploads import find_upload
from ui.text import words

# Seconds between two requests to the queue for new events.
POLL_INTERVAL = 0.2
# Fields of the recipe that the endpoints do not accept.
EXCLUDED_FIELDS = ("image", "loras")
# The names of all others.
FIELDS = tuple(name for name in SETTINGS if name not in EXCLUDED_FIELDS)
# Python types of the kinds of settings.
TYPES = {
    "text": str, "choice": str, "flag": bool, "integer": int, "number": float, "scales": list[float],
    "controls": list[dict[str, Any]], "options": dict[str, Any],
}  # fmt: skip


def add_endpoints(services: Services) -> None:
    """Add the endpoints to the Gradio app that is being built."""
    gr.api(_plan_endpoint(services), api_name="plan", api_description=words.API_PLAN, queue=False)
    gr.api(
        _generate_endpoint(services),
        api_name="generate",
        api_description=words.API_GENERATE,
        concurrency_limit=None,
    )
    gr.api(_read_endpoint(), api_name="read", api_description=words.API_READ, queue=False)


def _with_field_arguments(function: Any, returns: Any) -> Any:
    """Give a function of *args and **kwargs the signature of the recipe's fields, which Gradio publishes."""
    types = {name: _type(name) for name in FIELDS}
    function.__signature__ = Signature(
        [
            Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=_default(name), annotation=types[name])
            for name in FIELDS
        ],
        return_annotation=returns,
    )
    function.__annotations__ = types | {"return": returns}
    return function


def _type(name: str) -> Any:
    """Return the type of a field in the published signature."""
    plain = TYPES[SETTINGS[name].kind]
    return plain | None if SETTINGS[name].optional else plain


def _default(name: str) -> Any:
    """Return the default of a field in the published signature."""
    value = getattr(DEFAULTS, name)
    if SETTINGS[name].kind == "options":
        return {}
    return list(value) if isinstance(value, tuple) else value


def _recipe(services: Services, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Recipe:
    """Return the recipe in an endpoint's arguments, or raise BadRecipe."""
    defaults = {name: getattr(DEFAULTS, name) for name in FIELDS}
    values = defaults | dict(zip(FIELDS, args, strict=False)) | kwargs
    values["controls"] = _controls(services, values["controls"])
    recipe = check(Recipe(**values))
    services.entry(recipe.model)
    check_detectors(recipe.controls)
    return recipe


def _controls(services: Services, values: Any) -> tuple[Control, ...]:
    """Return controls from outside with the files of their uploads, or raise BadRecipe.

    Images that are named by digest are refused: digests are public, so knowing one does not give access.
    """
    if not isinstance(values, list | tuple) or not all(isinstance(control, Mapping) for control in values):
        raise BadRecipe("controls", errors.NOT_CONTROLS.format(value=short_repr(values)))
    if len(values) > MAX_CONTROLS:
        raise BadRecipe("controls", errors.TOO_MANY_CONTROLS.format(count=len(values), limit=MAX_CONTROLS))
    if any(images.is_digest(control.get("image")) for control in values):
        raise BadRecipe("controls", errors.CONTROL_PICTURE_GONE)
    files: dict[str, str] = {}
    with_digests = [_with_digest(services, control, files) for control in values]
    controls = check_value("controls", Recipe(controls=with_digests).controls)
    return tuple(replace(control, image=files[control.image]) for control in controls)


def _with_digest(services: Services, control: Mapping[str, Any], files: dict[str, str]) -> dict[str, Any]:
    """Return a control that names its uploaded image by digest; the image's file is added to `files`."""
    image = control.get("image")
    if not isinstance(image, Mapping):
        return {**control, "image": image}
    file = services.uploads.store(find_upload(image.get("path")))
    digest = images.digest(file)
    files[digest] = str(file)
    return {**control, "image": digest}


def _plan_endpoint(services: Services) -> Any:
    def planned(*args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            recipe = _recipe(services, args, kwargs)
            whole = plan(recipe, services.facts(recipe.model))
        except Fault as fault:
            raise gr.Error(fault.sentence, print_exception=False) from fault
        estimates = services.pace.estimate_each(whole.stages)
        return {
            "recipe": to_dict(whole.recipe),
            "evaluations": whole.evaluations,
            "memory": cost.peak_memory(whole.stages),
            "unused": list(changed_but_ineffective_settings(recipe)),
            "stages": [
                {
                    "stage": stage.number,
                    "scale": stage.scale,
                    "size": list(stage.size),
                    "steps": stage.step_count,
                    "evaluations": stage.evaluations,
                    "seconds": seconds,
                }
                for stage, seconds in zip(whole.stages, estimates, strict=True)
            ],
        }

    return _with_field_arguments(planned, dict)


def _plan_or_none(services: Services, recipe: Recipe) -> Plan | None:
    """Return the recipe's plan; None if it has none, which the run reports by itself."""
    try:
        return plan(recipe, services.facts(recipe.model))
    except Fault:
        return None


def _generate_endpoint(services: Services) -> Any:
    async def generated(*args: Any, **kwargs: Any) -> AsyncIterator[dict[str, Any]]:
        try:
            name = _submit(services, _recipe(services, args, kwargs))
        except Fault as fault:
            raise gr.Error(fault.sentence, print_exception=False) from fault
        first, has_ended = 0, False
        try:
            while not has_ended:
                events, first = services.queue.events_since(name, first)
                for event in events:
                    if isinstance(event, Failed):
                        raise gr.Error(event.sentence, print_exception=False)
                    if not isinstance(event, Preview):
                        yield _event_to_dict(event)
                    has_ended = has_ended or isinstance(event, END)
                await asyncio.sleep(POLL_INTERVAL)
        finally:  # Also when the client has disconnected.
            services.queue.stop(name)

    return _with_field_arguments(generated, dict)


def _submit(services: Services, recipe: Recipe) -> str:
    """Put a run into the queue and return its name, or raise Fault."""
    planned = _plan_or_none(services, recipe)
    refusal = too_large_message(planned, services) if planned else None
    if refusal:
        raise Fault(refusal.text)
    return services.queue.submit(Request(recipe, recipe.model, plan=planned))


def _event_to_dict(event: Event) -> dict[str, Any]:
    """Return an event as plain values for JSON, with its kind; a stage with its picture as a file."""
    kind = type(event).__name__
    match event:
        case Accepted():
            return {
                "kind": kind,
                "run": Path(event.run).name,
                "recipe": to_dict(event.recipe),
                "stages": [{"scale": scale, "size": list(size)} for scale, size in event.stages],
                "evaluations": event.evaluations,
                "first": event.first,
                "unused": list(event.unused),
                "notes": list(event.notes),
                "kept": [_event_to_dict(stage) for stage in event.kept],
            }
        case StageDone():
            return {
                "kind": kind,
                "stage": event.stage,
                "scale": event.scale,
                "size": list(event.size),
                "seconds": event.seconds,
                "evaluations": event.evaluations,
                "image": file_for_browser(Path(event.image)),
            }
    return {"kind": kind} | asdict(event)


def _read_endpoint() -> Any:
    def read(picture: gr.FileData) -> dict[str, Any]:
        path = picture.get("path") if isinstance(picture, dict) else getattr(picture, "path", None)
        try:
            recalled = recall(find_upload(path))
        except BadRecipe as fault:
            raise gr.Error(fault.sentence, print_exception=False) from fault
        return {"recipe": to_dict(recalled.recipe), "strange": list(recalled.strange)}

    return read
