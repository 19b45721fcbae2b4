"""The one line of cost and status, in words."""

from collections.abc import Mapping
from typing import Any

from engine import vocabulary
from engine.errors import BadRecipe
from engine.fitting import largest_fitting
from engine.plan import Plan
from ui import telling, words
from ui.house import House
from ui.story import Story
from ui.visit import Said, Visit


def line(visit: Visit, house: House) -> Said:
    """What stands in it now: the run at work, else what was said last, else what Generate would cost."""
    if visit.work is not None and visit.work.end is None:
        return Said(words.STOPPING if visit.work.stopping else running(visit.work, house))
    if visit.said:
        return visit.said
    if visit.refused:
        return refusal(visit.refused)
    return cost(visit, house) if visit.plan else Said("")


def refusal(fault: BadRecipe) -> Said:
    """A fault of the settings, and what would do."""
    if not fault.fit:
        return Said(fault.sentence, fault=True)
    use = {"do": "fit", "fit": _plain(fault.fit), "label": words.USE.format(value=_named(fault.fit))}
    return Said(fault.sentence, fault=True, actions=(use,))


def _plain(fit: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fit.items()}


def _named(fit: Mapping[str, Any]) -> str:
    if {"width", "height"} <= set(fit):
        return telling.size(fit["height"], fit["width"])
    (value,) = fit.values()
    if isinstance(value, tuple):
        return ", ".join(f"{each:g}" for each in value)
    if isinstance(value, bool):
        return words.NOT_AS_PUBLISHED
    return f"{value:g}" if isinstance(value, float) else str(value)


def cost(visit: Visit, house: House) -> Said:
    """What Generate would do, and what it takes."""
    planned, held = visit.plan, visit.held
    assert planned is not None
    last = visit.stop_after or len(planned.stages)
    too_large = _too_large(planned, house)
    if too_large:
        return too_large
    if held >= last:
        return Said(words.ALL_KEPT.format(count=last) if last > 1 else words.ONE_KEPT)
    ahead = planned.stages[held:last]
    seconds = house.pace.seconds(ahead)
    said = {
        "time": words.UNKNOWN_TIME if seconds is None else words.TIME.format(time=telling.time(seconds)),
        "evaluations": f"{sum(stage.evaluations for stage in ahead):,}",
    }
    if not held and visit.stop_after is None:
        sizes = telling.path([stage.size for stage in planned.stages])
        text = words.COST.format(
            stages=telling.stages(last), sizes=sizes, memory=_memory(planned, house), **said
        )
        return Said(text)
    kept = "" if not held else words.KEPT_ONE if held == 1 else words.KEPT_MANY.format(last=held)
    pattern = words.TO_RUN_MORE if last > held + 1 else words.TO_RUN_ONE
    stops = words.THEN_STOPS if visit.stop_after else ""
    return Said(kept + pattern.format(first=held + 1, last=last, stops=stops, **said))


def _memory(planned: Plan, house: House) -> str:
    free = house.lender.free()
    if free is None:
        return ""
    return words.MEMORY.format(need=telling.gigabytes(planned.memory), free=telling.gigabytes(free))


def _too_large(planned: Plan, house: House) -> Said | None:
    """What cannot be made here for want of memory, and what could."""
    free, weights = house.lender.free(), planned.facts.footprint.weights
    if free is None or planned.memory - weights <= free:
        return None
    stage = max(planned.stages, key=lambda each: each.memory)
    said = {
        "size": telling.size(*stage.size),
        "need": telling.gigabytes(planned.memory),
        "free": telling.gigabytes(free),
    }
    fits = largest_fitting(planned, stage, free)
    if fits is None:
        return Said(words.TOO_LARGE_AT_ALL.format(**said), fault=True)
    fit = {"height": fits[0], "width": fits[1], "scales": []}
    use = {"do": "fit", "fit": fit, "label": words.USE.format(value=telling.size(*fits))}
    return Said(words.TOO_LARGE.format(fit=telling.size(*fits), **said), fault=True, actions=(use,))


def running(story: Story, house: House) -> str:
    """Where a run is."""
    if story.waiting:
        waiting = story.waiting
        about = "" if waiting.seconds is None else words.ABOUT.format(time=telling.time(waiting.seconds))
        pattern = words.WAITING_ONE if waiting.place == 1 else words.WAITING
        return pattern.format(count=waiting.place, time=about)
    if not (story.progress and story.plan):
        if story.accepted and story.last:
            size = telling.side(*story.made[story.last].size)
            return words.MADE.format(stage=story.last, of=len(story.accepted.stages), size=size)
        return words.STARTING if house.lender.is_warm() else words.WARMING
    progress, stages = story.progress, story.plan.stages
    here, whole = story.left(house.pace.each(stages))
    return words.RUNNING.format(
        stage=progress.stage, of=len(stages), size=telling.side(*stages[progress.stage - 1].size),
        step=progress.step, steps=progress.steps,
        here="" if here is None else words.LEFT_HERE.format(time=telling.time(here)),
        all="" if whole is None else words.LEFT_ALL.format(time=telling.time(whole)),
    ) + (f" {words.SMALLER_BATCH}" if story.smaller else "")  # fmt: skip


def unknown_words(prompt: str, house: House) -> str:
    """Which words of a prompt the model has never seen, and what it does draw; empty if it knows all."""
    entry = house.entry
    strange = vocabulary.unknown(prompt, entry)
    if not strange:
        return ""
    example = vocabulary.sentence({kind: choices[0] for kind, choices in entry.draws.items()})
    return words.UNKNOWN_WORDS.format(
        title=entry.title, words=telling.listed(strange[:6]), subjects=", ".join(entry.draws["subject"]),
        example=example,
    )  # fmt: skip
