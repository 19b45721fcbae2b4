"""The loop, and what surrounds it. `stages` is the method; `generate` adds the disk and the events."""

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from engine import errors, hardware
from engine.runs import events
from engine.runs.clock import Clock
from engine.errors import BadRecipe, Fault, StopAsked
from engine.formulas.noise import Noise
from engine.runs.prepare import Job, settle
from engine.network.lora import by_stage
from engine.network.model import Model
from engine.planning.fitting import largest_fitting
from engine.planning.stage import Stage
from engine.recipe.recipe import Recipe
from engine.sampling.denoiser import Denoiser
from engine.sampling.fuse import field
from engine.sampling.guidance import guide
from engine.sampling.signals import At, Foreseen, Made, Moment
from engine.sampling.solver import Solver
from engine.sampling.start import Given, begin, nothing
from engine.sampling.tone import Tone
from engine.vae import codec

log = logging.getLogger(__name__)

LOOKED_EVERY = 60.0
"""Seconds between marks that a run is at work."""


@torch.inference_mode()
def stages(
    ahead: tuple[Stage, ...], below: Made | None, denoiser: Denoiser, noise: Noise, given: Given = nothing
) -> Iterator[Moment]:
    """DemoFusion: every stage is handed over from the one below, then pulled, predicted, guided, stepped.

    given: what a start picture hands over instead.
    """
    latent, tone = (below.latent, below.tone) if below else (None, None)
    for stage in ahead:
        yield At(stage, 0)
        recipe, facts = stage.recipe, stage.facts
        shape = (1, facts.channels, stage.rows, stage.cols)
        solver = Solver(recipe.scheduler, facts.scheduler, recipe.steps, stage.schedule)
        canvas, anchor = begin(latent, stage, solver, noise, shape, denoiser.device, given)
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
    run: Path | None = None,
) -> Iterator[events.Event]:
    """Carries out a recipe and tells of it. A fault comes as one Failed, never as an exception.

    It starts after the longest chain of finished stages that is kept under `out`, the root of all runs.
    noise: see noise.Noise; what it lacks comes from the seed.    until: ends after that stage.
    resume: (run folder, k) grows on from that stage, whatever the settings it was made with.
    stop: has is_set(), looked at before every call of the network, as is a file `stop` in the run's folder.
    Closing the iterator stops as well.    run: its folder, if there is one already.
    """
    try:
        job = settle(recipe, model, Path(out), noise, resume, until, run)
        try:
            yield from _tell(job, stop)
        finally:
            hardware.give_back(model.device)
    except BadRecipe as fault:
        yield events.Failed(fault.sentence, fault.field)
    except Fault as fault:
        yield events.Failed(fault.sentence)
    except OSError as fault:
        log.warning("a stage could not be written: %s", fault)
        yield events.Failed(errors.DISK.format(reason=fault.strerror or type(fault).__name__))
    except Exception as fault:
        yield events.unexpected(fault)


def _tell(job: Job, stop: Any) -> Iterator[events.Event]:
    yield job.accepted()
    if not job.ahead:
        yield events.Finished(job.start.number)
        return
    at, looked, full = At(job.ahead[0], 0), job.shelf.clock(), False
    try:
        denoiser, clock = job.denoiser(stop), Clock()
        views, moment = denoiser.view_batch, None
        made = stages(job.ahead, job.below, denoiser, job.noise, job.given)
        for moment in clock.during(by_stage(made, job.model.pipeline, job.loras)):
            match moment:
                case At():
                    at = moment
                case None:
                    if denoiser.view_batch != views:
                        views = denoiser.view_batch
                        yield events.Retreated(at.stage.number, views)
                    done, of = denoiser.evaluations, job.evaluations
                    yield events.Progress(at.stage.number, at.n, at.stage.steps, done, of)
                case Foreseen():
                    yield events.Preview(at.stage.number, at.n, codec.preview(moment.clean, job.model.matrix))
                case Made():
                    yield from job.finish(moment, denoiser, clock)
            if job.shelf.clock() - looked > LOOKED_EVERY:
                job.shelf.look(job.run)
                looked = job.shelf.clock()
    except StopAsked:
        yield events.Stopped(at.stage.number, at.n)
    except (MemoryError, RuntimeError) as fault:
        if not hardware.is_memory(fault):
            raise
        full = True
    else:
        yield events.Finished(at.stage.number)
    if full:
        # Only now is the fault, which holds on to what filled the memory, let go.
        moment = None
        yield events.Failed(_out_of_memory(job, at.stage))


def _out_of_memory(job: Job, stage: Stage) -> str:
    hardware.give_back(job.model.device)
    height, width = stage.size
    fits = largest_fitting(job.plan, stage, hardware.free(job.model.device))
    words = errors.OUT_OF_MEMORY if fits else errors.OUT_OF_MEMORY_HERE
    fit = f"{fits[1]} x {fits[0]}" if fits else ""
    return words.format(stage=stage.number, width=width, height=height, fit=fit)
