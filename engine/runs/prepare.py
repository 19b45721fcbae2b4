"""Prepare a run of a loaded model: make its plan, find where it resumes, load its ControlNets, LoRAs and images."""

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from engine import errors
from engine.catalogue.upscalers import LANCZOS
from engine.control import load
from engine.control.conditioning import Conditioning
from engine.errors import BadRecipe, Fault, StopRequested
from engine.formulas.noise import Noise
from engine.methods import METHODS
from engine.network import lora
from engine.network.model import Model
from engine.network.patching.apply import check_patched_parts
from engine.planning.enlargement import TILE_SIDE, tile_count
from engine.planning.plan import Plan, plan
from engine.planning.stage import Stage
from engine.recipe import images
from engine.recipe.effects import changed_but_ineffective_settings
from engine.recipe.files import with_files
from engine.recipe.recall import ENGINE_VERSION
from engine.recipe.recipe import Recipe, to_dict
from engine.runs import events, keys, layout, store
from engine.runs.cache import RunCache
from engine.runs.clock import Stopwatch
from engine.runs.pace import Pace
from engine.runs.resume import (
    ResumePoint,
    environment_note,
    environment_record,
    find_resume_point,
    stage_done_event,
)
from engine.sampling.denoiser import Denoiser, Stop
from engine.sampling.signals import StageMade, TileUpscaled
from engine.sampling.start import Upscale
from engine.sampling.tone import Tone
from engine.upscale.load import Upscaler, load_upscaler
from engine.upscale.tiles import TileDone, enlarge_picture
from engine.vae import codec

# The number of attempts to link cached stages. RunCache.sweep may remove a stage between look-up and link.
LINK_ATTEMPTS = 3


class StopSignal:
    """Says whether a run is to stop: its caller has set a signal, or its folder contains the file STOP_FILE."""

    def __init__(self, run: Path, signal: Stop | None) -> None:
        """Watch a run.

        run: the run's folder.
        signal: the caller's signal; None without one.
        """
        self._path, self._signal = run / store.STOP_FILE, signal

    def is_set(self) -> bool:
        """Return whether the run is to stop."""
        return (self._signal is not None and self._signal.is_set()) or os.path.exists(self._path)


@dataclass(frozen=True)
class PreparedRun:
    """A run that is ready to start: what the loop needs, and what is stored with its results."""

    # The recipe as requested, with its images as files.
    requested: Recipe
    # The plan, whose recipe has every field filled.
    plan: Plan
    # The stage after which the run starts.
    resume_point: ResumePoint
    # The stages that are still to be made.
    remaining: tuple[Stage, ...]
    # The stage keys of the remaining stages.
    keys: tuple[str, ...]
    # The events of the cached stages, which come before the remaining stages.
    cached: tuple[events.StageDone, ...]
    model: Model
    # The random draws of the run.
    noise: Noise
    # The runs from which cached stages come.
    cache: RunCache
    # The run's folder.
    folder: Path
    # The start image's file in the run's folder; None without a start image.
    image: Path | None = None
    # The files and weights of the recipe's LoRAs.
    loras: lora.LoraFiles = ()
    # The run's controls, loaded.
    conditioning: Conditioning | None = None
    # The network that enlarges the pictures of finished stages; None without one.
    upscaler: Upscaler | None = None

    @property
    def evaluations(self) -> int:
        """The number of evaluations in the remaining stages."""
        return sum(stage.evaluations for stage in self.remaining)

    @property
    def below(self) -> StageMade | None:
        """The cached stage that the first remaining stage starts from; None if the run starts with its first stage."""
        last = self.resume_point.last
        if last is None:
            return None
        latent = torch.from_numpy(last.stored.latents).to(self.model.device)
        return StageMade(self.plan.stages[self.resume_point.number - 1], latent, Tone(*last.stored.tone))

    def encode_start_image(self, stage: Stage, below: torch.Tensor | None) -> torch.Tensor | None:
        """Return the latent of the start image at a stage's size, from which the stage starts.

        Return None if there is no start image, or if it does not have more pixels than the stage below.

        below: the latent of the stage below; None for the first stage.
        """
        if self.image is None:
            return None
        facts = self.model.facts
        pixels_below = 0 if below is None else below.shape[-2] * below.shape[-1] * facts.cell**2
        if not self._has_more_pixels(pixels_below, stage):
            return None
        cropped = images.crop_to_fill(images.read(self.image), stage.size)
        return codec.encode(self.model.vae, cropped, facts.window).to(self.model.device)

    def upscale_with(self, stop: Stop | None) -> Upscale:
        """Return the function that enlarges the picture below a stage by the stage's upscaler.

        stop: the caller's signal to stop, see StopSignal; it is looked at between the upscaler's layers.
        """
        signal = StopSignal(self.folder, stop)

        def upscale(stage: Stage) -> Generator[TileUpscaled, None, tuple[Image.Image, torch.Tensor]]:
            def check() -> None:
                if signal.is_set():
                    raise StopRequested

            check()
            below, network = self._picture_below(stage), self.upscaler
            factor, side = (network.factor, TILE_SIDE if network.tiles else None) if network else (1, None)
            yield TileUpscaled(0, tile_count((below.height, below.width), stage.size, factor, side))
            picture = yield from _signal_tiles(enlarge_picture(below, stage.size, network, check=check))
            latent = codec.encode(self.model.vae, picture, self.model.facts.window)
            return picture, latent.to(self.model.device)

        return upscale

    def _picture_below(self, stage: Stage) -> Image.Image:
        """Return the picture that a stage's upscaler enlarges: the stage below as stored, or the start image.

        The start image takes the place of the stage below if it has more px. A resumed run reads the same file, so it
        makes the same picture.
        """
        if stage.number > 1:
            _, folder = store.find_stage(self.folder, stage.number - 1)
            below = images.read(folder / store.PICTURE_FILE)
            if not self._has_more_pixels(below.height * below.width, stage):
                return below
        assert self.image is not None  # Without a start image the first stage is drawn, not enlarged.
        return images.crop(images.read(self.image), stage.size)

    def _has_more_pixels(self, pixels_below: int, stage: Stage) -> bool:
        """Return whether there is a start image that has more px than the stage below, in its crop for a stage."""
        if self.image is None:
            return False
        return images.count_crop_pixels(images.measure(self.image), stage.size) > pixels_below

    def accepted_event(self) -> events.Accepted:
        """Return the first event of the run."""
        return events.Accepted(
            run=str(self.folder),
            recipe=self.plan.recipe,
            stages=tuple((stage.scale, stage.size) for stage in self.plan.stages),
            evaluations=self.evaluations,
            first=self.resume_point.number + 1,
            unused=changed_but_ineffective_settings(self.requested),
            notes=tuple(self._notes()),
            kept=self.cached,
            plan=self.plan,
        )

    def _notes(self) -> Iterator[str]:
        """Yield sentences for the person who requested the run, on what may be unexpected."""
        recipe, facts = self.plan.recipe, self.plan.facts
        if recipe.faithful and recipe.guidance_rescale:
            yield errors.RESCALE_ON_CANVAS
        if not self.requested.scheduler and recipe.scheduler != facts.defaults.scheduler:
            yield errors.SCHEDULER_REPLACED.format(name=recipe.scheduler)
        note = environment_note(self.resume_point, self.plan)
        if self.remaining and note:
            yield note

    def make_denoiser(self, stop: Stop | None) -> Denoiser:
        """Encode the prompt and return the denoiser for the remaining stages.

        stop: the caller's signal to stop, see StopSignal.
        """
        recipe, first = self.plan.recipe, self.remaining[0]
        with lora.apply_loras(self.model.pipeline, self.loras):
            text = self.model.encode_text(recipe.prompt, recipe.negative, first.guidance_passes)
        stop_signal = StopSignal(self.folder, stop)
        return Denoiser(
            self.model, text, first.guidance_passes, first.view_batch, stop_signal, self.conditioning
        )

    def finish_stage(self, made: StageMade, denoiser: Denoiser, clock: Stopwatch) -> Iterator[events.Event]:
        """Decode a finished latent, store it with its picture and record, and yield the resulting events.

        clock: the stopwatch that has measured the stage so far; it is reset.
        """
        stage, latent = made.stage, made.latent
        if not torch.isfinite(latent).all():
            raise Fault(errors.NOT_FINITE.format(stage=stage.number))
        # The sides of the smaller tiles that the decoder used when memory ran out.
        smaller_tiles: list[int] = []
        picture = made.picture
        if picture is None:
            with clock:
                picture = codec.decode(self.model.vae, latent, self.model.facts.window, smaller_tiles.append)
        for tile in smaller_tiles:
            yield events.Retreated(stage.number, denoiser.view_batch, tile)
        seconds, evaluations = clock.reset(), denoiser.count_new_evaluations()
        measured = {"seconds": round(seconds, 3), "evaluations": evaluations}
        record = self._record(stage, denoiser.view_batch) | measured
        stored = store.StoredStage(latent.cpu().numpy(), (made.tone.mean, made.tone.deviation), record)
        folder = store.write_stage(self.folder, stage.number, record["key"], stored, picture)
        Pace(self.cache.root).learn(stage, seconds)
        yield events.StageDone(
            stage.number,
            stage.scale,
            stage.size,
            str(folder / store.PICTURE_FILE),
            str(folder / store.LATENTS_FILE),
            seconds,
            evaluations,
        )

    def _record(self, stage: Stage, view_batch: int) -> dict[str, Any]:
        """Return the record that is stored with a stage: the recipe, and how the stage was made.

        view_batch: the number of views in the stage's last call of the network.
        """
        facts = self.plan.facts
        return environment_record(self.plan) | {
            "recipe": to_dict(self.plan.recipe),
            "engine": ENGINE_VERSION,
            "stage": stage.number,
            "scale": stage.scale,
            "layout": layout.to_dict(layout.stage_layout(self.plan, stage.number)),
            "key": self.keys[stage.number - self.resume_point.number - 1],
            "model": facts.name,
            "model_hash": facts.hash,
            "space": facts.latent_space,
            "steps": stage.step_count,
            "view_batch": view_batch,
        }


def prepare(
    recipe: Recipe,
    model: Model,
    out: Path,
    noise: object,
    resume: tuple[str | Path, int] | None,
    until: int | None,
    run: Path | None,
) -> PreparedRun:
    """Return a run that is ready to start; raise BadRecipe if the recipe cannot be carried out.

    The arguments are those of `generate`.
    """
    cache = RunCache(out)
    recipe = with_files(recipe, partial(_find_image, cache=cache))
    if resume is not None and recipe.method in METHODS and METHODS[recipe.method].upscales:
        recipe = replace(recipe, image=None)  # The chosen stage is the picture to enlarge.
    planned = plan(recipe, model.facts)
    check_patched_parts(
        model.unet, model.facts.name, (patches for stage in planned.stages for patches in stage.patches)
    )
    loras = lora.find_loras(planned.recipe.loras)
    controlnets = load.load_controlnets(planned.recipe.controls, model)
    attempt = 0
    while True:
        attempt += 1
        resumed, resume_point, last = find_resume_point(
            recipe, planned, cache, resume, until, use_keys=noise is None
        )
        remaining = resumed.stages[resume_point.number : last]
        upscaler = _load_upscaler(remaining, model)
        run = run or cache.create_run()
        try:
            cached = _link_cached_stages(resume_point, run, model.facts.cell)
            image = None if recipe.image is None else store.store_image(run, recipe.image)
            control_images = tuple(
                store.store_image(run, control.checked_image) for control in recipe.controls
            )
            break
        except FileNotFoundError:  # It was swept after it was found.
            if attempt == LINK_ATTEMPTS:
                raise
    return PreparedRun(
        requested=recipe,
        plan=resumed,
        resume_point=resume_point,
        remaining=remaining,
        keys=_keys_for_stages(remaining, resume_point, has_own_noise=noise is not None),
        cached=cached,
        model=model,
        noise=Noise(resumed.recipe.seed, noise),
        cache=cache,
        folder=run,
        image=image,
        loras=loras,
        conditioning=load.build_conditioning(resumed.recipe.controls, controlnets, control_images),
        upscaler=upscaler,
    )


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


def _find_image(image: object, cache: RunCache) -> object:
    """Return the stored file of an image's digest, None if no run stores it; return a path unchanged."""
    return cache.find_image(image) if images.is_digest(image) else image


def _link_cached_stages(resume_point: ResumePoint, run: Path, cell: int) -> tuple[events.StageDone, ...]:
    """Link the cached stages into a run's folder and return their events.

    cell: the side of a latent cell in px.
    """
    return tuple(
        stage_done_event(number, stage, store.link_stage(stage.folder, run, number, stage.key), cell)
        for number, stage in resume_point.cached_stages.items()
    )


def _keys_for_stages(
    stages: tuple[Stage, ...], resume_point: ResumePoint, has_own_noise: bool
) -> tuple[str, ...]:
    """Return the stage keys of stages that are still to be made.

    has_own_noise: whether the caller overrides random draws. The keys are random then, so that no other run reuses
        the stages.
    """
    if has_own_noise:
        return tuple(keys.unique_key() for _ in stages)
    return keys.stage_keys(stages, resume_point.last_key)
