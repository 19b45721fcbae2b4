"""The one line of cost and status, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.catalogue import vocabulary
from engine.catalogue.entries import ModelEntry
from engine.errors import BadRecipe, short_repr
from engine.planning.cost import largest_fitting, memory, peak_memory
from engine.planning.plan import Plan
from engine.recipe.checks import check_value
from engine.recipe.fields import frozen
from engine.recipe.recipe import Recipe
from ui.session.progress import Story
from ui.session.services import EXAMPLE, House
from ui.session.session import Said, Visit
from ui.text import formatting, methods, words
from ui.text.labels import replace_names_with_labels

FIT_SETTINGS = frozenset("width height scales steps stride sigma1 scheduler faithful method options".split())
"""Settings that a refusal may offer."""
SOFT_SHARE = 1 / 3
"""Share of a stage's steps in which it is softer than the one before."""


def status_message(visit: Visit, house: House) -> Said:
    """What stands in it now: the run at work, else what was said last, else what Generate would cost."""
    work = visit.work
    if visit.said and visit.said.fault:
        return visit.said
    if work is not None and work.end is None:
        watch = {"do": "look", "run": work.name, "label": words.STAGES_PANEL["watch"]}
        text = words.STOPPING if work.stopping else describe_progress(work, house)
        return Said(text, actions=() if visit.shown is work else (watch,))
    if visit.said:
        return visit.said
    if visit.refused:
        return refusal_message(visit.refused)
    if visit.plan is None:
        return Said("")
    said, shown = cost_message(visit, house), visit.shown
    if shown is None or shown.name == EXAMPLE or is_complete(shown) or said.actions:
        return said
    return Said(said.text, said.fault, (continue_action(house, shown, visit.stop_after),))


def refusal_message(fault: BadRecipe) -> Said:
    """A fault of the settings, and what would do."""
    actions = []
    if fault.fit:
        label = words.USE_VALUE.format(value=_named(fault.fit))
        actions.append({"do": "fit", "fit": _plain(fault.fit), "label": label})
    if fault.field == "controls":
        actions.append({"do": "unfollow", "label": words.TAKE_AWAY})
    return Said(replace_names_with_labels(fault.sentence), fault=True, actions=tuple(actions))


def _plain(fit: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fit.items()}


def checked_fit(fit: Mapping[str, Any]) -> dict[str, Any]:
    """Of settings that a browser sends, those that may be offered, if all are in range; else none."""
    try:
        return {
            name: check_value(name, frozen(value) if isinstance(value, list) else value)
            for name, value in fit.items()
            if name in FIT_SETTINGS
        }
    except BadRecipe:
        return {}


def _named(fit: Mapping[str, Any]) -> str:
    if {"width", "height"} <= set(fit):
        return formatting.format_size(fit["height"], fit["width"])
    ((name, value),) = fit.items()
    if name == "method":
        return methods.METHOD_TITLES[value]
    if name == "options":
        return methods.VIEW_TITLES[dict(value)["views"]]
    if isinstance(value, tuple):
        return ", ".join(f"{each:g}" for each in value)
    if isinstance(value, bool):
        return words.NOT_AS_PUBLISHED
    return f"{value:g}" if isinstance(value, float) else str(value)


def cost_message(visit: Visit, house: House) -> Said:
    """What Generate would do, and what it takes."""
    planned, held = visit.plan, visit.held
    assert planned is not None
    last = visit.stop_after or len(planned.stages)
    refused = too_large_message(planned, house)
    if refused:
        return refused
    if held >= last:
        return Said(words.ALL_STAGES_CACHED.format(count=last) if last > 1 else words.ONLY_STAGE_CACHED)
    ahead = planned.stages[held:last]
    seconds = house.pace.seconds(ahead)
    said = {
        "time": words.TIME_UNKNOWN if seconds is None else words.TIME_KNOWN.format(time=formatting.format_estimate(seconds)),
        "evaluations": f"{sum(stage.evaluations for stage in ahead):,}",
    }
    if not held and visit.stop_after is None:
        sizes = formatting.format_sizes([stage.size for stage in planned.stages])
        text = words.COST_OF_RUN.format(
            stages=formatting.count_stages(last), sizes=sizes, memory=_memory(planned, house), **said
        )
        return Said(text)
    kept = "" if not held else words.STAGE_ONE_CACHED if held == 1 else words.STAGES_CACHED.format(last=held)
    pattern = words.STAGES_TO_RUN if last > held + 1 else words.STAGE_TO_RUN
    stops = words.THEN_PAUSES if visit.stop_after else ""
    return Said(kept + pattern.format(first=held + 1, last=last, stops=stops, **said))


def _memory(planned: Plan, house: House) -> str:
    free = house.lender.free(planned.recipe.model)
    if free is None:
        return ""
    return words.MEMORY_NEEDED.format(need=formatting.format_gigabytes(_more(planned)), free=formatting.format_gigabytes(free))


def _more(planned: Plan) -> int:
    """Bytes that a run takes beyond the weights, which are loaded where it is known what is free."""
    return peak_memory(planned.stages) - planned.facts.footprint.weights


def too_large_message(planned: Plan, house: House) -> Said | None:
    """What cannot be made here for want of memory, and what could."""
    free = house.lender.free(planned.recipe.model)
    if free is None or _more(planned) <= free:
        return None
    stage = max(planned.stages, key=memory)
    said = {
        "size": formatting.format_size(*stage.size),
        "need": formatting.format_gigabytes(_more(planned)),
        "free": formatting.format_gigabytes(free),
    }
    fits = largest_fitting(planned, stage, free)
    if fits is None:
        return Said(words.TOO_LARGE_NOTHING_FITS.format(**said), fault=True)
    fit = {"height": fits[0], "width": fits[1], "scales": []}
    use = {"do": "fit", "fit": fit, "label": words.USE_VALUE.format(value=formatting.format_size(*fits))}
    return Said(words.TOO_LARGE.format(fit=formatting.format_size(*fits), **said), fault=True, actions=(use,))


def describe_progress(story: Story, house: House) -> str:
    """Where a run is."""
    if story.waiting:
        waiting = story.waiting
        about = "" if waiting.seconds is None else words.WAITING_TIME.format(time=formatting.format_estimate(waiting.seconds))
        pattern = words.WAITING_FOR_ONE_RUN if waiting.place == 1 else words.WAITING_FOR_RUNS
        return pattern.format(count=waiting.place, time=about)
    progress, planned = story.progress, story.plan
    if not (progress and planned):
        if story.accepted and story.last:
            size = formatting.format_side(*story.made[story.last].size)
            return words.STAGE_FINISHED.format(stage=story.last, of=len(story.accepted.stages), size=size)
        return words.STARTING if house.lender.is_warm(story.model) else words.LOADING_MODEL
    stages = planned.stages
    here, whole = story.left(house.pace.each(stages))
    return words.RUNNING_STAGE.format(
        stage=progress.stage, of=len(stages), size=formatting.format_side(*stages[progress.stage - 1].size),
        step=progress.step, steps=progress.steps,
        here="" if here is None else words.TIME_LEFT_IN_STAGE.format(time=formatting.format_duration(here)),
        all="" if whole is None else words.TIME_LEFT_IN_RUN.format(time=formatting.format_duration(whole)),
    ) + "".join(f" {more}" for more in _asides(story))  # fmt: skip


def _asides(story: Story) -> Iterator[str]:
    """What else a person may wonder about while a stage goes on."""
    progress = story.progress
    if progress and progress.stage > 1 and progress.step <= progress.steps * SOFT_SHARE:
        yield words.SOFT_AT_FIRST
    if story.smaller:
        yield words.SMALLER_BATCH


def is_complete(story: Story) -> bool:
    return story.plan is not None and story.last >= len(story.plan.stages)


def continue_action(house: House, story: Story, until: int | None = None) -> dict[str, str]:
    """The button that goes on with a run, with what that costs as far as it will go."""
    until = until if until and until > story.last else None
    seconds = house.pace.seconds(story.plan.stages[story.last : until]) if story.plan else None
    about = "" if seconds is None else words.CONTINUE_TIME.format(time=formatting.format_estimate(seconds))
    return {"do": "continue", "run": story.name, "label": words.CONTINUE_RUN.format(time=about)}


def describe_settings_used(recipe: Recipe, house: House, present: str) -> str:
    """That a picture's settings are in the controls, and under which model if that is another one."""
    if recipe.model in ("", *house.lender.entries):
        return words.SETTINGS_USED
    return words.SETTINGS_OF_OTHER_MODEL.format(model=short_repr(recipe.model), title=house.entry(present).title)


def describe_unknown_words(prompt: str, entry: ModelEntry) -> str:
    """Which words of a prompt a model has never seen, and what it does draw; empty if it knows all."""
    strange = vocabulary.unknown_words(prompt, entry)
    if not strange:
        return ""
    example = vocabulary.build_prompt({kind: choices[0] for kind, choices in entry.draws.items()})
    return words.UNKNOWN_WORDS.format(
        title=entry.title, words=formatting.quote_names(strange[:6]), subjects=", ".join(entry.draws["subject"]),
        example=example,
    )  # fmt: skip
