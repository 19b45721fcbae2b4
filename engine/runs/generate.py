"""`generate` carries out a recipe: it runs the loop, stores every finished stage and yields the run's events."""

import logging
from collections.abc import Iterator
from pathlib import Path

from engine import errors, hardware
from engine.errors import BadRecipe, Fault, StopRequested
from engine.loop import sample_stages
from engine.network.lora import LoraFiles, apply_loras
from engine.network.model import Model
from engine.network.pipeline import Pipeline
from engine.planning.cost import largest_fitting
from engine.planning.stage import Stage
from engine.recipe.recipe import Recipe
from engine.runs import events
from engine.runs.clock import Stopwatch
from engine.runs.prepare import PreparedRun, prepare
from engine.sampling.denoiser import Stop
from engine.sampling.signals import NetworkCalled, Signal, StageMade, StepStarted, TileUpscaled, X0Predicted
from engine.sampling.start import LoopInputs
from engine.vae import codec

log = logging.getLogger(__name__)

# Seconds between two marks that a running run is in use, so that RunCache.sweep does not remove it.
MARK_INTERVAL = 60.0


def generate(
    recipe: Recipe,
    model: Model,
    *,
    out: str | Path,
    noise: object = None,
    resume: tuple[str | Path, int] | None = None,
    stop: Stop | None = None,
    until: int | None = None,
    run: Path | None = None,
) -> Iterator[events.Event]:
    """Carry out a recipe and yield its events. A fault ends the run with a Failed event, never an exception.

    Stages that some run under `out` has already finished with the same settings are reused.

    out: the root folder of all runs.
    noise: overrides random draws, see engine.formulas.noise.Noise.
    resume: (run folder, k) continues from stage k of that run, even if that stage was made with other settings.
    stop: an object such as threading.Event. The run stops before the next call of the network when stop.is_set(), or
        when there is a file named `stop` in the run's folder.
    until: the number of the stage after which the run ends; None for the last stage.
    run: the run's folder; None creates a new folder.

    Closing the iterator also stops the run.
    """
    try:
        prepared = prepare(recipe, model, Path(out), noise, resume, until, run)
        try:
            yield from _run_events(prepared, stop)
        finally:
            hardware.release_memory(model.device)
    except BadRecipe as fault:
        yield events.Failed(fault.sentence, fault.field)
    except Fault as fault:
        yield events.Failed(fault.sentence)
    except OSError as fault:
        log.warning("a stage could not be written: %s", fault)
        reason = fault.strerror or type(fault).__name__
        yield events.Failed(errors.RUN_FOLDER_NOT_WRITABLE.format(reason=reason))
    except Exception as fault:
        yield events.unexpected(fault)


def _run_events(run: PreparedRun, stop: Stop | None) -> Iterator[events.Event]:
    """Run the loop and yield an event for each signal that concerns the reader.

    stop: the caller's signal to stop, see `generate`.
    """
    yield run.accepted_event()
    if not run.remaining:
        yield events.Finished(run.resume_point.number)
        return
    position, signal, is_out_of_memory = StepStarted(run.remaining[0], 0), None, False
    try:
        denoiser, clock = run.make_denoiser(stop), Stopwatch()
        view_batch = denoiser.view_batch
        signals = sample_stages(
            run.remaining,
            run.below,
            LoopInputs(denoiser, run.noise, run.encode_start_image, run.upscale_with(stop)),
        )
        signals = _with_loras(signals, run.model.pipeline, run.loras)
        for signal in _mark_as_used_meanwhile(clock.measure(signals), run):
            match signal:
                case StepStarted():
                    position = signal
                case NetworkCalled():
                    if denoiser.view_batch != view_batch:
                        view_batch = denoiser.view_batch
                        yield events.Retreated(position.stage.number, view_batch)
                    yield _progress_event(position, denoiser.evaluations, run.evaluations)
                case TileUpscaled():
                    yield from _upscaling_events(signal, position.stage, view_batch)
                case X0Predicted():
                    image = codec.preview(signal.x0, run.model.preview_matrix)
                    yield events.Preview(position.stage.number, position.n, image)
                case StageMade():
                    yield from run.finish_stage(signal, denoiser, clock)
    except StopRequested:
        yield events.Stopped(position.stage.number, position.n)
    except (MemoryError, RuntimeError) as fault:
        if not hardware.is_out_of_memory(fault):
            raise
        is_out_of_memory = True
    else:
        yield events.Finished(position.stage.number)
    if is_out_of_memory:
        # Outside of the except block, so that the exception no longer holds what filled the memory.
        signal = None
        yield events.Failed(_out_of_memory_message(run, position.stage))


def _progress_event(position: StepStarted, evaluations: int, of: int) -> events.Progress:
    """Return the event for a call of the network; `of` is the number of evaluations in the whole run."""
    stage = position.stage
    return events.Progress(stage.number, position.n, stage.step_count, evaluations, of)


def _upscaling_events(signal: TileUpscaled, stage: Stage, view_batch: int) -> Iterator[events.Event]:
    """Yield the events for a tile of an enlargement.

    view_batch: the number of views in one call of the network, which does not change here.
    """
    if signal.smaller_side:
        yield events.Retreated(stage.number, view_batch, signal.smaller_side // stage.facts.cell)
    yield events.Upscaling(stage.number, signal.done, signal.of)


def _with_loras(signals: Iterator[Signal], pipeline: Pipeline, loras: LoraFiles) -> Iterator[Signal]:
    """Yield the loop's signals, with LoRAs applied during each stage only: other runs use the model in between."""
    for signal in signals:  # The first signal of a stage comes before the network is called.
        with apply_loras(pipeline, loras):
            while not isinstance(signal, StageMade):
                yield signal
                signal = next(signals)
        yield signal


def _mark_as_used_meanwhile(signals: Iterator[Signal], run: PreparedRun) -> Iterator[Signal]:
    """Yield the loop's signals, and mark the run's folder as used every MARK_INTERVAL seconds."""
    marked = run.cache.clock()
    for signal in signals:
        yield signal
        if run.cache.clock() - marked > MARK_INTERVAL:
            run.cache.mark_used(run.folder)
            marked = run.cache.clock()


def _out_of_memory_message(run: PreparedRun, stage: Stage) -> str:
    """Return the message that memory ran out at a stage, with the largest size that would fit."""
    hardware.release_memory(run.model.device)
    height, width = stage.size
    fitting = largest_fitting(run.plan, stage, hardware.free_memory(run.model.device))
    sentence = errors.OUT_OF_MEMORY if fitting else errors.OUT_OF_MEMORY_HERE
    fit = f"{fitting[1]} x {fitting[0]}" if fitting else ""
    return sentence.format(stage=stage.number, width=width, height=height, fit=fit)
