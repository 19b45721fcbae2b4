"""Find where a run starts: after the cached stages of its plan, or after a chosen stage of another run."""

from contextlib import suppress
from dataclasses import dataclass, field
from math import sqrt
from numbers import Integral
from pathlib import Path
from typing import Any

from engine import errors
from engine.catalogue.entries import Facts
from engine.errors import BadRecipe, short_repr
from engine.planning.plan import Plan, with_view_batch
from engine.planning.stage import Stage
from engine.recipe.recipe import Recipe
from engine.runs import events, keys, store
from engine.runs.cache import CachedStage, RunCache
from engine.runs.store import StoredStage

# The largest number of views in one call that is accepted from a stored record.
MAX_VIEW_BATCH = 64


@dataclass(frozen=True)
class ResumePoint:
    """The stage of a plan after which a run starts, and the cached stages that the run reuses."""

    # The number of the stage after which the run starts; 0 to start with the first stage.
    number: int = 0
    # The cached stages that the run reuses, by their stage numbers in the run.
    cached_stages: dict[int, CachedStage] = field(default_factory=dict)

    @property
    def last(self) -> CachedStage | None:
        """The cached stage that the run continues from; None if the run starts with its first stage."""
        return self.cached_stages.get(self.number)

    @property
    def last_key(self) -> str:
        """The stage key of the cached stage that the run continues from; empty without one."""
        return self.last.key if self.last else ""


def find_resume_point(
    recipe: Recipe,
    planned: Plan,
    cache: RunCache,
    resume: tuple[str | Path, int] | None,
    until: int | None,
    use_keys: bool,
) -> tuple[Plan, ResumePoint, int]:
    """Return the plan, where the run resumes, and the number of the run's last stage; or raise BadRecipe.

    If the recipe does not set view_batch, the plan returned has the view_batch of the stage to continue from.

    recipe: the recipe as requested.
    planned: the plan made from the recipe.
    resume: (run folder, number) of the stage to continue from; None without one.
    until: the number of the stage to end after; None for the last stage.
    use_keys: whether to search the cache for stages with the plan's stage keys.
    """
    last = len(planned.stages) if until is None else _planned_stage(planned, until, "until").number
    if resume is not None:
        resume_point = _resume_after_chosen_stage(planned, resume, last)
        if use_keys:
            stages = planned.stages[resume_point.number : last]
            chain = cache.longest_chain(keys.stage_keys(stages, resume_point.last_key))
            resume_point = _extend(resume_point, chain)
    elif use_keys:
        resume_point = _extend(ResumePoint(), cache.longest_chain(keys.stage_keys(planned.stages[:last])))
    else:
        resume_point = ResumePoint()
    if resume_point.last and recipe.view_batch is None:
        view_batch = recorded_view_batch(resume_point.last.stored)
        if view_batch:
            planned = with_view_batch(planned, view_batch)
    return planned, resume_point, last


def recorded_view_batch(stored: StoredStage) -> int | None:
    """Return the number of views in one call of the network in a stage's record; None without a plausible one."""
    view_batch = stored.record.get("view_batch")
    return view_batch if isinstance(view_batch, int) and 1 <= view_batch <= MAX_VIEW_BATCH else None


def _extend(resume_point: ResumePoint, chain: tuple[CachedStage, ...]) -> ResumePoint:
    """Return the resume point moved to the end of a chain of cached stages, which starts after it."""
    following = dict(enumerate(chain, resume_point.number + 1))
    return ResumePoint(resume_point.number + len(chain), resume_point.cached_stages | following)


def _planned_stage(planned: Plan, number: object, field: str) -> Stage:
    """Return the planned stage with an unchecked number, or raise BadRecipe.

    field: the name of the field that the error is about.
    """
    if isinstance(number, bool) or not isinstance(number, Integral):
        raise BadRecipe(field, errors.NOT_A_STAGE.format(field=field, value=short_repr(number)))
    if not 1 <= int(number) <= len(planned.stages):
        raise BadRecipe(
            field, errors.NO_SUCH_STAGE.format(stage=short_repr(number), last=len(planned.stages))
        )
    return planned.stages[int(number) - 1]


def _resume_after_chosen_stage(planned: Plan, resume: object, last: int) -> ResumePoint:
    """Return the resume point after a chosen stage of a run, whose stage key may differ from the plan's.

    The chosen stage replaces the largest planned stage that is not larger than the chosen one. If it is damaged, it is
    set aside, so that it is not offered again, and BadRecipe is raised.

    resume: (run folder, number of the chosen stage), unchecked.
    last: the number of the run's last stage.
    """
    if not isinstance(resume, tuple | list) or len(resume) != 2 or not isinstance(resume[0], str | Path):
        raise BadRecipe("resume", errors.NOT_A_STAGE.format(field="resume", value=short_repr(resume)))
    run, number_in_run = resume
    if isinstance(number_in_run, bool) or not isinstance(number_in_run, Integral):
        raise BadRecipe("resume", errors.NOT_A_STAGE.format(field="resume", value=short_repr(number_in_run)))
    chosen = int(number_in_run)
    key, folder = store.find_stage(run, chosen)
    stored = store.read_or_set_aside(folder)
    _check_fits(planned, chosen, stored)
    rows, cols = stored.latents.shape[-2:]
    number = max(1, sum(stage.rows * stage.cols <= rows * cols for stage in planned.stages))
    if number >= last:
        raise BadRecipe("until", errors.NOTHING_LEFT.format(resume=chosen, until=last))
    cached_stages = {number: CachedStage(key, folder, stored)}
    for n, (smaller_key, smaller) in store.finished_stages(run).items():
        # The smaller stages only complete the new run's folder, so one that cannot be read is left out.
        if n < min(chosen, number):
            with suppress(BadRecipe):
                cached_stages[n] = CachedStage(smaller_key, smaller, store.read_or_set_aside(smaller))
    return ResumePoint(number, dict(sorted(cached_stages.items())))


def _check_fits(planned: Plan, chosen: int, stored: StoredStage) -> None:
    """Raise BadRecipe unless a stored stage has the plan's latent space and aspect ratio, and at most its final size.

    chosen: the stage's number, for the message.
    """
    facts, final = planned.facts, planned.stages[-1]
    channels, rows, cols = stored.latents.shape[1:]
    space = stored.record.get("space", facts.latent_space)
    if channels != facts.channels or space != facts.latent_space:
        raise BadRecipe("resume", errors.RESUME_OTHER_VAE.format(stage=chosen))
    ratio = sqrt(rows * cols / (final.rows * final.cols))
    found = f"{cols * facts.cell} x {rows * facts.cell}"
    wanted = f"{final.cols * facts.cell} x {final.rows * facts.cell}"
    # Faithful mode rounds sizes down, so that a thin stage's shape may be further from the final one.
    is_planned = any((stage.rows, stage.cols) == (rows, cols) for stage in planned.stages)
    if not is_planned and max(abs(rows - final.rows * ratio), abs(cols - final.cols * ratio)) > 1:
        raise BadRecipe("resume", errors.RESUME_OTHER_SHAPE.format(stage=chosen, found=found, wanted=wanted))
    if rows * cols > final.rows * final.cols:
        raise BadRecipe("resume", errors.RESUME_TOO_LARGE.format(stage=chosen, found=found, wanted=wanted))


def environment_record(facts: Facts, view_batch: int) -> dict[str, Any]:
    """Return the device, number format, threads and batch size, on which the last bits of a picture depend."""
    return {
        "device": facts.device,
        "dtype": facts.dtype,
        "threads": facts.threads,
        "view_batch": view_batch,
    }


def environment_note(resume_point: ResumePoint, planned: Plan) -> str | None:
    """Return a sentence if the stage to continue from was made in another environment; None if it was not."""
    if not resume_point.last:
        return None
    present = environment_record(planned.facts, planned.stages[0].view_batch)
    recorded = {name: resume_point.last.stored.record.get(name) for name in present}
    if recorded == present or None in recorded.values():
        return None
    readable = {name: errors.short_repr(value).strip("'") for name, value in recorded.items()}
    is_same_format = recorded["dtype"] == present["dtype"]
    sentence = errors.RAN_ELSEWHERE if is_same_format else errors.RAN_IN_OTHER_NUMBER_FORMAT
    return sentence.format(there=_describe(readable), here=_describe(present))


def _describe(environment: dict[str, Any]) -> str:
    """Return an environment as a short text for a sentence."""
    sentence = "{device} ({dtype}, {threads} threads, {view_batch} views at once)"
    return sentence.format(**environment)[:120]


def stage_done_event(number: int, stage: CachedStage, folder: Path, cell: int) -> events.StageDone:
    """Return the StageDone event of a cached stage, from the stage's record.

    number: the stage's number in the new run.
    folder: the stage's folder in the new run.
    cell: the side of a latent cell in px.
    """
    record, (rows, cols) = stage.stored.record, stage.stored.latents.shape[-2:]
    return events.StageDone(
        number,
        float(record.get("scale", 0)),
        (rows * cell, cols * cell),
        str(folder / store.PICTURE_FILE),
        str(folder / store.LATENTS_FILE),
        float(record.get("seconds", 0)),
        int(record.get("evaluations", 0)),
    )
