"""The status line of the page: the state of a run, the cost of the next run, or why settings are refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.catalogue import vocabulary
from engine.catalogue.entries import ModelEntry
from engine.errors import BadRecipe, short_repr
from engine.planning.cost import largest_fitting, peak_memory, stage_memory
from engine.planning.plan import Plan
from engine.planning.stage import Stage
from engine.recipe.checks import check_value
from engine.recipe.fields import freeze
from engine.recipe.recipe import Recipe
from engine.runs.events import Progress, Upscaling, Waiting
from ui.session.continuation import Continuation, find_continuation, is_already_made
from ui.session.progress import RunProgress
from ui.session.services import Services
from ui.session.session import Message, Session
from ui.text import formatting, methods, words
from ui.text.labels import replace_names_with_labels

# Names of the settings for which a refusal may offer a button with a value that fits.
FIT_SETTINGS = frozenset(
    {
        "width",
        "height",
        "scales",
        "steps",
        "stride",
        "sigma1",
        "scheduler",
        "faithful",
        "method",
        "options",
        "enlarge",
    }
)
# During this first fraction of its steps, a stage looks softer than the stage before it.
SOFT_FRACTION = 1 / 3
# At most this many unknown words of a prompt are listed.
MAX_UNKNOWN_WORDS = 6


def status_message(session: Session, services: Services) -> Message:
    """Return what the status line shows.

    The first of these that exists: an error, the state of the active run, the last message, why the settings are
    refused, the words of the prompt that the model does not know, the cost of a run with the present settings. Beside
    an incomplete run is a button for what the Generate button does not do with it.
    """
    message, run = _message(session, services), session.active_run
    if message.actions or (run is not None and services.is_active(run)):
        return message
    return replace(message, actions=_continuing_actions(session, services))


def _continuing_actions(session: Session, services: Services) -> tuple[dict[str, str], ...]:
    """Return a button that starts the run on display anew, or one that continues it with its own settings.

    Returns neither if the run is complete, or if the Generate button does the same.
    """
    shown, continuation = session.shown_run, find_continuation(session, services)
    if continuation:
        return () if continuation.has_same_settings else ({"do": "restart", "label": words.START_OVER},)
    if shown is None or shown.name in services.examples:
        return ()
    if shown.is_complete or not shown.last_finished_stage:
        return ()
    return (continue_action(services, shown, session.pause_after),)


def _message(session: Session, services: Services) -> Message:
    """Return what the status line shows, without a button to continue a run."""
    work = session.active_run
    if session.message and session.message.fault:
        return session.message
    if work is not None and work.end is None:
        watch = {"do": "look", "run": work.name, "label": words.STAGES_PANEL["watch"]}
        text = words.STOPPING if work.is_stopping else describe_progress(work, services)
        if work in session.candidates and not work.is_stopping and not work.waiting:
            number, of = session.candidates.index(work) + 1, len(session.candidates)
            text = words.CANDIDATE_IN_PROGRESS.format(number=number, of=of, text=text)
        return Message(text, actions=() if session.shown_run is work else (watch,))
    if session.message:
        return session.message
    if session.refusal:
        return refusal_message(session.refusal)
    unknown = describe_unknown_words(session.recipe.prompt, services.entry(session.model))
    if unknown:
        return Message(unknown, actions=unknown_words_actions(services.entry(session.model)))
    return cost_message(session, services) if session.plan else Message("")


def refusal_message(fault: BadRecipe) -> Message:
    """Return a message with the reason why settings are refused, and a button that sets values that fit."""
    actions = []
    if fault.fit:
        label = words.USE_VALUE.format(value=_format_fit(fault.fit))
        fit = {name: list(value) if isinstance(value, tuple) else value for name, value in fault.fit.items()}
        actions.append({"do": "fit", "fit": fit, "label": label})
    if fault.field == "controls":
        actions.append({"do": "unfollow", "label": words.TAKE_AWAY})
    return Message(replace_names_with_labels(fault.sentence), fault=True, actions=tuple(actions))


def checked_fit(fit: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a refusal's button sets, by name; empty if any value is out of range.

    fit: the button's settings as a browser sends them; values may be of any type.
    """
    try:
        return {
            name: check_value(name, freeze(value) if isinstance(value, list) else value)
            for name, value in fit.items()
            if name in FIT_SETTINGS
        }
    except BadRecipe:
        return {}


def _format_fit(fit: Mapping[str, Any]) -> str:
    """Return the values that a refusal offers as text: a size, or the value of one setting."""
    if {"width", "height"} <= set(fit):
        return formatting.format_size(fit["height"], fit["width"])
    ((name, value),) = fit.items()
    if name == "method":
        return methods.METHOD_TITLES[value]
    if name == "enlarge":
        return methods.ENLARGE_TITLES[value]
    if name == "options":
        options = dict(value)
        return methods.VIEW_TITLES[options["views"]] if options.get("views") else methods.NO_BLUR
    if isinstance(value, tuple):
        return ", ".join(f"{number:g}" for number in value)
    if isinstance(value, bool):
        return words.NOT_AS_PUBLISHED
    return f"{value:g}" if isinstance(value, float) else str(value)


def cost_message(session: Session, services: Services) -> Message:
    """Return a message on what Generate would do and how long it would take; session.plan must not be None."""
    plan, cached = session.plan, session.cached_count
    assert plan is not None
    last = session.pause_after or len(plan.stages)
    refusal = too_large_message(plan, services)
    if refusal:
        return refusal
    continuation = find_continuation(session, services)
    if continuation and not continuation.has_same_settings:
        size = formatting.format_short_size(*continuation.size)
        text = _describe_stages_to_run(continuation.stages, session, services)
        return Message(
            words.CONTINUES_FROM.format(size=size, text=text),
            details=_details(continuation.stages, plan, services),
        )
    if cached >= last and is_already_made(session, services) and not session.keeps_seed:
        return Message(words.ALREADY_SHOWN.format(time=_time_text(plan.stages[:last], services)))
    if cached >= last:
        return Message(words.ALL_STAGES_CACHED.format(count=last) if last > 1 else words.ONLY_STAGE_CACHED)
    stages_to_run = plan.stages[cached:last]
    details = _details(stages_to_run, plan, services)
    if not cached and session.pause_after is None:
        text = words.COST_OF_RUN.format(
            stages=formatting.format_stage_count(last),
            sizes=formatting.format_sizes([stage.size for stage in plan.stages]),
            time=_time_text(stages_to_run, services),
        )
    else:
        text = _cached_stages_text(cached) + _describe_stages_to_run(stages_to_run, session, services)
    return Message(text, details=details)


def _describe_stages_to_run(stages: Sequence[Stage], session: Session, services: Services) -> str:
    """Return a text on stages that Generate would make: their numbers and time."""
    text = words.STAGES_TO_RUN if len(stages) > 1 else words.STAGE_TO_RUN
    return text.format(
        first=stages[0].number,
        last=stages[-1].number,
        stops=words.THEN_PAUSES if session.pause_after else "",
        time=_time_text(stages, services),
    )


def _time_text(stages: Sequence[Stage], services: Services) -> str:
    """Return a text on the time that stages take, as far as it is known."""
    seconds = services.pace.estimate_range(stages)
    return words.TIME_UNKNOWN if seconds is None else formatting.format_range(*seconds)


def _details(stages: Sequence[Stage], plan: Plan, services: Services) -> str:
    """Return a text on the evaluations of stages, and on the memory that the run needs."""
    evaluations = f"{sum(stage.evaluations for stage in stages):,}"
    return words.COST_DETAILS.format(evaluations=evaluations, memory=_memory_text(plan, services))


def _cached_stages_text(count: int) -> str:
    """Return a sentence that the first `count` stages are cached; empty if none is."""
    if not count:
        return ""
    return words.STAGE_ONE_CACHED if count == 1 else words.STAGES_CACHED.format(last=count)


def _memory_text(plan: Plan, services: Services) -> str:
    """Return a text on how much memory a run needs and how much is free; empty if the latter is unknown."""
    free = services.pool.free_memory(plan.recipe.model)
    if free is None:
        return ""
    return words.MEMORY_NEEDED.format(
        need=formatting.format_gigabytes(_memory_without_weights(plan)),
        free=formatting.format_gigabytes(free),
    )


def _memory_without_weights(plan: Plan) -> int:
    """Return the bytes that a run needs in addition to the model's weights.

    Free memory is measured when the weights are loaded already, so this is what it must cover.
    """
    return peak_memory(plan.stages) - plan.facts.footprint.weights


def too_large_message(plan: Plan, services: Services) -> Message | None:
    """Return a refusal, with a button for a size that fits, if a plan needs more memory than is free.

    Returns None if the plan fits or if the free memory is unknown.
    """
    free = services.pool.free_memory(plan.recipe.model)
    if free is None or _memory_without_weights(plan) <= free:
        return None
    stage = max(plan.stages, key=stage_memory)
    values = {
        "size": formatting.format_size(*stage.size),
        "need": formatting.format_gigabytes(_memory_without_weights(plan)),
        "free": formatting.format_gigabytes(free),
    }
    fitting_size = largest_fitting(plan, stage, free)
    if fitting_size is None:
        return Message(words.TOO_LARGE_NOTHING_FITS.format(**values), fault=True)
    height, width = fitting_size
    fit_text = formatting.format_size(height, width)
    use = {
        "do": "fit",
        "fit": {"height": height, "width": width, "scales": []},
        "label": words.USE_VALUE.format(value=fit_text),
    }
    return Message(words.TOO_LARGE.format(fit=fit_text, **values), fault=True, actions=(use,))


def describe_progress(progress: RunProgress, services: Services) -> str:
    """Return sentences on the state of a run: its place in the queue, its start, or its stage and step."""
    if progress.waiting:
        return _describe_waiting(progress.waiting, progress.waiting_seconds)
    latest, plan = progress.last_progress, progress.plan
    if isinstance(latest, Upscaling) and plan:
        return _add_explanations(_describe_tile(latest, plan, progress, services), progress)
    if isinstance(latest, Progress) and plan:
        return _add_explanations(_describe_step(latest, plan, progress, services), progress)
    if progress.accepted and progress.last_finished_stage:
        return words.STAGE_FINISHED.format(
            stage=progress.last_finished_stage,
            of=len(progress.accepted.stages),
            size=formatting.format_short_size(*progress.finished[progress.last_finished_stage].size),
        )
    return words.STARTING if services.pool.is_loaded(progress.model) else words.LOADING_MODEL


def _describe_waiting(waiting: Waiting, seconds: float | None) -> str:
    """Return a sentence on how many runs are ahead in the queue and about how long they take."""
    time = ""
    if seconds is not None:
        time = words.WAITING_TIME.format(time=formatting.format_estimate(seconds))
    text = words.WAITING_FOR_ONE_RUN if waiting.place == 1 else words.WAITING_FOR_RUNS
    return text.format(count=waiting.place, time=time)


def _describe_step(latest: Progress, plan: Plan, progress: RunProgress, services: Services) -> str:
    """Return a text with the stage and step of a run, and with the time left if it can be estimated."""
    return words.RUNNING_STAGE.format(
        step=latest.step, steps=latest.steps, **_stage_and_time_left(latest, plan, progress, services)
    )


def _describe_tile(latest: Upscaling, plan: Plan, progress: RunProgress, services: Services) -> str:
    """Return a text with the stage and the tile of an enlargement, and with the time left if it can be estimated."""
    return words.UPSCALING_STAGE.format(
        tile=min(latest.tile + 1, latest.tiles),
        tiles=latest.tiles,
        **_stage_and_time_left(latest, plan, progress, services),
    )


def _stage_and_time_left(
    latest: Progress | Upscaling, plan: Plan, progress: RunProgress, services: Services
) -> dict[str, Any]:
    """Return what the texts on a stage in progress have in common: stage, size, and the time left as far as known."""
    in_stage, in_run = progress.seconds_left(services.pace.estimate_each(plan.stages))
    in_stage_text = in_run_text = ""
    if in_stage is not None:
        text = words.TIME_LEFT_IN_LAST_STAGE if in_run == in_stage else words.TIME_LEFT_IN_STAGE
        in_stage_text = text.format(time=formatting.format_duration(in_stage))
    if in_run is not None and in_run != in_stage:
        in_run_text = words.TIME_LEFT_IN_RUN.format(time=formatting.format_duration(in_run))
    return {
        "stage": latest.stage,
        "of": len(plan.stages),
        "size": formatting.format_short_size(*plan.stages[latest.stage - 1].size),
        "here": in_stage_text,
        "all": in_run_text,
    }


def _add_explanations(line: str, progress: RunProgress) -> str:
    """Return the line on a stage in progress, followed by the sentences of `_explanations` if there are any."""
    sentences = " ".join(_explanations(progress))
    return f"{line}. {sentences}" if sentences else line


def _explanations(progress: RunProgress) -> Iterator[str]:
    """Yield sentences that explain what a person may take for a fault while a stage is in progress."""
    latest = progress.last_progress
    is_step = isinstance(latest, Progress)
    if is_step and latest.stage > 1 and latest.step <= latest.steps * SOFT_FRACTION:
        yield words.SOFT_AT_FIRST
    if progress.has_smaller_batch:
        yield words.SMALLER_BATCH


def continue_action(services: Services, progress: RunProgress, until: int | None = None) -> dict[str, str]:
    """Return the action of a button that continues a run; its label includes the estimated time.

    until: the stage up to which the time is estimated; None for the last one.
    """
    if until is not None and until <= progress.last_finished_stage:
        until = None
    stages = progress.plan.stages[progress.last_finished_stage : until] if progress.plan else ()
    label = words.CONTINUE_RUN.format(time=_time_on_button(stages, services))
    return {"do": "continue", "run": progress.name, "label": label}


def continue_label(continuation: Continuation, services: Services) -> str:
    """Return the label of the Generate button while it continues a run."""
    size = max(continuation.size)
    return words.CONTINUE_FROM.format(size=size, time=_time_on_button(continuation.stages, services))


def _time_on_button(stages: Sequence[Stage], services: Services) -> str:
    """Return the time of stages for a button; empty if it is unknown."""
    seconds = services.pace.estimate_range(stages) if stages else None
    return "" if seconds is None else words.CONTINUE_TIME.format(time=formatting.format_range(*seconds))


def describe_settings_used(recipe: Recipe, services: Services, present_model: str) -> str:
    """Return a sentence that the settings of a picture are set now.

    If the page does not offer the picture's model, the sentence names both this model and the one in its place.
    """
    if recipe.model in ("", *services.pool.entries):
        return words.SETTINGS_USED
    title = services.entry(present_model).title
    return words.SETTINGS_OF_OTHER_MODEL.format(model=short_repr(recipe.model), title=title)


def describe_unknown_words(prompt: str, entry: ModelEntry) -> str:
    """Return a sentence on the words of a prompt that a model does not know.

    Returns an empty text if the model knows all words.
    """
    unknown = vocabulary.unknown_words(prompt, entry)
    if not unknown:
        return ""
    return words.UNKNOWN_WORDS.format(
        title=entry.title,
        words=formatting.quote_names(unknown[:MAX_UNKNOWN_WORDS]),
    )


def example_prompt(entry: ModelEntry) -> str:
    """Return a prompt of words that a model with a vocabulary knows."""
    return vocabulary.build_prompt({kind: choices[0] for kind, choices in entry.vocabulary.items()})


def unknown_words_actions(entry: ModelEntry) -> tuple[dict[str, str], ...]:
    """Return the actions of buttons that fill in a prompt that the model knows, and that show the other models."""
    return (
        {"do": "example_prompt", "label": words.TRY_PROMPT.format(prompt=example_prompt(entry))},
        {"do": "models", "label": words.OTHER_MODELS},
    )
