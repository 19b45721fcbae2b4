"""The public API endpoints plan, generate and read.

The arguments of plan and generate are fields of the recipe, and `quality`, a preset for those that have their defaults.
The argument `controls` is a list of mappings, each with an uploaded image: {"image": handle_file(path), ...}
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from inspect import Parameter, Signature
from pathlib import Path
from secrets import token_hex
from typing import Any, cast

import gradio as gr
from gradio.context import LocalContext
from gradio.events import api

from engine import errors
from engine.control.detectors import check_detectors
from engine.errors import BadRecipe, Fault, short_repr
from engine.planning import cost
from engine.planning.plan import Plan, plan
from engine.recipe import images
from engine.recipe.checks import check, check_upscaler, check_value
from engine.recipe.controls import MAX_CONTROLS, Control
from engine.recipe.effects import changed_but_ineffective_settings
from engine.recipe.quality import fill_quality
from engine.recipe.recall import recall
from engine.recipe.recipe import DEFAULTS, SETTINGS, Recipe, to_dict
from engine.runs.events import END, Accepted, Event, Failed, Preview, StageDone
from engine.serving.entry import Request
from ui.messages.status import too_large_message
from ui.session.client import Client, client_of
from ui.session.finished import file_for_browser
from ui.session.services import Services
from ui.session.uploads import find_upload
from ui.text import words

# Seconds between two requests to the queue for new events.
POLL_INTERVAL = 0.2
# Fields of the recipe that the endpoints do not accept, because their values may be paths on the server.
EXCLUDED_FIELDS = ("image", "loras")
# Names of the fields of the recipe that the endpoints accept.
FIELDS = tuple(name for name in SETTINGS if name not in EXCLUDED_FIELDS)
# Names of the arguments of the endpoints plan and generate.
ARGUMENTS = (*FIELDS, "quality")
# Python type of the values of a setting in the API, by kind of setting.
VALUE_TYPES = {
    "text": str, "choice": str, "flag": bool, "integer": int, "number": float, "scales": list[float],
    "controls": list[dict[str, Any]], "options": dict[str, Any], "upscaler": str,
}  # fmt: skip


def add_endpoints(services: Services) -> None:
    """Add the endpoints to the Gradio app that is being built. services: the services of the app."""
    # By default Gradio would answer one call of an endpoint at a time, and a slow one would hold up all others.
    instant = {"queue": False, "concurrency_limit": None}
    api(_make_plan_endpoint(services), api_name="plan", api_description=words.API_PLAN, **instant)
    api(
        _make_generate_endpoint(services),
        api_name="generate",
        api_description=words.API_GENERATE,
        concurrency_limit=None,
    )
    api(_make_read_endpoint(), api_name="read", api_description=words.API_READ, **instant)


def _set_field_signature(function: Any, returns: type) -> Any:
    """Give a function of the request, *args and **kwargs a signature with ARGUMENTS as parameters, and return it.

    Gradio publishes this signature as the arguments of the endpoint, without the request, which it passes itself.

    returns: the type of the returned value.
    """
    types = {name: _field_type(name) for name in FIELDS}
    kind = Parameter.POSITIONAL_OR_KEYWORD
    function.__signature__ = Signature(
        [
            Parameter("request", kind, annotation=gr.Request),
            *(Parameter(name, kind, default=_field_default(name), annotation=types[name]) for name in FIELDS),
            Parameter("quality", kind, default="", annotation=str),
        ],
        return_annotation=returns,
    )
    function.__annotations__ = types | {"quality": str, "request": gr.Request, "return": returns}
    return function


def _field_type(name: str) -> Any:
    """Return the type of a field of the recipe in the published signature."""
    plain = VALUE_TYPES[SETTINGS[name].kind]
    return plain | None if SETTINGS[name].optional else plain


def _field_default(name: str) -> Any:
    """Return the default of a field of the recipe in the published signature."""
    value = getattr(DEFAULTS, name)
    if SETTINGS[name].kind == "options":
        return {}
    return list(value) if isinstance(value, tuple) else value


def _parse_recipe(services: Services, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Recipe:
    """Return the checked recipe in the arguments of an endpoint; raise BadRecipe if an argument is wrong."""
    defaults = {name: getattr(DEFAULTS, name) for name in FIELDS}
    values: dict[str, Any] = defaults | {"quality": ""} | dict(zip(ARGUMENTS, args, strict=False)) | kwargs
    quality = values.pop("quality")
    values["controls"] = _parse_controls(services, values["controls"])
    recipe = check(Recipe(**values))
    check_value("enlarge", recipe.enlarge)
    check_upscaler(recipe)
    services.entry(recipe.model)
    check_detectors(recipe.controls)
    return fill_quality(recipe, quality, services.facts(recipe.model)) if quality else recipe


def _parse_controls(services: Services, values: object) -> tuple[Control, ...]:
    """Return the controls in an API request, with each uploaded image replaced by its stored file.

    Raise BadRecipe if the controls are wrong. An image that is named by digest is refused: digests are public, so
    knowing a digest must not give access to an image.

    values: the argument `controls`; it comes from outside and may be anything.
    """
    if not isinstance(values, list | tuple) or not all(isinstance(control, Mapping) for control in values):
        raise BadRecipe("controls", errors.NOT_CONTROLS.format(value=short_repr(values)))
    if len(values) > MAX_CONTROLS:
        raise BadRecipe("controls", errors.TOO_MANY_CONTROLS.format(count=len(values), limit=MAX_CONTROLS))
    if any(images.is_digest(control.get("image")) for control in values):
        raise BadRecipe("controls", errors.CONTROL_PICTURE_GONE)
    files: dict[str, str] = {}
    controls_with_digests = [_replace_upload_by_digest(services, control, files) for control in values]
    # The constructor turns mappings into controls.
    recipe = Recipe(controls=cast(tuple[Control, ...], controls_with_digests))
    controls = check_value("controls", recipe.controls)
    return tuple(replace(control, image=files[control.image]) for control in controls)


def _replace_upload_by_digest(
    services: Services, control: Mapping[str, Any], files: dict[str, str]
) -> dict[str, Any]:
    """Store the uploaded image of a control, and return the control with the digest of the image in its place.

    The digest serves check_value, which accepts no paths. The stored file is added to `files`, by digest.
    """
    image = control.get("image")
    if not isinstance(image, Mapping):
        return {**control, "image": image}
    file = services.uploads.store(find_upload(image.get("path")))
    digest = images.digest(file)
    files[digest] = str(file)
    return {**control, "image": digest}


async def _run_in_thread(
    services: Services,
    request: gr.Request,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call a function of an endpoint's arguments in a thread. One that stores uploads waits for its turn."""
    values = dict(zip(ARGUMENTS, args, strict=False)) | kwargs
    if values.get("controls"):
        return await services.uploads.run_in_turn(client_of(request).key, function, args, kwargs)
    return await asyncio.to_thread(function, args, kwargs)


def _make_plan_endpoint(services: Services) -> Any:
    """Return the function of the endpoint /plan, which plans a recipe and returns the plan as a JSON object."""

    async def plan_recipe(request: gr.Request, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return await _run_in_thread(services, request, plan_in_thread, args, kwargs)
        except Fault as fault:
            raise gr.Error(fault.sentence, print_exception=False) from fault

    def plan_in_thread(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        recipe = _parse_recipe(services, args, kwargs)
        whole = plan(recipe, services.facts(recipe.model))
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

    return _set_field_signature(plan_recipe, dict)


def _plan_or_none(services: Services, recipe: Recipe) -> Plan | None:
    """Return the recipe's plan; None if planning fails. The run will then end with the reason."""
    try:
        return plan(recipe, services.facts(recipe.model))
    except Fault:
        return None


def _make_generate_endpoint(services: Services) -> Any:
    """Return the function of the endpoint /generate, which runs a recipe and yields the events as JSON objects."""

    async def generate(request: gr.Request, *args: Any, **kwargs: Any) -> AsyncIterator[dict[str, Any]]:
        try:
            recipe = await _run_in_thread(services, request, partial(_parse_recipe, services), args, kwargs)
            name = await asyncio.to_thread(_submit, services, recipe, client_of(request))
        except Fault as fault:
            raise gr.Error(fault.sentence, print_exception=False) from fault
        first, has_ended = 0, False
        # The stream of a call is named by the call's id, unless the caller has a session.
        streams = (request.session_hash, LocalContext.event_id.get(None))
        try:
            while not has_ended:
                if services.streams.is_open(*streams):
                    services.queue.mark_watched(name)
                events, first = await asyncio.to_thread(services.queue.events_since, name, first)
                for event in events:
                    if isinstance(event, Failed):
                        raise gr.Error(event.sentence, print_exception=False)
                    if not isinstance(event, Preview):
                        yield _event_to_dict(event)
                    has_ended = has_ended or isinstance(event, END)
                await asyncio.sleep(POLL_INTERVAL)
        finally:  # Also when the client has disconnected.
            await asyncio.shield(asyncio.to_thread(services.queue.stop, name))

    return _set_field_signature(generate, dict)


def _submit(services: Services, recipe: Recipe, client: Client) -> str:
    """Put a client's run into the queue and return the name of the run; raise Fault if the run is refused."""
    planned = _plan_or_none(services, recipe)
    refusal = too_large_message(planned, services) if planned else None
    if refusal:
        raise Fault(refusal.text)
    request = Request(
        recipe,
        recipe.model,
        plan=planned,
        owner=client.owner or token_hex(16),
        client=client.key,
        turns_of=client.owner or client.key,
    )
    return services.queue.submit(request)


def _event_to_dict(event: Event) -> dict[str, Any]:
    """Return an event as a JSON object with its kind. The picture of a finished stage is a link to the file."""
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


def _make_read_endpoint() -> Any:
    """Return the function of the endpoint /read, which returns the recipe in an uploaded picture."""

    def read(picture: gr.FileData) -> dict[str, Any]:
        path = picture.get("path") if isinstance(picture, dict) else getattr(picture, "path", None)
        try:
            recalled = recall(find_upload(path))
        except BadRecipe as fault:
            raise gr.Error(fault.sentence, print_exception=False) from fault
        return {"recipe": to_dict(recalled.recipe), "strange": list(recalled.strange)}

    return read
