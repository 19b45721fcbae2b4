"""A visit's runs: asked for, followed to their end, gone on with. Knows no component."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from engine.errors import BadRecipe, Fault
from engine.planning.plan import Plan
from engine.recipe.recipe import Recipe
from engine.runs.events import Event, Failed, Finished, Preview, Progress, Stopped
from engine.serving.entry import Request
from engine.serving.queue import UnknownRun
from ui.messages.status import continue_action, is_complete, too_large_message
from ui.session.images import at_hand
from ui.session.progress import Story
from ui.session.services import House
from ui.session.session import Visit
from ui.text import formatting, words
from ui.text.labels import replace_names_with_labels

PAUSE = 0.1
"""Seconds between looks into a log."""
SOON, LATE, UNHURRIED = 0.3, 1.0, 20
"""Seconds between pictures of a run's progress: soon at first, later a twentieth of its age, and never later
than a second. Each costs the browser and the server some of the cores that the run may be computed on.
"""


def ask(
    visit: Visit,
    house: House,
    recipe: Recipe,
    planned: Plan,
    resume: tuple[str, int] | None = None,
    until: int | None = None,
) -> None:
    """Puts a run into the line for this visit; what cannot be is said. planned: the recipe's plan."""
    if is_at_work(visit, house):
        visit.say(words.RUN_IN_PROGRESS, fault=True)
        return
    try:
        recipe = at_hand(visit, house, recipe)
    except BadRecipe as fault:
        visit.say(fault.sentence, fault=True)
        return
    refused = too_large_message(planned, house)
    if refused:
        visit.said, visit.spoken = refused, visit.spoken + 1
        return
    _submit(visit, house, Request(recipe, recipe.model, resume, until, planned))


def _submit(visit: Visit, house: House, request: Request) -> None:
    try:
        name = house.desk.submit(request)
    except Fault as fault:
        visit.say(fault.sentence, fault=True)
        return
    visit.said, visit.notes, visit.step = None, (), None
    visit.previous = visit.shown
    visit.work = Story(house.shelf.root / name, until=request.until, model=request.model)
    visit.show(visit.work)
    visit.remember(name)


def go_on(visit: Visit, house: House, name: str) -> None:
    """Continues a run as it was asked for, after its last finished stage, to where it is to pause."""
    story = visit.ended if visit.ended and visit.ended.name == name else house.story(name)
    if story is None or story.plan is None:
        visit.say(words.RUN_NOT_FOUND, fault=True)
        return
    last = max((each.number for each in house.pictures(story.run)), default=0)
    if visit.stop_after is not None and not last < visit.stop_after < len(story.plan.stages):
        visit.stop_after = None
    try:
        planned = house.present(story.plan)
    except Fault as fault:
        visit.say(fault.sentence, fault=True)
        return
    ask(
        visit, house, story.plan.recipe, planned, (str(story.run), last) if last else None, visit.stop_after
    )


def is_at_work(visit: Visit, house: House) -> bool:
    return visit.work is not None and house.goes_on(visit.work)


async def follow(visit: Visit, house: House, story: Story) -> AsyncIterator[None]:
    """Hears a run to its end; yields at once when a stage or an end has come, else now and then."""
    time = asyncio.get_running_loop().time
    began = shown = time()
    unseen = False
    while story.end is None:
        try:
            events, story.next = house.desk.since(story.name, story.next)
        except UnknownRun as fault:
            events = [Failed(fault.sentence)]
        if events:
            await asyncio.to_thread(_hear, visit, house, story, events)
            unseen = True
        now = time()
        due = now - shown >= between(now - began)
        if unseen and (due or not all(isinstance(event, Progress | Preview) for event in events)):
            yield
            shown, unseen = time(), False
        await asyncio.sleep(PAUSE)


def between(age: float) -> float:
    """Seconds from one picture of a run's progress to the next, for a run of this age in seconds."""
    return min(max(SOON, age / UNHURRIED), LATE)


def _hear(visit: Visit, house: House, story: Story, events: Sequence[Event]) -> None:
    """Takes in what a run has told."""
    with visit.lock:
        before = story.last
        if story.hear(events):
            visit.spoken += 1
        if story.last > before:
            _arrived(visit, house, story)
        if story.end:
            ended(visit, house, story)


def _arrived(visit: Visit, house: House, story: Story) -> None:
    """Shows a finished stage in its place."""
    if visit.shown is not story:
        return
    newest = house.pictures(story.run)
    if newest:
        visit.show(story, newest[-1].key)


def ended(visit: Visit, house: House, story: Story) -> None:
    """Says how a run ended, and what can be done now."""
    visit.ended = story
    if visit.work not in (None, story):  # Another one has begun meanwhile, and its words stand.
        return
    visit.work = None
    if visit.shown is story and not house.pictures(story.run):
        visit.show(visit.previous)
    text, fault = ending(story.end, visit, house, story)
    if isinstance(story.end, Failed) and not story.last:
        visit.say(text, fault=True)
        return
    actions = () if is_complete(story) else (continue_action(house, story),)
    visit.stop_after = None
    visit.say(text, *actions, fault=fault)


def found(visit: Visit, house: House, story: Story) -> None:
    """Says how a run has ended while nobody looked."""
    if is_complete(story):
        visit.say(_done(house, story))
        return
    told, fault = ending(story.end, visit, house, story)
    visit.say(words.ENDED_WHILE_AWAY.format(told=told), continue_action(house, story), fault=fault)


def ending(end: Event | None, visit: Visit, house: House, story: Story) -> tuple[str, bool]:
    """How a run ended, and whether that is a fault."""
    kept = formatting.describe_kept_stages(story.last)
    match end:
        case Failed():
            return replace_names_with_labels(end.sentence) if end.field else end.sentence, True
        case Stopped(stage=0):
            return words.STOPPED_BEFORE_START, False
        case Finished() if is_complete(story):
            return _done(house, story), False
    paused = isinstance(end, Finished) or (story.pause and story.last >= story.pause)
    if paused:
        return words.PAUSED_AFTER_STAGE.format(stage=story.last, kept=kept), False
    if isinstance(end, Stopped):
        return words.STOPPED_IN_STAGE.format(stage=end.stage, step=end.step, kept=kept), False
    return words.RUN_WAS_STOPPED.format(kept=kept), False


def _done(house: House, story: Story) -> str:
    made = story.made.values()
    kept = {stage.stage for stage in story.accepted.kept} if story.accepted else set()
    seconds = sum(stage.seconds for stage in made if stage.stage not in kept)
    height, width = story.made[story.last].size
    said = {
        "size": formatting.format_size(height, width),
        "stages": formatting.count_stages(len(story.made)),
        "hours": formatting.format_hours(house.shelf.age),
    }
    if not seconds:
        return words.RUN_DONE_FROM_CACHE.format(**said)
    return words.RUN_DONE.format(time=formatting.format_elapsed(seconds), **said)
