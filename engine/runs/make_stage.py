"""`make_stage` makes one stage of a prepared run from what lies in the run's folder, and stores it there.

So the stages of a run may be made by different processes, one after another.
"""

import logging
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from PIL import Image

from engine import errors, hardware
from engine.catalogue.upscalers import LANCZOS
from engine.control import load
from engine.control.conditioning import Conditioning
from engine.errors import BadRecipe, Fault, StopRequested
from engine.formulas.noise import Noise
from engine.loop import sample_stages
from engine.network import lora
from engine.network.model import Model
from engine.network.patching.apply import check_patched_parts
from engine.planning.cost import largest_fitting
from engine.planning.enlargement import TILE_SIDE, tile_count
from engine.planning.stage import Stage
from engine.recipe import images
from engine.recipe.recall import ENGINE_VERSION
from engine.recipe.recipe import DEFAULTS_VERSION, to_dict
from engine.runs import events, layout, store
from engine.runs.cache import RunCache
from engine.runs.clock import Stopwatch
from engine.runs.pace import Pace
from engine.runs.prepare import PreparedRun
from engine.runs.resume import environment_record, recorded_view_batch
from engine.sampling.denoiser import Denoiser, Stop
from engine.sampling.signals import (
    NetworkCalled,
    Signal,
    StageMade,
    StepStarted,
    TileUpscaled,
    X0Predicted,
)
from engine.sampling.start import LoopInputs
from engine.sampling.tone import Tone
from engine.upscale.load import Upscaler, load_upscaler
from engine.upscale.tiles import TileDone, enlarge_picture
from engine.vae import codec

log = logging.getLogger(__name__)

# Seconds between two marks that a running run is in use, so that RunCache.sweep does not remove it.
MARK_INTERVAL = 60.0
# Yields the events of a stage, and returns whether the stage is finished.
StageEvents = Generator[events.Event, None, bool]


@dataclass(frozen=True)
class Parts:
    """What a run needs beside the model."""

    # The files and weights of the recipe's LoRAs.
    loras: lora.LoraFiles
    # The run's controls.
    conditioning: Conditioning
    # The network that enlarges the pictures of finished stages; None without one.
    upscaler: Upscaler | None


class StopSignal:
    """Says whether a run is to stop: its caller has set a signal, or its folder contains the file STOP_FILE."""

    def __init__(self, run: PreparedRun, signal: Stop | None) -> None:
        """Watch a run. signal: the caller's signal; None without one."""
        self._path, self._signal = run.folder / store.STOP_FILE, signal

    def is_set(self) -> bool:
        """Return whether the run is to stop."""
        return (self._signal is not None and self._signal.is_set()) or os.path.exists(self._path)

    def check(self) -> None:
        """Raise StopRequested if the run is to stop."""
        if self.is_set():
            raise StopRequested


def load_parts(run: PreparedRun, model: Model) -> Parts:
    """Load what a run needs beside the model; raise BadRecipe if something is missing or does not fit the model."""
    stages, recipe = run.remaining, run.plan.recipe
    check_patched_parts(
        model.unet, model.facts.name, (patches for stage in stages for patches in stage.patches)
    )
    loras = lora.find_loras(recipe.loras)
    controlnets = load.load_controlnets(recipe.controls, model)
    upscaler = _load_upscaler(stages, model)
    return Parts(loras, load.build_conditioning(recipe.controls, controlnets, run.control_images), upscaler)


def _load_upscaler(stages: tuple[Stage, ...], model: Model) -> Upscaler | None:
    """Return the network that enlarges pictures for these stages; None without one.

    Raise BadRecipe if it is missing.
    """
    name = next((stage.upscaler for stage in stages if stage.upscaler), "")
    if not name or name == LANCZOS:
        return None
    try:
        return load_upscaler(name, model.device, model.unet.dtype)
    except Fault as fault:
        raise BadRecipe("enlarge", fault.sentence) from fault


def make_stage(
    run: PreparedRun,
    number: int,
    model: Model,
    *,
    parts: Parts | None = None,
    noise: object = None,
    stop: Stop | None = None,
) -> StageEvents:
    """Make one stage of a run, store it in the run's folder, and yield events; return whether it is finished.

    The last event is StageDone, Stopped or Failed; no exception is raised. The stage below must lie in the folder.

    number: the stage's number.
    parts: what `load_parts` has loaded for the run; None to load it.
    noise: overrides random draws, see engine.formulas.noise.Noise.
    stop: an object such as threading.Event. The stage stops before the next call of the network when stop.is_set(),
        or when there is a file named `stop` in the run's folder.
    """

    def stage_events() -> StageEvents:
        try:
            work = StageWork(
                run, number, model, parts or load_parts(run, model), noise, StopSignal(run, stop)
            )
            return (yield from work.carry_out())
        finally:
            hardware.release_memory(model.device)

    return (yield from report_faults(stage_events()))


def report_faults(made: StageEvents) -> StageEvents:
    """Yield events; an exception becomes a Failed event. Return what `made` returns, False after a failure."""
    try:
        return (yield from made)
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
    return False


@dataclass
class StageWork:
    """The work on one stage."""

    run: PreparedRun
    # The stage's number.
    number: int
    model: Model
    parts: Parts
    # Overrides random draws; None to draw by the seed.
    noise: object
    stop: StopSignal
    # Measures the seconds of the work.
    clock: Stopwatch = field(default_factory=Stopwatch)

    @property
    def stage(self) -> Stage:
        """The stage that is made."""
        return self.run.plan.stages[self.number - 1]

    @cached_property
    def stored_below(self) -> store.StoredStage | None:
        """The stage below, read from the run's folder; None for the first stage."""
        if self.number == 1:
            return None
        _, folder = store.find_stage(self.run.folder, self.number - 1)
        return store.read_or_set_aside(folder)

    @property
    def view_batch(self) -> int:
        """The number of views in one call of the network. After a lack of memory later stages keep the smaller one."""
        planned = self.stage.view_batch
        if self.number == self.run.first or self.stored_below is None:
            return planned
        return min(planned, recorded_view_batch(self.stored_below) or planned)

    def carry_out(self) -> StageEvents:
        """Make the stage; see make_stage."""
        position, signal, made, is_out_of_memory = StepStarted(self.stage, 0), None, None, False
        try:
            with lora.apply_loras(self.model.pipeline, self.parts.loras):
                denoiser = self.make_denoiser()
                view_batch = denoiser.view_batch
                for signal in self.mark_as_used_meanwhile(self.clock.measure(self.signals(denoiser))):
                    match signal:
                        case StepStarted():
                            position = signal
                        case NetworkCalled():
                            if denoiser.view_batch != view_batch:
                                view_batch = denoiser.view_batch
                                yield events.Retreated(self.number, view_batch)
                            yield self.progress_event(position, denoiser.evaluations)
                        case TileUpscaled():
                            yield from self.upscaling_events(signal, view_batch)
                        case X0Predicted():
                            image = codec.preview(signal.x0, self.model.preview_matrix)
                            yield events.Preview(self.number, position.n, image)
                        case StageMade():
                            made = signal
            assert made is not None  # It is the loop's last signal.
            yield from self.store(made, denoiser)
        except StopRequested:
            yield events.Stopped(self.number, position.n)
        except (MemoryError, RuntimeError) as fault:
            if not hardware.is_out_of_memory(fault):
                raise
            is_out_of_memory = True
        else:
            return True
        if is_out_of_memory:
            # Outside of the except block, so that the exception no longer holds what filled the memory.
            signal = made = None
            yield events.Failed(self.out_of_memory_message())
        return False

    def signals(self, denoiser: Denoiser) -> Iterator[Signal]:
        """Run the loop for this stage and yield its signals."""
        noise = Noise(self.run.plan.recipe.seed, self.noise)
        inputs = LoopInputs(denoiser, noise, self.encode_start_image, self.upscale)
        return sample_stages((self.stage,), self.read_below(), inputs)

    def read_below(self) -> StageMade | None:
        """Return the stage below as the loop takes it; None for the first stage."""
        if self.stored_below is None:
            return None
        latent = torch.from_numpy(self.stored_below.latents).to(self.model.device)
        return StageMade(
            self.run.plan.stages[self.number - 2],
            latent,
            Tone.from_numbers(*self.stored_below.tone, latent.device),
        )

    def make_denoiser(self) -> Denoiser:
        """Encode the prompt and return the denoiser for the stage."""
        recipe, passes = self.run.plan.recipe, self.stage.guidance_passes
        text = self.model.encode_text(recipe.prompt, recipe.negative, passes)
        return Denoiser(
            self.model,
            text,
            passes,
            self.view_batch,
            self.stop,
            self.parts.conditioning,
            pads_batches=self.model.compiled is not None,
        )

    def encode_start_image(self, stage: Stage, below: torch.Tensor | None) -> torch.Tensor | None:
        """Return the latent of the start image at a stage's size, from which the stage starts.

        Return None if there is no start image, or if it does not have more pixels than the stage below.

        below: the latent of the stage below; None for the first stage.
        """
        if self.run.image is None:
            return None
        facts = self.model.facts
        pixels_below = 0 if below is None else below.shape[-2] * below.shape[-1] * facts.cell**2
        if not self._start_image_has_more_pixels(pixels_below):
            return None
        cropped = images.crop_to_fill(images.read(self.run.image), stage.size)
        return codec.encode(self.model.vae, cropped, facts.window).to(self.model.device)

    def upscale(self, stage: Stage) -> Generator[TileUpscaled, None, tuple[Image.Image, torch.Tensor]]:
        """Enlarge the picture below the stage by the stage's upscaler; see engine.sampling.start.Upscale.

        Whether to stop is looked at between the upscaler's layers.
        """
        self.stop.check()
        below, network = self._picture_below(), self.parts.upscaler
        factor, side = (network.factor, TILE_SIDE if network.tiles else None) if network else (1, None)
        yield TileUpscaled(0, tile_count((below.height, below.width), stage.size, factor, side))
        enlarged = enlarge_picture(below, stage.size, network, check=self.stop.check)
        picture = yield from _signal_tiles(enlarged)
        latent = codec.encode(self.model.vae, picture, self.model.facts.window)
        return picture, latent.to(self.model.device)

    def _picture_below(self) -> Image.Image:
        """Return the picture that the stage's upscaler enlarges: the stage below as stored, or the start image.

        The start image takes the place of the stage below if it has more px. A resumed run reads the same file, so it
        makes the same picture.
        """
        if self.number > 1:
            _, folder = store.find_stage(self.run.folder, self.number - 1)
            below = images.read(folder / store.PICTURE_FILE)
            if not self._start_image_has_more_pixels(below.height * below.width):
                return below
        assert self.run.image is not None  # Without a start image the first stage is drawn, not enlarged.
        return images.crop(images.read(self.run.image), self.stage.size)

    def _start_image_has_more_pixels(self, pixels_below: int) -> bool:
        """Return whether there is a start image that has more px than the stage below, in its crop for the stage."""
        if self.run.image is None:
            return False
        return images.count_crop_pixels(images.measure(self.run.image), self.stage.size) > pixels_below

    def progress_event(self, position: StepStarted, evaluations: int) -> events.Progress:
        """Return the event for a call of the network. evaluations: those of this stage so far."""
        before, of = self.run.evaluations_before(self.number), self.run.accepted.evaluations
        return events.Progress(self.number, position.n, self.stage.step_count, before + evaluations, of)

    def upscaling_events(self, signal: TileUpscaled, view_batch: int) -> Iterator[events.Event]:
        """Yield the events for a tile of an enlargement.

        view_batch: the number of views in one call of the network, which does not change here.
        """
        if signal.smaller_side:
            yield events.Retreated(self.number, view_batch, signal.smaller_side // self.stage.facts.cell)
        yield events.Upscaling(self.number, signal.done, signal.of)

    def mark_as_used_meanwhile(self, signals: Iterator[Signal]) -> Iterator[Signal]:
        """Yield the loop's signals, and mark the run's folder as used every MARK_INTERVAL seconds."""
        cache = RunCache(self.run.folder.parent)
        marked = cache.clock()
        for signal in signals:
            yield signal
            if cache.clock() - marked > MARK_INTERVAL:
                cache.mark_used(self.run.folder)
                marked = cache.clock()

    def store(self, made: StageMade, denoiser: Denoiser) -> Iterator[events.Event]:
        """Decode a finished latent, store it with its picture and record, and yield the resulting events."""
        stage, latent = made.stage, made.latent
        if not torch.isfinite(latent).all():
            raise Fault(errors.NOT_FINITE.format(stage=stage.number))
        # The sides of the smaller tiles that the decoder used when memory ran out.
        smaller_tiles: list[int] = []
        picture = made.picture
        if picture is None:
            with self.clock:
                picture = codec.decode(self.model.vae, latent, self.model.facts.window, smaller_tiles.append)
        for tile in smaller_tiles:
            yield events.Retreated(stage.number, denoiser.view_batch, tile)
        seconds, evaluations = self.clock.reset(), denoiser.evaluations
        measured = {"seconds": round(seconds, 3), "evaluations": evaluations}
        record = self.record(denoiser.view_batch) | measured
        stored = store.StoredStage(latent.cpu().numpy(), made.tone.to_numbers(), record)
        folder = store.write_stage(self.run.folder, stage.number, record["key"], stored, picture)
        Pace(self.run.folder.parent).learn(replace(stage, facts=self.model.facts), seconds)
        yield events.StageDone(
            stage.number,
            stage.scale,
            stage.size,
            str(folder / store.PICTURE_FILE),
            str(folder / store.LATENTS_FILE),
            seconds,
            evaluations,
        )

    def record(self, view_batch: int) -> dict[str, Any]:
        """Return the record that is stored with the stage: the recipe, and how the stage was made.

        view_batch: the number of views in the stage's last call of the network.
        """
        # The model's own facts, because another device may have prepared the run.
        planned, facts = self.run.plan, self.model.facts
        return environment_record(facts, view_batch) | {
            "recipe": to_dict(planned.recipe),
            "engine": ENGINE_VERSION,
            "defaults": DEFAULTS_VERSION,
            "stage": self.number,
            "scale": self.stage.scale,
            "layout": layout.to_dict(layout.stage_layout(planned, self.number)),
            "key": self.run.key(self.number),
            "model": facts.name,
            "model_hash": facts.hash,
            "space": facts.latent_space,
            "steps": self.stage.step_count,
        }

    def out_of_memory_message(self) -> str:
        """Return the message that memory ran out, with the largest size that would fit."""
        hardware.release_memory(self.model.device)
        height, width = self.stage.size
        fitting = largest_fitting(self.run.plan, self.stage, hardware.free_memory(self.model.device))
        sentence = errors.OUT_OF_MEMORY if fitting else errors.OUT_OF_MEMORY_HERE
        fit = f"{fitting[1]} x {fitting[0]}" if fitting else ""
        return sentence.format(stage=self.number, width=width, height=height, fit=fit)


def _signal_tiles(
    tiles: Generator[TileDone, None, Image.Image],
) -> Generator[TileUpscaled, None, Image.Image]:
    """Yield a signal for each tile of an enlargement, and return the picture."""
    side = TILE_SIDE
    while True:
        try:
            tile = next(tiles)
        except StopIteration as end:
            return end.value
        yield TileUpscaled(tile.done, tile.of, tile.tile if tile.tile < side else None)
        side = min(side, tile.tile)
