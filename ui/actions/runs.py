"""The runs of a page: submit a run, continue it, follow its events, and say how it ended."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from engine.errors import BadRecipe, Fault
from engine.planning.plan import Plan, plan
from engine.recipe.recipe import Recipe
from engine.runs import store
from engine.runs.events import Event, Failed, Finished, Preview, Progress, Stopped, Upscaling
from engine.serving.entry import Request
from engine.serving.queue import UnknownRun
from ui.messages.status import too_large_message
from ui.session.continuation import Continuation
from ui.session.images import recipe_with_files
from ui.session.progress import RunProgress
from ui.session.services import Services
from ui.session.session import Session
from ui.text import formatting, words
from ui.text.labels import replace_names_with_labels

# Seconds between two requests to the queue for new events.
POLL_INTERVAL = 0.1
# Seconds between two updates of the time that is left until a waiting run's turn.
WAITING_UPDATE_INTERVAL = 5.0
# Seconds between two updates of the page: a fraction of the time that the run has taken so far, between a minimum and
# a maximum. Each update takes time of the browser and of the server on cores that the run may be computed on.
MIN_UPDATE_INTERVAL, MAX_UPDATE_INTERVAL, UPDATE_FRACTION_OF_AGE = 0.3, 1.0, 1 / 20


def submit(
    session: Session,
    services: Services,
    recipe: Recipe,
    planned: Plan,
    resume: tuple[str, int] | None = None,
    until: int | None = None,
) -> None:
    """Put a run into the queue and show the run, or show why it cannot be queued.

    planned: the recipe's plan.
    resume: (run folder, number) of the finished stage to continue from; None to start with the first stage.
    until: the number of the stage after which the run ends; None for the last stage.
    """
    started = _submit_all(session, services, [(recipe, planned)], resume, until)
    if started:
        session.candidates = ()
        session.active_run = started[0]
        session.show_run(session.active_run)


def submit_candidates(session: Session, services: Services, seeds: Sequence[int]) -> None:
    """Put a run for each seed into the queue, each of the first stage alone, or show why they cannot be queued.

    All other settings are those of the page. The page shows the runs beside each other.
    """
    recipes = [replace(session.recipe, seed=seed) for seed in seeds]
    try:
        facts = services.facts(session.model)
        wanted = [(recipe, plan(recipe_with_files(session, services, recipe), facts)) for recipe in recipes]
    except Fault as fault:
        session.show_message(fault.sentence, fault=True)
        return
    started = _submit_all(session, services, wanted, None, 1)
    if started:
        session.candidates = tuple(started)
        session.active_run = started[0]
        session.show_run(session.active_run)


def _submit_all(
    session: Session,
    services: Services,
    wanted: Sequence[tuple[Recipe, Plan]],
    resume: tuple[str, int] | None,
    until: int | None,
) -> list[RunProgress]:
    """Put several runs into the queue, which take one place together. Return them in the same order.

    If they cannot be queued, show why, and return no runs. wanted: the recipe of each run and its plan.
    """
    if is_run_active(session, services):
        session.show_message(words.RUN_IN_PROGRESS, fault=True)
        return []
    try:
        recipes = [recipe_with_files(session, services, recipe) for recipe, _ in wanted]
    except BadRecipe as fault:
        session.show_message(fault.sentence, fault=True)
        return []
    plans = [planned for _, planned in wanted]
    refusal = next(filter(None, (too_large_message(planned, services) for planned in plans)), None)
    if refusal:
        session.announce(refusal)
        return []
    requests = [
        Request(recipe, recipe.model, resume, until, planned, session.owner, session.client.key)
        for recipe, planned in zip(recipes, plans, strict=True)
    ]
    try:
        names = services.queue.submit_all(requests)
    except Fault as fault:
        session.show_message(fault.sentence, fault=True)
        return []
    session.message, session.notes, session.undoable_change, session.trial = None, (), None, None
    if session.comparison[1]:
        session.show_comparison()
    session.previous_run = session.shown_run
    for name in reversed(names):
        session.remember_run(name)
    return [
        RunProgress(services.cache.root / name, until=until, model=request.recipe.model)
        for name, request in zip(names, requests, strict=True)
    ]


def continue_run(session: Session, services: Services, name: str) -> None:
    """Continue a run after its last undamaged stage, with the settings that the run was started with.

    name: the name of the run.
    """
    ended = session.ended_run
    progress = ended if ended and ended.name == name else services.run_progress(name, session.owner)
    if progress is None or progress.plan is None:
        session.show_message(words.RUN_NOT_FOUND, fault=True)
        return
    last = store.last_sound_stage(progress.folder)
    if session.pause_after is not None and not last < session.pause_after < len(progress.plan.stages):
        session.pause_after = None
    try:
        planned = services.refresh_plan(progress.plan)
    except Fault as fault:
        session.show_message(fault.sentence, fault=True)
        return
    resume = (str(progress.folder), last) if last else None
    submit(session, services, progress.plan.recipe, planned, resume, session.pause_after)


def continue_as_shown(session: Session, services: Services, continuation: Continuation) -> None:
    """Make the missing stages of the run on display, with the settings on the page."""
    run = continuation.run
    if continuation.has_same_settings:
        continue_run(session, services, run.name)
        return
    if session.plan is None:
        return
    if session.pause_after is not None and session.pause_after < continuation.stages[0].number:
        session.pause_after = None
    resume = (str(run.folder), continuation.number)
    submit(session, services, session.recipe, session.plan, resume, session.pause_after)


def is_run_active(session: Session, services: Services) -> bool:
    """Return whether a run of the page is waiting or in progress."""
    return session.active_run is not None and services.is_active(session.active_run)


async def follow_run(session: Session, services: Services, progress: RunProgress) -> AsyncIterator[None]:
    """Apply a run's events to the session until the run has ended. Yield each time the page must be updated.

    Progress and previews wait until the update interval has passed. All other events update the page at once. The run
    counts as watched while the page gets what is sent to it.
    """
    time = asyncio.get_running_loop().time
    began = updated = time()
    has_news = False
    while progress.end is None:
        try:
            if services.streams.is_open(session.client.session_hash):
                services.queue.mark_watched(progress.name)
            since = services.queue.events_since
            events, progress.next_event = await asyncio.to_thread(since, progress.name, progress.next_event)
        except UnknownRun as fault:
            events = [Failed(fault.sentence)]
        if events:
            await asyncio.to_thread(_apply_events, session, services, progress, events)
            has_news = True
        now = time()
        if progress.waiting_seconds and now - updated >= WAITING_UPDATE_INTERVAL:
            has_news = True
        is_due = now - updated >= update_interval(now - began)
        is_urgent = not all(isinstance(event, Progress | Upscaling | Preview) for event in events)
        if has_news and (is_due or is_urgent):
            yield
            updated, has_news = time(), False
        await asyncio.sleep(POLL_INTERVAL)


def update_interval(age: float) -> float:
    """Return the seconds between two updates of the page. age: the seconds since the page began to follow the run."""
    return min(max(MIN_UPDATE_INTERVAL, age * UPDATE_FRACTION_OF_AGE), MAX_UPDATE_INTERVAL)


def _apply_events(
    session: Session, services: Services, progress: RunProgress, events: Sequence[Event]
) -> None:
    """Apply new events of a run to its progress and to the session."""
    with session.lock:
        before = progress.last_finished_stage
        if progress.take_events(events):
            session.announcement_count += 1
        if progress.last_finished_stage > before:
            _show_newest_stage(session, services, progress)
        if progress.end:
            report_end(session, services, progress)


def _show_newest_stage(session: Session, services: Services, progress: RunProgress) -> None:
    """Put the newest finished stage of a run into the viewer if the run is on display."""
    stages = services.finished_stages(progress.folder)
    if stages and session.shown_run is progress:
        session.show_run(progress, stages[-1].stage_id)


def report_end(session: Session, services: Services, progress: RunProgress) -> None:
    """Show a message that says how a run of the page ended."""
    session.ended_run = progress
    # The page may have started another run meanwhile, or have no use for this one any more.
    if session.active_run is not progress:
        return
    if progress in session.candidates:
        _go_on_with_candidates(session, services, progress)
        return
    session.active_run = None
    if session.shown_run is progress and not services.finished_stages(progress.folder):
        session.show_run(session.previous_run)
    text, fault = describe_end(progress.end, services, progress)
    if progress.last_finished_stage or not isinstance(progress.end, Failed):
        session.pause_after = None
    session.show_message(text, fault=fault)
    _compare_trial(session, services, progress)


def _go_on_with_candidates(session: Session, services: Services, ended: RunProgress) -> None:
    """Make the next candidate the active run; after the last one, ask the person to choose one of them."""
    following = session.candidates[session.candidates.index(ended) + 1 :]
    session.active_run = next(iter(following), None)
    if session.active_run:
        if session.shown_run is ended:
            session.show_run(session.active_run)
        return
    finished = [run for run in session.candidates if services.finished_stages(run.folder)]
    faults = [run for run in session.candidates if isinstance(run.end, Failed)]
    if session.shown_run is ended:
        session.show_run(None if finished else session.previous_run)
    if faults or not finished:
        text, fault = describe_end((faults or [ended])[0].end, services, ended)
        session.show_message(text, fault=fault)
    else:
        session.show_message(words.CHOOSE_CANDIDATE)
    if not session.shows_candidates:
        session.candidates = ()


def _compare_trial(session: Session, services: Services, progress: RunProgress) -> None:
    """If a run has tried changed settings, compare its picture with the one before."""
    trial = session.trial
    if trial is None or trial.run != progress.name or session.shown_run is not progress:
        return
    made = {stage.number: stage.stage_id for stage in services.finished_stages(progress.folder)}
    number = max(made, default=0)
    if number not in trial.stage_ids or trial.stage_ids[number] == made[number]:
        return
    session.show_comparison(trial.stage_ids[number], made[number])


def report_restored(session: Session, services: Services, progress: RunProgress) -> None:
    """Show a message that says how a run ended while no page followed it."""
    if progress.is_complete:
        session.show_message(_describe_finished(services, progress))
        return
    text, fault = describe_end(progress.end, services, progress)
    session.show_message(words.ENDED_WHILE_AWAY.format(told=text), fault=fault)


def describe_end(end: Event | None, services: Services, progress: RunProgress) -> tuple[str, bool]:
    """Return a sentence that says how a run ended, and whether this sentence is an error message.

    end: the event with which the run ended; None if it is unknown because the app was restarted.
    """
    kept = formatting.describe_kept_stages(progress.last_finished_stage)
    match end:
        case Failed():
            return replace_names_with_labels(end.sentence) if end.field else end.sentence, True
        case Stopped(stage=0):
            return words.STOPPED_BEFORE_START, False
        case Finished() if progress.is_complete:
            return _describe_finished(services, progress), False
    has_paused = progress.pause_after is not None and progress.last_finished_stage >= progress.pause_after
    if isinstance(end, Finished) or has_paused:
        return words.PAUSED_AFTER_STAGE.format(stage=progress.last_finished_stage, kept=kept), False
    if isinstance(end, Stopped) and not end.step:
        return words.STOPPED_AT_START_OF_STAGE.format(stage=end.stage, kept=kept), False
    if isinstance(end, Stopped):
        return words.STOPPED_IN_STAGE.format(stage=end.stage, step=end.step, kept=kept), False
    return words.RUN_WAS_STOPPED.format(kept=kept), False


def _describe_finished(services: Services, progress: RunProgress) -> str:
    """Return a sentence with the size, the number of stages and the duration of a complete run."""
    cached = {stage.stage for stage in progress.accepted.kept} if progress.accepted else set()
    seconds = sum(stage.seconds for number, stage in progress.finished.items() if number not in cached)
    height, width = progress.finished[progress.last_finished_stage].size
    values = {
        "size": formatting.format_size(height, width),
        "stages": formatting.format_stage_count(len(progress.finished)),
        "hours": formatting.format_hours(services.cache.max_age),
    }
    if not seconds:
        return words.RUN_DONE_FROM_CACHE.format(**values)
    time, kept = formatting.format_elapsed(seconds), len(cached & progress.finished.keys())
    if kept:
        return words.RUN_DONE_IN_PART.format(time=time, kept=kept, **values)
    return words.RUN_DONE.format(time=time, **values)
