"""What the component shows: a visit as plain values. Everything here is read, nothing is done."""

import time
from base64 import b64encode
from collections.abc import Sequence
from itertools import count
from typing import Any

from engine.catalogue import weights
from engine.planning.plan import Plan
from engine.runs.events import Preview
from ui.messages.status import status_message
from ui.session.finished import Picture, shown, title
from ui.session.notes import make_note
from ui.session.progress import Story
from ui.session.services import EXAMPLE, House
from ui.session.session import Visit
from ui.settings.complaints import COMPLAINT_MOVES
from ui.settings.link import recipe_url, settings_left_out
from ui.text import formatting, words
from ui.text.labels import join_labels

LARGEST_PREVIEW = 60_000
_MOMENTS = count(time.time_ns() // 1000)
"""Views may arrive in another order than they were made in; the component keeps to the newest."""


def stages_panel_value(visit: Visit, house: House) -> dict[str, Any]:
    story = visit.shown
    kept = house.pictures(story.run) if story else ()
    goes_on = story is not None and visit.work is story
    said = status_message(visit, house)
    return {
        "at": next(_MOMENTS),
        "run": story.name if story else "",
        "status": {
            "text": said.text, "fault": said.fault, "spoken": visit.spoken, "actions": list(said.actions),
        },
        "stage_cards": stage_cards(visit, house, kept, goes_on),
        "progress_of_card": progress_of_card(story, house) if story and goes_on else None,
        "preview": _preview(story) if story and goes_on else None,
        "show": {"n": visit.looking[0], "key": visit.looking[1]},
        "notes": [
            *_of_the_example(story, kept), *_of_the_link(kept, goes_on), *_of_the_model(visit, house),
            *visit.notes,
        ],
        "complaints": _complaints(kept, goes_on),
        "share": _share(visit, house, kept, goes_on),
        "earlier_runs": earlier_runs(visit, house),
        "runs_on_page": runs_on_page(visit, house),
        "kept": words.RUNS_KEPT_FOR.format(hours=formatting.format_hours(house.shelf.age)) if visit.earlier else "",
    }  # fmt: skip


def stage_cards(visit: Visit, house: House, kept: Sequence[Picture], goes_on: bool) -> list[dict[str, Any]]:
    """A card for every stage: what is made, and what the controls would make."""
    ahead = visit.shown.plan if goes_on and visit.shown else visit.plan
    made = {each.number: each for each in kept}
    count = max(len(ahead.stages) if ahead else 0, max(made, default=0))
    prices = house.pace.each(ahead.stages) if ahead else ()
    at_work = visit.shown.progress.stage if goes_on and visit.shown and visit.shown.progress else 0
    held = max(made, default=0) if goes_on else visit.held
    return [
        _card(n, count, made.get(n), ahead, prices, held, at_work, visit, goes_on)
        for n in range(1, count + 1)
    ]


def _card(
    n: int, of: int, picture: Picture | None, ahead: Plan | None, prices: Sequence[float | None], held: int,
    at_work: int, visit: Visit, goes_on: bool,
) -> dict[str, Any]:  # fmt: skip
    stage = ahead.stages[n - 1] if ahead and n <= len(ahead.stages) else None
    to_make = stage is not None and n > held
    price = _price(prices[n - 1]) if to_make else ""
    last = len(ahead.stages) if ahead else 0
    return {
        "number": n,
        "of": of,
        "size": list(picture.size if picture else stage.size if stage else (0, 0)),
        "state": "made" if picture else "progress_of_card" if n == at_work else "planned",
        "price": formatting.format_short_duration(picture.seconds) if picture else price,
        "again": f"{formatting.format_side(*stage.size)}{' · ' + price if price else ''}"
        if picture and to_make
        else "",
        "stop": to_make and n < last and n >= at_work and not _is_settled(n, visit, goes_on),
        "stopping": n == (visit.shown.pause or visit.shown.until if goes_on else visit.stop_after),
        "grow": picture is not None and not goes_on and _can_grow(picture, ahead),
        "picture": shown(picture) if picture else None,
    }


def _is_settled(n: int, visit: Visit, goes_on: bool) -> bool:
    """Whether the run at work was asked for with an end at this stage or before it."""
    return goes_on and visit.shown is not None and visit.shown.until is not None and n >= visit.shown.until


def _price(seconds: float | None) -> str:
    return "" if seconds is None else formatting.format_short_duration(seconds)


def _can_grow(picture: Picture, ahead: Plan | None) -> bool:
    """Whether the controls ask for anything larger of the same shape."""
    if ahead is None:
        return False
    (height, width), (final_height, final_width) = picture.size, ahead.stages[-1].size
    return final_height > height and abs(final_width / final_height - width / height) < 0.05 * width / height


def progress_of_card(story: Story, house: House) -> dict[str, Any] | None:
    progress = story.progress
    if progress is None:
        return None
    here, _ = seconds_left(story, house)
    return {
        "stage": progress.stage,
        "share": round(story.stage_share, 3),
        "text": words.STEP_OF_STEPS.format(step=progress.step, steps=progress.steps),
        "seconds_left": "" if here is None else words.TIME_LEFT.format(time=formatting.format_short_duration(here)),
    }


def seconds_left(story: Story, house: House) -> tuple[float | None, float | None]:
    return story.left(house.pace.each(story.plan.stages) if story.plan else ())


def _preview(story: Story) -> dict[str, Any] | None:
    preview = story.preview
    if not isinstance(preview, Preview) or len(preview.image) > LARGEST_PREVIEW or not story.plan:
        return None
    image = "data:image/jpeg;base64," + b64encode(preview.image).decode()
    size = story.plan.stages[preview.stage - 1].size
    return {"stage": preview.stage, "size": list(size), "image": image}


def _of_the_example(story: Story | None, kept: Sequence[Picture]) -> list[dict[str, Any]]:
    if story is None or story.name != EXAMPLE:
        return []
    seconds = sum(each.seconds for each in kept)
    return [make_note(words.EXAMPLE_NOTE.format(time=formatting.format_duration(seconds)), kind="example")]


def _of_the_link(kept: Sequence[Picture], goes_on: bool) -> list[dict[str, Any]]:
    """What the link that may be copied does not hold, so that nobody shares half a recipe unknowingly."""
    without = settings_left_out(kept[-1].recipe) if kept and not goes_on else ()
    pictures = {"image": words.LINK_WITHOUT_START_IMAGE, "controls": words.LINK_WITHOUT_CONTROL_IMAGE}
    in_file = [name for name in without if name not in pictures]
    said = [words.LINK_WITHOUT_SETTINGS.format(names=join_labels(in_file))] if in_file else []
    said += [sentence for name, sentence in pictures.items() if name in without]
    return [make_note(text, kind="link") for text in said]


def _of_the_model(visit: Visit, house: House) -> list[dict[str, Any]]:
    """How far the fetching of the wanted one is."""
    if visit.wanted is None:
        return []
    entry = house.entry(visit.wanted)
    done = weights.bytes_in_hub_cache(entry.source) / 1e9 if weights.is_hub_id(entry.source) else 0.0
    text = words.DOWNLOADING_MODEL.format(title=entry.title, done=f"{done:.1f}", size=f"{entry.gigabytes:g}")
    return [make_note(text, kind="model")]


def _complaints(kept: Sequence[Picture], goes_on: bool) -> list[dict[str, Any]]:
    if goes_on or not kept:
        return []
    return [{"do": "complain", "of": of, "label": words.COMPLAINT_LABELS[of]} for of in COMPLAINT_MOVES]


def _share(visit: Visit, house: House, kept: Sequence[Picture], goes_on: bool) -> list[dict[str, Any]]:
    if not kept or goes_on:
        return []
    link = recipe_url(kept[-1].recipe, visit.address, house.space)
    run = kept[-1].run
    saved = [offer for (of, _), offer in visit.saved.items() if of == run]
    asked = [{"do": "labelled", "run": run, "label": words.LABELLED_PICTURE}]
    if len(kept) > 1:
        asked.append({"do": "dive", "run": run, "place": True, "label": words.ZOOM_FILM})
    return [{"do": "copy", "text": link, "label": words.COPY_LINK}, *asked, *saved]


def runs_on_page(visit: Visit, house: House) -> list[str]:
    """Runs whose pictures may stay on the page; those of all others leave it."""
    shown = [visit.shown.name] if visit.shown else []
    return [name for name in dict.fromkeys([*visit.earlier, *shown, EXAMPLE]) if house.folder(name)]


def earlier_runs(visit: Visit, house: House) -> list[dict[str, Any]]:
    """This browser's runs that still have a picture."""
    found = []
    for name in visit.earlier:
        folder = house.folder(name)
        kept = house.pictures(folder) if folder else ()
        if kept:
            found.append(
                {
                    "run": name,
                    "title": title(kept[-1].recipe, [each.size for each in kept]),
                    "thumb": shown(kept[-1])["thumb"],
                    "current": visit.shown is not None and visit.shown.name == name,
                }
            )
    return found
