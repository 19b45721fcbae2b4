"""The loop, and what surrounds it. `stages` is the method; `generate` adds the disk and the events."""

import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine import codec, errors, events, store
from engine.clock import Clock
from engine.denoiser import Denoiser
from engine.errors import BadRecipe, Fault, StopAsked, short
from engine.field import field
from engine.guidance import guide
from engine.handover import begin
from engine.models import Model
from engine.noise import Noise
from engine.plan import Plan, plan
from engine.recipe import Recipe, unused
from engine.solver import Solver
from engine.stage import Stage
from engine.tone import Tone

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
def stages(
    ahead: tuple[Stage, ...], below: Made | None, denoiser: Denoiser, noise: Noise
) -> Iterator[Moment]:
    """DemoFusion: every stage is handed over from the one below, then pulled, predicted, guided, stepped."""
    latent, tone = (below.latent, below.tone) if below else (None, None)
    for stage in ahead:
        yield At(stage, 0)
        recipe, facts = stage.recipe, stage.facts
        shape = (1, facts.channels, stage.rows, stage.cols)
        solver = Solver(recipe.scheduler, facts.scheduler, recipe.steps, stage.schedule)
        canvas, anchor = begin(latent, stage, solver, noise, shape, denoiser.device)
        clean = None
        for n, step in enumerate(stage.schedule.steps, 1):
            yield At(stage, n)
            i = step.index
            if anchor:
                canvas = anchor.pull(canvas, step, clean)
            shown = solver.shown(canvas, i)
            offset = partial(noise.jitter, stage.number, i, shape[-2:])
            predictions, seen = yield from field(denoiser, shown, stage, step, offset)
            prediction = guide(predictions, recipe.guidance, recipe.guidance_rescale)
            clean = solver.clean(prediction, i, seen)
            yield Foreseen(clean)
            prediction = solver.for_canvas(prediction, i, shown, seen, recipe.lattice)
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
        yield from _tell(_settle(recipe, model, Path(out), noise, resume, until), stop)
    except BadRecipe as fault:
        yield events.Failed(fault.sentence, fault.field)
    except Fault as fault:
        yield events.Failed(fault.sentence)
    except OSError as fault:
        log.warning("a stage could not be written: %s", fault)
        yield events.Failed(errors.DISK.format(reason=fault.strerror or type(fault).__name__))
    except Exception:
        code = secrets.token_hex(2)
        log.exception("unexpected fault %s", code)
        yield events.Failed(errors.UNEXPECTED.format(code=code), code=code)


@dataclass(frozen=True)
class Job:
    """What is settled before any work starts: the plan, the stages ahead, and the one they start from."""

    asked: Recipe
    plan: Plan
    ahead: tuple[Stage, ...]
    below: Made | None
    model: Model
    noise: Noise
    run: Path

    @property
    def evaluations(self) -> int:
        return sum(stage.evaluations for stage in self.ahead)


def _settle(
    recipe: Recipe,
    model: Model,
    out: Path,
    noise: Any,
    resume: tuple[str | Path, int] | None,
    until: int | None,
) -> Job:
    whole = plan(recipe, model.facts)
    last = len(whole.stages) if until is None else _stage(whole, until, "until").number
    below = None if resume is None else _resumed(whole, resume, model.device)
    done = below.stage.number if below else 0
    if done >= last:
        raise BadRecipe("until", errors.NOTHING_LEFT.format(resume=done, until=last))
    run = store.new_run(out)
    if below:
        store.take_along(resume[0], run, done)
    seeded = Noise(whole.recipe.seed, noise)
    return Job(recipe, whole, whole.stages[done:last], below, model, seeded, run)


def _stage(plan: Plan, number: Any, field: str) -> Stage:
    if isinstance(number, bool) or not isinstance(number, Integral):
        raise BadRecipe(field, errors.NOT_A_STAGE.format(field=field, value=short(number)))
    if not 1 <= number <= len(plan.stages):
        raise BadRecipe(field, errors.NO_SUCH_STAGE.format(stage=short(number), last=len(plan.stages)))
    return plan.stages[number - 1]


def _resumed(plan: Plan, resume: tuple[str | Path, int], device: Any) -> Made:
    if not isinstance(resume, tuple | list) or len(resume) != 2 or not isinstance(resume[0], str | Path):
        raise BadRecipe("resume", errors.NOT_A_STAGE.format(field="resume", value=short(resume)))
    stage = _stage(plan, resume[1], "resume")
    kept = store.read(*resume)
    wanted = (1, plan.facts.channels, stage.rows, stage.cols)
    if kept.latents.shape != wanted:
        found, wanted = (" x ".join(map(str, shape[1:])) for shape in (kept.latents.shape, wanted))
        raise BadRecipe("resume", errors.RESUME_SHAPE.format(stage=stage.number, found=found, wanted=wanted))
    return Made(stage, torch.from_numpy(kept.latents).to(device), Tone(*kept.tone))


def _tell(job: Job, stop: Any) -> Iterator[events.Event]:
    yield _accepted(job)
    at = At(job.ahead[0], 0)
    try:
        denoiser, clock = _denoiser(job, stop), Clock()
        for moment in clock.during(stages(job.ahead, job.below, denoiser, job.noise)):
            match moment:
                case At():
                    at = moment
                case None:
                    done, of = denoiser.evaluations, job.evaluations
                    yield events.Progress(at.stage.number, at.n, at.stage.steps, done, of)
                case Foreseen():
                    yield events.Preview(at.stage.number, at.n, codec.preview(moment.clean, job.model.matrix))
                case Made():
                    yield _finish(job, moment, denoiser, clock)
    except StopAsked:
        yield events.Stopped(at.stage.number, at.n)
    except (MemoryError, RuntimeError) as fault:
        if not _is_memory(fault):
            raise
        height, width = at.stage.size
        words = errors.OUT_OF_MEMORY.format(stage=at.stage.number, width=width, height=height)
        raise Fault(words) from fault
    else:
        yield events.Finished(at.stage.number)


def _is_memory(fault: Exception) -> bool:
    """torch tells of a full CPU by a plain RuntimeError."""
    return isinstance(fault, MemoryError | torch.OutOfMemoryError) or "not enough memory" in str(fault)


def _accepted(job: Job) -> events.Accepted:
    recipe = job.plan.recipe
    notes = []
    if recipe.faithful and recipe.guidance_rescale:
        notes.append(errors.RESCALE_ON_CANVAS)
    if not job.asked.scheduler and recipe.scheduler != job.plan.facts.defaults.scheduler:
        notes.append(errors.SCHEDULER_SWAPPED.format(name=recipe.scheduler))
    sizes = tuple((stage.scale, stage.size) for stage in job.plan.stages)
    first, silenced = job.ahead[0].number, unused(job.asked)
    return events.Accepted(str(job.run), recipe, sizes, job.evaluations, first, silenced, tuple(notes))


def _denoiser(job: Job, stop: Any) -> Denoiser:
    recipe, first = job.plan.recipe, job.ahead[0]
    text = job.model.encode_text(recipe.prompt, recipe.negative, first.copies)
    return Denoiser(job.model, text, first.copies, first.view_batch, stop)


def _finish(job: Job, made: Made, denoiser: Denoiser, clock: Clock) -> events.StageDone:
    """Decodes a finished latent and puts it on disk."""
    stage, latent = made.stage, made.latent
    if not torch.isfinite(latent).all():
        raise Fault(errors.NOT_FINITE.format(stage=stage.number))
    with clock:
        picture = codec.decode(job.model.vae, latent)
    seconds, evaluations = clock.read(), denoiser.counted()
    done = {"seconds": round(seconds, 3), "evaluations": evaluations, "steps": stage.steps}
    kept = store.Kept(latent.cpu().numpy(), (made.tone.mean, made.tone.deviation))
    store.write(job.run, stage.number, kept, picture, job.plan.recipe, done)
    image, latents = store.picture_path(job.run, stage.number), store.latents_path(job.run, stage.number)
    return events.StageDone(
        stage.number, stage.scale, stage.size, str(image), str(latents), seconds, evaluations
    )
