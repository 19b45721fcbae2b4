"""One run, settled: what is asked, where it starts, where it is kept."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from engine import errors
from engine.control import load
from engine.control.conditioning import Steering
from engine.errors import Fault
from engine.formulas.noise import Noise
from engine.network import lora
from engine.network.model import Model
from engine.network.patching.apply import check_parts
from engine.planning.plan import Plan, plan
from engine.planning.stage import Stage
from engine.recipe import images as picture
from engine.recipe.effects import unused_settings
from engine.recipe.files import with_files
from engine.recipe.recall import ENGINE
from engine.recipe.recipe import Recipe, to_dict
from engine.runs import events, keys, layout, store
from engine.runs.cache import Shelf
from engine.runs.clock import Clock
from engine.runs.pace import Pace
from engine.runs.resume import Start, elsewhere, place_of, start_of, told
from engine.sampling.denoiser import Denoiser
from engine.sampling.signals import Made
from engine.sampling.tone import Tone
from engine.vae import codec

TRIES = 3


class Stops:
    """Whether a run is to stop: it is told by the caller, or by a file in its folder."""

    def __init__(self, run: Path, given: Any) -> None:
        self.path, self.given = run / store.STOP, given

    def is_set(self) -> bool:
        return (self.given is not None and self.given.is_set()) or os.path.exists(self.path)


@dataclass(frozen=True)
class Job:
    """keys: of the stages ahead. kept: the stages before them, as this run tells of them.
    upload: the start picture, in the run's folder. loras: files on this machine. steering: what is followed.
    """

    asked: Recipe
    plan: Plan
    start: Start
    ahead: tuple[Stage, ...]
    keys: tuple[str, ...]
    kept: tuple[events.StageDone, ...]
    model: Model
    noise: Noise
    shelf: Shelf
    run: Path
    upload: Path | None = None
    loras: lora.Worn = ()
    steering: Steering | None = None

    @property
    def evaluations(self) -> int:
        return sum(stage.evaluations for stage in self.ahead)

    @property
    def below(self) -> Made | None:
        """What the first stage ahead starts from."""
        last = self.start.last
        if last is None:
            return None
        latent = torch.from_numpy(last.kept.latents).to(self.model.device)
        return Made(self.plan.stages[self.start.number - 1], latent, Tone(*last.kept.tone))

    def given(self, stage: Stage, below: torch.Tensor | None) -> torch.Tensor | None:
        """The start picture's latent for a stage, while it has more px of it than the stage below."""
        if self.upload is None:
            return None
        facts = self.model.facts
        known = 0 if below is None else below.shape[-2] * below.shape[-1] * facts.cell**2
        if picture.pixels(picture.measure(self.upload), stage.size) <= known:
            return None
        filling = picture.filling(picture.read(self.upload), stage.size)
        return codec.encode(self.model.vae, filling, facts.window).to(self.model.device)

    def accepted(self) -> events.Accepted:
        recipe, plan, notes = self.plan.recipe, self.plan, []
        if recipe.faithful and recipe.guidance_rescale:
            notes.append(errors.RESCALE_ON_CANVAS)
        if not self.asked.scheduler and recipe.scheduler != plan.facts.defaults.scheduler:
            notes.append(errors.SCHEDULER_REPLACED.format(name=recipe.scheduler))
        if self.ahead and (note := elsewhere(self.start, plan)):
            notes.append(note)
        sizes = tuple((stage.scale, stage.size) for stage in plan.stages)
        first, silenced = self.start.number + 1, unused_settings(self.asked)
        return events.Accepted(
            str(self.run), recipe, sizes, self.evaluations, first, silenced, tuple(notes), self.kept, plan
        )

    def denoiser(self, stop: Any) -> Denoiser:
        recipe, first = self.plan.recipe, self.ahead[0]
        with lora.wearing(self.model.pipeline, self.loras):
            text = self.model.encode_text(recipe.prompt, recipe.negative, first.guidance_passes)
        stops = Stops(self.run, stop)
        return Denoiser(self.model, text, first.guidance_passes, first.view_batch, stops, self.steering)

    def finish(self, made: Made, denoiser: Denoiser, clock: Clock) -> Iterator[events.Event]:
        """Decodes a finished latent, puts it on disk, and tells of both."""
        stage, latent = made.stage, made.latent
        if not torch.isfinite(latent).all():
            raise Fault(errors.NOT_FINITE.format(stage=stage.number))
        smaller: list[int] = []
        with clock:
            picture = codec.decode(self.model.vae, latent, self.model.facts.window, smaller.append)
        for side in smaller:
            yield events.Retreated(stage.number, denoiser.view_batch, side)
        seconds, evaluations = clock.read(), denoiser.counted()
        record = self.record(stage, denoiser.view_batch) | {
            "seconds": round(seconds, 3),
            "evaluations": evaluations,
        }
        kept = store.Kept(latent.cpu().numpy(), (made.tone.mean, made.tone.deviation), record)
        folder = store.write(self.run, stage.number, record["key"], kept, picture)
        Pace(self.shelf.root).learn(stage, seconds)
        image, latents = str(folder / store.PICTURE), str(folder / store.LATENTS)
        yield events.StageDone(stage.number, stage.scale, stage.size, image, latents, seconds, evaluations)

    def record(self, stage: Stage, view_batch: int) -> dict[str, Any]:
        """What was asked, and what was really run."""
        facts = self.plan.facts
        return place_of(self.plan) | {
            "recipe": to_dict(self.plan.recipe),
            "engine": ENGINE,
            "stage": stage.number,
            "layout": layout.to_dict(layout.layout_of(self.plan, stage.number)),
            "scale": stage.scale,
            "key": self.keys[stage.number - self.start.number - 1],
            "model": facts.name,
            "model_hash": facts.hash,
            "space": facts.space,
            "steps": stage.step_count,
            "view_batch": view_batch,
        }


def _take_along(start: Start, run: Path, cell: int) -> list[events.StageDone]:
    return [
        told(number, found, store.take_along(found.folder, run, number, found.key), cell)
        for number, found in start.found.items()
    ]


def _find_image(image: Any, shelf: Shelf) -> Any:
    """Return the file of a picture that is named by its digest, None if no run keeps it; a path as it is."""
    return shelf.upload(image) if picture.is_digest(image) else image


def settle(
    recipe: Recipe,
    model: Model,
    out: Path,
    noise: Any,
    resume: tuple[str | Path, int] | None,
    until: int | None,
    run: Path | None,
) -> Job:
    """All that can be known before the work starts; BadRecipe where it cannot be done."""
    shelf = Shelf(out)
    recipe = with_files(recipe, partial(_find_image, shelf=shelf))
    planned = plan(recipe, model.facts)
    check_parts(model.unet, model.facts.name, (bends for stage in planned.stages for bends in stage.patches))
    loras = lora.worn(planned.recipe.loras)
    nets = load.load_controlnets(planned.recipe.controls, model)
    for tries in range(TRIES):
        whole, start, last = start_of(recipe, planned, shelf, resume, until, keyed=noise is None)
        run = run or shelf.new_run()
        try:
            kept = _take_along(start, run, model.facts.cell)
            upload = None if recipe.image is None else store.keep_upload(run, recipe.image)
            pictures = tuple(store.keep_upload(run, control.image) for control in recipe.controls)
            break
        except FileNotFoundError:  # Swept since it was found: look again.
            if tries == TRIES - 1:
                raise
    ahead = whole.stages[start.number : last]
    # Under noise from outside a picture is nobody else's.
    named = keys.stage_keys(ahead, start.last.key if start.last else "")
    named = named if noise is None else tuple(keys.unique_key() for _ in ahead)
    seeded = Noise(whole.recipe.seed, noise)
    steering = load.build_conditioning(whole.recipe.controls, nets, pictures)
    return Job(
        recipe, whole, start, ahead, named, tuple(kept), model, seeded, shelf, run, upload, loras, steering
    )
