"""The loop, and what surrounds it. `stages` is the method; `generate` adds the disk and the events."""

import logging
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine import codec, errors, events, store
from engine.denoiser import Denoiser
from engine.errors import BadRecipe, Fault, StopAsked
from engine.field import field
from engine.guidance import guide
from engine.handover import Tone, begin
from engine.models import Model
from engine.noise import Noise
from engine.plan import Plan, plan
from engine.recipe import Recipe, unused
from engine.solver import Solver
from engine.stage import Stage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class At:
    """The loop has come to the n-th step that this stage works."""

    stage: Stage
    n: int


@dataclass(frozen=True)
class Foreseen:
    """The clean latent that the present step predicts."""

    clean: Tensor


@dataclass(frozen=True)
class Made:
    """A stage's finished latent, and the tone of the run."""

    stage: Stage
    latent: Tensor
    tone: Tone


Moment = At | Foreseen | Made | None
"""What the loop yields; None after each call of the network."""


@torch.inference_mode()
def stages(plan: Plan, denoiser: Denoiser, noise: Noise, device: Any, below: Made | None) -> Iterator[Moment]:
    """Every stage of the plan after `below`. This is DemoFusion; its formulas are where the names lead."""
    recipe, facts = plan.recipe, plan.facts
    latent, tone, done = (below.latent, below.tone, below.stage.number) if below else (None, None, 0)
    for stage in plan.stages[done:]:
        shape = (1, facts.channels, stage.rows, stage.cols)
        solver = Solver(recipe.scheduler, facts.scheduler, recipe.steps, stage.schedule)
        canvas, anchor = begin(latent, stage, solver, noise, shape, device)
        clean = None
        for n, step in enumerate(stage.schedule.steps, 1):
            yield At(stage, n)
            i = step.index
            if anchor:
                canvas = anchor.pull(canvas, step, clean)
            shown = solver.shown(canvas, i)
            offset = partial(noise.jitter, stage.number, i, (stage.rows, stage.cols))
            predictions, unseen = yield from field(denoiser, shown, stage, step, offset)
            prediction = guide(predictions, recipe.guidance, recipe.guidance_rescale)
            clean = solver.clean(prediction, i, shown - unseen)
            yield Foreseen(clean)
            prediction = solver.against_whole(prediction, i, unseen, recipe.lattice)
            canvas = solver.step(prediction, i, canvas, partial(noise.step, stage.number, i, shape))
        tone = tone or Tone.of(canvas)
        latent = tone.match(canvas)
        yield Made(stage, latent, tone)


def generate(
    recipe: Recipe,
    model: Model,
    *,
    out: str | Path,
    noise: Any = None,
    resume: tuple[str | Path, int] | None = None,
    stop: Any = None,
    until: int | None = None,
) -> Iterator[events.Event]:
    """Carries out a recipe and tells of it. A fault comes as one Failed, never as an exception.

    out: folder that holds all runs.       noise: see noise.Noise; what it lacks comes from the seed.
    resume: (run folder, k) starts after that stage.    until: ends after that stage.
    stop: has is_set(), looked at before every call of the network. Closing the iterator stops as well.
    """
    try:
        yield from _told(_settled(recipe, model, Path(out), noise, resume, until), stop)
    except BadRecipe as fault:
        yield events.Failed(fault.sentence, fault.field)
    except Fault as fault:
        yield events.Failed(fault.sentence)
    except OSError as fault:
        log.exception("a stage could not be written")
        yield events.Failed(errors.DISK.format(reason=fault.strerror or type(fault).__name__))
    except Exception:
        code = secrets.token_hex(2)
        log.exception("unexpected fault %s", code)
        yield events.Failed(errors.UNEXPECTED.format(code=code), code=code)


@dataclass(frozen=True)
class Job:
    """What is settled before any work starts: the plan up to where it ends, and where it begins."""

    plan: Plan
    model: Model
    noise: Noise
    run: Path
    below: Made | None
    unused: tuple[str, ...]

    @property
    def ahead(self) -> tuple[Stage, ...]:
        return self.plan.stages[self.below.stage.number if self.below else 0 :]

    @property
    def evaluations(self) -> int:
        return sum(stage.evaluations for stage in self.ahead)


def _settled(
    recipe: Recipe,
    model: Model,
    out: Path,
    noise: Any,
    resume: tuple[str | Path, int] | None,
    until: int | None,
) -> Job:
    whole = plan(recipe, model.facts)
    below = _resumed(whole, resume, model.device) if resume else None
    ends = (
        whole
        if until is None
        else replace(whole, stages=whole.stages[: _stage(whole, until, "until").number])
    )
    run = store.new_run(out)
    if resume:
        store.take_along(resume[0], run, resume[1])
    return Job(ends, model, Noise(ends.recipe.seed, noise), run, below, unused(recipe))


def _stage(plan: Plan, number: int, field: str) -> Stage:
    if number not in range(1, len(plan.stages) + 1):
        raise BadRecipe(field, errors.NO_SUCH_STAGE.format(stage=number, last=len(plan.stages)))
    return plan.stages[number - 1]


def _resumed(plan: Plan, resume: tuple[str | Path, int], device: Any) -> Made:
    stage = _stage(plan, resume[1], "resume")
    kept = store.kept(*resume)
    wanted = (1, plan.facts.channels, stage.rows, stage.cols)
    if kept.latents.shape != wanted:
        found = " x ".join(map(str, kept.latents.shape[-2:]))
        wanted = " x ".join(map(str, wanted[-2:]))
        raise BadRecipe("resume", errors.RESUME_SHAPE.format(stage=stage.number, found=found, wanted=wanted))
    return Made(stage, torch.from_numpy(kept.latents).to(device), Tone(*kept.tone))


def _told(job: Job, stop: Any) -> Iterator[events.Event]:
    recipe, model = job.plan.recipe, job.model
    yield _accepted(job)
    copies, view_batch = job.plan.copies, job.plan.view_batch
    text = model.encode_text(recipe.prompt, recipe.negative, copies)
    denoiser = Denoiser(model, text, copies, view_batch, stop)
    at, made, clock = None, job.below, _Clock(denoiser)
    try:
        for moment in stages(job.plan, denoiser, job.noise, model.device, job.below):
            match moment:
                case At():
                    at = moment
                case Foreseen():
                    image = codec.preview(moment.clean, model.matrix)
                    yield events.Preview(at.stage.number, at.n, image)
                case Made():
                    made = moment
                    yield _kept(job, moment, clock)
                case None:
                    of = job.evaluations
                    yield events.Progress(at.stage.number, at.n, at.stage.steps, denoiser.evaluations, of)
    except StopAsked:
        yield events.Stopped(at.stage.number, at.n)
    except torch.OutOfMemoryError as fault:
        stage = at.stage
        words = errors.OUT_OF_MEMORY.format(stage=stage.number, width=stage.width, height=stage.height)
        raise Fault(words) from fault
    else:
        yield events.Finished(made.stage.number)


def _accepted(job: Job) -> events.Accepted:
    recipe = job.plan.recipe
    notes = (errors.RESCALE_ON_CANVAS,) if recipe.faithful and recipe.guidance_rescale else ()
    sizes = tuple((stage.scale, stage.size) for stage in job.plan.stages)
    first = job.below.stage.number + 1 if job.below else 1
    return events.Accepted(str(job.run), recipe, sizes, job.evaluations, first, job.unused, notes)


class _Clock:
    """Seconds and evaluations since it was last read."""

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser = denoiser
        self.since, self.counted = time.monotonic(), denoiser.evaluations

    def read(self) -> tuple[float, int]:
        now, count = time.monotonic(), self.denoiser.evaluations
        spent = now - self.since, count - self.counted
        self.since, self.counted = now, count
        return spent


def _kept(job: Job, made: Made, clock: _Clock) -> events.StageDone:
    """Decodes a finished latent and puts it on disk."""
    stage, latent = made.stage, made.latent
    if not torch.isfinite(latent).all():
        raise Fault(errors.NOT_FINITE.format(stage=stage.number))
    picture = codec.decode(job.model.vae, latent)
    seconds, evaluations = clock.read()
    done = {"seconds": round(seconds, 3), "evaluations": evaluations, "steps": stage.steps}
    kept = store.Kept(latent.cpu().numpy(), (made.tone.mean, made.tone.deviation))
    store.keep(job.run, stage.number, kept, picture, job.plan.recipe, done)
    return events.StageDone(
        stage.number,
        stage.scale,
        stage.size,
        str(store.picture_path(job.run, stage.number)),
        str(store.latents_path(job.run, stage.number)),
        seconds,
        evaluations,
    )
