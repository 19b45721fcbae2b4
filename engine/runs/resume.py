"""Where a run starts: after the longest chain of finished stages, or after the one it grows from."""

from dataclasses import dataclass, field
from math import sqrt
from numbers import Integral
from pathlib import Path
from typing import Any

import torch

from engine import errors
from engine.errors import BadRecipe, short_repr
from engine.planning.plan import Plan, with_view_batch
from engine.planning.stage import Stage
from engine.recipe.recipe import Recipe
from engine.runs import events, keys, store
from engine.runs.cache import Found, Shelf
from engine.runs.store import Kept


@dataclass(frozen=True)
class Start:
    """The stage of the plan after which the work begins (0: at the beginning), and what is kept by then."""

    number: int = 0
    found: dict[int, Found] = field(default_factory=dict)

    @property
    def last(self) -> Found | None:
        return self.found.get(self.number)


def start_of(
    recipe: Recipe,
    whole: Plan,
    shelf: Shelf,
    resume: tuple[str | Path, int] | None,
    until: int | None,
    keyed: bool,
) -> tuple[Plan, Start, int]:
    """The plan, its start, and its last stage. The plan repeats the views at once of what it goes on from."""
    last = len(whole.stages) if until is None else _stage(whole, until, "until").number
    if resume is not None:
        start = _grown(whole, resume, last)
        if keyed:
            start = _further(start, shelf.chain(keys.stage_keys(whole.stages[start.number : last], start.last.key)))
    elif keyed:
        chain = shelf.chain(keys.stage_keys(whole.stages[:last]))
        start = Start(len(chain), dict(enumerate(chain, 1)))
    else:
        start = Start()
    if start.last and recipe.view_batch is None:
        batch = start.last.kept.record.get("view_batch")
        if isinstance(batch, int) and 1 <= batch <= 64:
            whole = with_view_batch(whole, batch)
    return whole, start, last


def _further(start: Start, chain: tuple[Found, ...]) -> Start:
    """A start after what has been grown from it already."""
    number = start.number + len(chain)
    return Start(number, start.found | dict(enumerate(chain, start.number + 1)))


def _stage(whole: Plan, number: Any, field: str) -> Stage:
    if isinstance(number, bool) or not isinstance(number, Integral):
        raise BadRecipe(field, errors.NOT_A_STAGE.format(field=field, value=short_repr(number)))
    if not 1 <= number <= len(whole.stages):
        raise BadRecipe(field, errors.NO_SUCH_STAGE.format(stage=short_repr(number), last=len(whole.stages)))
    return whole.stages[number - 1]


def _grown(whole: Plan, resume: Any, last: int) -> Start:
    """After a chosen stage, whatever its key: it takes the place of the largest planned one of its size."""
    if not isinstance(resume, tuple | list) or len(resume) != 2 or not isinstance(resume[0], str | Path):
        raise BadRecipe("resume", errors.NOT_A_STAGE.format(field="resume", value=short_repr(resume)))
    run, chosen = resume
    if isinstance(chosen, bool) or not isinstance(chosen, Integral):
        raise BadRecipe("resume", errors.NOT_A_STAGE.format(field="resume", value=short_repr(chosen)))
    key, folder = store.find(run, chosen)
    kept = store.read(folder)
    _check_fits(whole, chosen, kept)
    rows, cols = kept.latents.shape[-2:]
    number = max(1, sum(stage.rows * stage.cols <= rows * cols for stage in whole.stages))
    if number >= last:
        raise BadRecipe("until", errors.NOTHING_LEFT.format(resume=chosen, until=last))
    found = {number: Found(key, folder, kept)}
    for n, (smaller_key, smaller) in store.stages(run).items():
        # These only complete the folder; one that cannot be read is no loss.
        if n < min(chosen, number) and store.is_sound(smaller):
            found[n] = Found(smaller_key, smaller, store.read(smaller))
    return Start(number, dict(sorted(found.items())))


def _check_fits(whole: Plan, chosen: int, kept: Kept) -> None:
    """The same latent space and the same shape; all else may differ."""
    facts, final = whole.facts, whole.stages[-1]
    channels, rows, cols = kept.latents.shape[1:]
    if channels != facts.channels or kept.record.get("space", facts.space) != facts.space:
        raise BadRecipe("resume", errors.RESUME_OTHER_VAE.format(stage=chosen))
    ratio = sqrt(rows * cols / (final.rows * final.cols))
    found = f"{cols * facts.cell} x {rows * facts.cell}"
    wanted = f"{final.cols * facts.cell} x {final.rows * facts.cell}"
    if max(abs(rows - final.rows * ratio), abs(cols - final.cols * ratio)) > 1:
        raise BadRecipe("resume", errors.RESUME_OTHER_SHAPE.format(stage=chosen, found=found, wanted=wanted))
    if rows * cols > final.rows * final.cols:
        raise BadRecipe("resume", errors.RESUME_TOO_LARGE.format(stage=chosen, found=found, wanted=wanted))


def place_of(whole: Plan) -> dict[str, Any]:
    """Where the network runs, as it is recorded: what the last bits depend on."""
    facts = whole.facts
    return {
        "device": facts.device,
        "dtype": facts.dtype,
        "threads": torch.get_num_threads(),
        "view_batch": whole.stages[0].view_batch,
    }


def elsewhere(start: Start, whole: Plan) -> str | None:
    """A sentence, if the stage that is gone on from was made where the last bits come out otherwise."""
    if not start.last:
        return None
    here = place_of(whole)
    there = {name: start.last.kept.record.get(name) for name in here}
    if there == here or None in there.values():
        return None
    names = {name: errors.short_repr(value).strip("'") for name, value in there.items()}
    return errors.RAN_ELSEWHERE.format(there=_place(names), here=_place(here))


def _place(told: dict[str, Any]) -> str:
    words = "{device} ({dtype}, {threads} threads, {view_batch} views at once)"
    return words.format(**told)[:120]


def told(number: int, found: Found, folder: Path, cell: int) -> events.StageDone:
    """A kept stage as an event, from its own record."""
    record, (rows, cols) = found.kept.record, found.kept.latents.shape[-2:]
    return events.StageDone(
        number,
        float(record.get("scale", 0)),
        (rows * cell, cols * cell),
        str(folder / store.PICTURE),
        str(folder / store.LATENTS),
        float(record.get("seconds", 0)),
        int(record.get("evaluations", 0)),
    )
