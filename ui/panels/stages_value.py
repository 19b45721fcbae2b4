"""The value of the stages panel: everything that the panel's scripts show of a session, as JSON."""

import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from engine.catalogue import weights
from engine.planning.cost import relative_cost
from engine.planning.plan import Plan
from engine.recipe.recipe import Recipe
from engine.runs.events import Preview, Progress, Upscaling
from ui.messages.status import status_message
from ui.session.continuation import has_aspect_of
from ui.session.finished import FinishedStage, run_title, stage_for_browser
from ui.session.images import has_start_picture, start_picture_for_browser
from ui.session.notes import make_note
from ui.session.progress import RunProgress
from ui.session.services import EXAMPLE, Services
from ui.session.session import Session
from ui.settings.complaints import COMPLAINT_ADJUSTERS
from ui.settings.link import recipe_url, settings_left_out
from ui.text import formatting, words
from ui.text.labels import join_labels

# A preview of more bytes is not sent.
MAX_PREVIEW_BYTES = 60_000
# The first stage has no previews before this share of its steps.
FIRST_PREVIEW_SHARE = 1 / 3
# Numbers of values. Values may arrive out of order, and the script ignores a value older than the one it shows.
_VALUE_NUMBERS = count(time.time_ns() // 1000)


def stages_panel_value(
    session: Session, services: Services, *, with_all_pictures: bool = False
) -> dict[str, Any]:
    """Return the value of the stages panel for a session.

    with_all_pictures: whether the pictures of all kept runs are included, for the comparison.
    """
    progress = session.shown_run
    stages: tuple[FinishedStage, ...] = ()
    if progress and not session.shows_candidates:
        stages = services.finished_stages(progress.folder)
    is_active = progress is not None and session.active_run is progress
    message = status_message(session, services)
    shown_count, shown_key = session.shown_stage
    kept_for = ""
    if session.own_runs:
        kept_for = words.RUNS_KEPT_FOR.format(hours=formatting.format_hours(services.cache.max_age))
    return {
        "at": next(_VALUE_NUMBERS),
        "run": progress.name if progress else "",
        "active": is_active,
        "bar": _bar(session, services) if is_active else [],
        "status": {
            "text": message.text,
            "details": message.details,
            "fault": message.fault,
            "spoken": session.announcement_count,
            "actions": list(message.actions),
        },
        "cards": stage_cards(session, services, stages, is_active),
        "working": card_progress(progress, services) if progress and is_active else None,
        "preview": _preview(progress) if progress and is_active else None,
        "show": {"n": shown_count, "key": shown_key},
        "candidates": _candidates(session, services),
        "comparison": {"n": session.comparison[0], "keys": list(session.comparison[1])},
        "start": has_start_picture(session),
        "others": _all_pictures(session, services) if with_all_pictures else [],
        "notes": [
            *_example_notes(progress, stages, services),
            *_download_notes(session, services),
            *session.notes,
        ],
        "complaints": _complaint_buttons(stages, is_active),
        "share": _share_buttons(session, services, stages, is_active),
        "earlier": earlier_runs(session, services),
        "here": runs_on_page(session, services),
        "kept": kept_for,
    }


@dataclass(frozen=True)
class _CardState:
    """The state from which the cards of all stages are made."""

    # The plan of the shown run if the run is waiting or in progress, else the plan of the settings on the page.
    plan: Plan | None
    # Estimated seconds of each stage of the plan; None where unknown.
    seconds: Sequence[float | None]
    # The number of cards.
    stage_count: int
    # How many of the plan's first stages are finished or cached.
    cached_count: int
    # The number of the stage in progress; 0 if none is.
    stage_in_progress: int
    # The number of the stage after which the run is to pause; None without a pause.
    pause_after: int | None
    # The number of the last stage that the active run was started for; None for the last stage of the plan.
    until: int | None
    # Whether the shown run is waiting or in progress.
    is_active: bool


def stage_cards(
    session: Session, services: Services, stages: Sequence[FinishedStage], is_active: bool
) -> list[dict[str, Any]]:
    """Return a card for each finished stage of the shown run and for each stage of the plan, by number.

    stages: the finished stages of the shown run.
    is_active: whether the shown run is waiting or in progress.
    """
    run = session.shown_run if is_active else None
    # A run has no plan of its own before it has begun.
    plan = (run.plan if run else None) or session.plan
    finished = {stage.number: stage for stage in stages}
    last_finished = max(finished, default=0)
    state = _CardState(
        plan=plan,
        seconds=services.pace.estimate_each(plan.stages) if plan else (),
        stage_count=max(len(plan.stages) if plan else 0, last_finished),
        cached_count=last_finished if is_active else session.cached_count,
        stage_in_progress=run.last_progress.stage if run and run.last_progress else 0,
        pause_after=(run.pause_after or run.until) if run else session.pause_after,
        until=run.until if run else None,
        is_active=is_active,
    )
    return [_card(number, finished.get(number), state) for number in range(1, state.stage_count + 1)]


def _card(number: int, finished: FinishedStage | None, state: _CardState) -> dict[str, Any]:
    """Return the card of a stage: its picture if it is finished, its size and time, and what can be done with it."""
    planned = state.plan.stages[number - 1] if state.plan and number <= len(state.plan.stages) else None
    to_make = planned is not None and number > state.cached_count
    seconds = state.seconds[number - 1] if to_make else None
    price = ""
    if seconds is not None:
        price = words.PLANNED_TIME.format(time=formatting.format_short_duration(seconds))
    next_text = ""
    if finished and planned and to_make and finished.size != planned.size:
        next_text = words.SIZES_IN_PX.format(sizes=formatting.format_short_size(*planned.size))
        if price:
            next_text += f" · {price}"
    shown = finished or planned
    size = shown.size if shown else (0, 0)
    can_grow = finished is not None and not state.is_active and _can_grow(finished, state.plan)
    return {
        "number": number,
        "of": state.stage_count,
        "size": list(size),
        "state": "made" if finished else "working" if number == state.stage_in_progress else "planned",
        "price": formatting.format_short_duration(finished.seconds) if finished else price,
        "again": next_text,
        "stop": to_make and _can_pause_after(number, state),
        "stopping": number == state.pause_after,
        "grow": can_grow,
        "picture": stage_for_browser(finished) if finished else None,
    }


def _can_pause_after(number: int, state: _CardState) -> bool:
    """Return whether a pause after a stage can be chosen.

    It can if the stage is not finished yet and the run would not end with it anyway.
    """
    last = len(state.plan.stages) if state.plan else 0
    is_end = state.until is not None and number >= state.until
    return state.stage_in_progress <= number < last and not is_end


def _can_grow(finished: FinishedStage, plan: Plan | None) -> bool:
    """Return whether a run can continue from a finished stage.

    It can if the plan's last stage is larger and has the same aspect.
    """
    if plan is None:
        return False
    last = plan.stages[-1]
    return last.size[0] > finished.size[0] and has_aspect_of(last, finished.size)


def card_progress(progress: RunProgress, services: Services) -> dict[str, Any] | None:
    """Return the progress that the card of the stage in progress shows; None before the stage's first step."""
    latest = progress.last_progress
    if latest is None:
        return None
    estimates = services.pace.estimate_each(progress.plan.stages) if progress.plan else ()
    seconds, _ = progress.seconds_left(estimates)
    time_left = ""
    if seconds is not None:
        time_left = words.TIME_LEFT.format(time=formatting.format_short_duration(seconds))
    return {
        "stage": latest.stage,
        "share": round(progress.stage_fraction, 3),
        "text": _step_text(latest),
        "left": time_left,
    }


def _bar(session: Session, services: Services) -> list[dict[str, float]]:
    """Return the segments of the progress bar: the stages of the active run, or a segment for each candidate."""
    run = session.active_run
    if run is None:
        return []
    if run not in session.candidates:
        return progress_bar(run, services)
    done = session.candidates.index(run)
    shares = [float(number < done) for number in range(len(session.candidates))]
    shares[done] = round(run.stage_fraction, 3)
    return [{"cost": 1.0, "share": share} for share in shares]


def _candidates(session: Session, services: Services) -> list[dict[str, Any]]:
    """Return the candidates that are on display: their runs, and their pictures as far as they are finished."""
    if not session.shows_candidates:
        return []
    stages = [services.finished_stages(run.folder) for run in session.candidates]
    return [
        {
            "run": run.name,
            "seed": finished[0].recipe.seed if finished else None,
            "picture": stage_for_browser(finished[0]) if finished else None,
            "working": run is session.active_run,
        }
        for run, finished in zip(session.candidates, stages, strict=True)
    ]


def progress_bar(progress: RunProgress, services: Services) -> list[dict[str, float]]:
    """Return a segment for each stage that an active run makes: its cost, and the share that is done.

    The costs are seconds if those of all stages are known, else tile areas. Empty before the run has begun.
    """
    if progress.plan is None or progress.accepted is None:
        return []
    kept = {stage.stage for stage in progress.accepted.kept}
    until = progress.pause_after or progress.until or len(progress.plan.stages)
    stages = [stage for stage in progress.plan.stages[:until] if stage.number not in kept]
    estimates = services.pace.estimate_each(stages)
    costs = [relative_cost(stage) for stage in stages] if None in estimates else estimates
    present = progress.last_progress.stage if progress.last_progress else 0

    def share(number: int) -> float:
        if number in progress.finished:
            return 1.0
        return round(progress.stage_fraction, 3) if number == present else 0.0

    return [
        {"cost": round(float(cost or 0), 3), "share": share(stage.number)}
        for stage, cost in zip(stages, costs, strict=True)
    ]


def _step_text(latest: Progress | Upscaling) -> str:
    """Return a short text on the step of a stage in progress, or on the tile of an enlargement."""
    if isinstance(latest, Upscaling):
        present = min(latest.tile + 1, latest.tiles)
        return words.TILE_OF_TILES.format(tile=present, tiles=latest.tiles)
    return words.STEP_OF_STEPS.format(step=latest.step, steps=latest.steps)


def _preview(progress: RunProgress) -> dict[str, Any] | None:
    """Return the preview of the stage in progress, with its image as a data URL.

    Returns None if there is no preview, if it is larger than MAX_PREVIEW_BYTES, or if it is of the first steps of a
    picture that has no stage below, which show coloured noise.
    """
    preview, share = progress.preview, progress.stage_fraction
    if not isinstance(preview, Preview) or len(preview.image) > MAX_PREVIEW_BYTES or not progress.plan:
        return None
    stage = progress.plan.stages[preview.stage - 1]
    if preview.stage == 1 and share < FIRST_PREVIEW_SHARE:
        return None
    image = "data:image/jpeg;base64," + b64encode(preview.image).decode()
    return {
        "stage": preview.stage,
        "size": list(stage.size),
        "image": image,
        "share": round(share, 3),
        "lattice": stage.dilation,
    }


def _example_notes(
    progress: RunProgress | None, stages: Sequence[FinishedStage], services: Services
) -> list[dict[str, Any]]:
    """Return a note that the shown run is an example; empty for another run."""
    if progress is None or progress.name not in services.examples:
        return []
    seconds = sum(stage.seconds for stage in stages)
    text = words.EXAMPLE_NOTE.format(time=formatting.format_duration(seconds))
    return [make_note(text, kind="example")]


def _link_texts(recipe: Recipe) -> list[str]:
    """Return sentences on the settings that a recipe's link does not hold; none if it holds the whole recipe."""
    left_out = settings_left_out(recipe)
    sentences = {"image": words.LINK_WITHOUT_START_IMAGE, "controls": words.LINK_WITHOUT_CONTROL_IMAGE}
    others = [name for name in left_out if name not in sentences]
    texts = [sentence for name, sentence in sentences.items() if name in left_out]
    if others:
        texts.insert(0, words.LINK_WITHOUT_SETTINGS.format(names=join_labels(others)))
    return texts


def _download_notes(session: Session, services: Services) -> list[dict[str, Any]]:
    """Return a note on the progress of the download of the session's next model; empty without a download."""
    if session.wanted_model is None:
        return []
    entry = services.entry(session.wanted_model)
    gigabytes = 0.0
    if weights.is_hub_id(entry.source):
        gigabytes = weights.bytes_in_hub_cache(entry.source) / 1e9
    text = words.DOWNLOADING_MODEL.format(
        title=entry.title, done=f"{gigabytes:.1f}", size=f"{entry.gigabytes:g}"
    )
    return [make_note(text, kind="model")]


def _complaint_buttons(stages: Sequence[FinishedStage], is_active: bool) -> list[dict[str, Any]]:
    """Return a button for each complaint; empty while the shown run is active or has no finished stage."""
    if is_active or not stages:
        return []
    return [
        {"do": "complain", "of": complaint, "label": words.COMPLAINT_LABELS[complaint]}
        for complaint in COMPLAINT_ADJUSTERS
    ]


def _share_buttons(
    session: Session, services: Services, stages: Sequence[FinishedStage], is_active: bool
) -> list[dict[str, Any]]:
    """Return buttons that copy the run's link or make an export, and the download links of finished exports.

    A text without an action says what the link leaves out.

    Empty while the run is active or has no finished stage.
    """
    if not stages or is_active:
        return []
    recipe, run, picture = stages[-1].recipe, stages[-1].run, stage_for_browser(stages[-1])
    url = recipe_url(recipe, session.address, services.space)
    buttons: list[dict[str, Any]] = [
        {"href": picture["file"], "download": picture["name"], "label": words.SAVE_PICTURE},
        {"do": "copy", "text": url, "label": words.COPY_LINK},
        *({"label": text} for text in _link_texts(recipe)),
        {"do": "labelled", "run": run, "label": words.LABELLED_PICTURE},
    ]
    if len(stages) > 1:
        buttons.append({"do": "dive", "run": run, "place": True, "label": words.ZOOM_FILM})
    downloads = [
        link | {"run": run, "export": kind}
        for (export_run, kind), link in session.exports.items()
        if export_run == run
    ]
    return [*buttons, *downloads]


def _all_pictures(session: Session, services: Services) -> list[dict[str, Any]]:
    """Return the start image, and the finished stages of compared runs and of all kept runs, the newest run last."""
    compared = [stage_id.partition("/")[0] for stage_id in session.comparison[1]]
    names = dict.fromkeys([*compared, *reversed(session.own_runs)])
    folders = [services.run_folder(name, session.owner) for name in names]
    stages = [stage for folder in folders if folder for stage in services.finished_stages(folder)]
    start = start_picture_for_browser(session, services)
    return [*([start] if start else []), *(stage_for_browser(stage) for stage in stages)]


def runs_on_page(session: Session, services: Services) -> list[str]:
    """Return the names of runs whose pictures may stay on the page; the script removes all other pictures."""
    shown = [session.shown_run.name] if session.shown_run else []
    names = dict.fromkeys([*session.own_runs, *shown, EXAMPLE])
    return [name for name in names if services.run_folder(name, session.owner)]


def earlier_runs(session: Session, services: Services) -> list[dict[str, Any]]:
    """Return an item of the list "Earlier" for each run of this browser that has a finished stage."""
    shown = session.shown_run.name if session.shown_run else None
    entries = []
    for name in session.own_runs:
        folder = services.run_folder(name, session.owner)
        stages = services.finished_stages(folder) if folder else ()
        if stages:
            entries.append(
                {
                    "run": name,
                    "title": run_title(stages[-1].recipe, [stage.size for stage in stages]),
                    "thumb": stage_for_browser(stages[-1])["thumb"],
                    "current": name == shown,
                }
            )
    return entries
