"""Prepare a run: make its plan, find where it resumes, and put what it reuses into its folder. No torch.

What remains is made stage by stage, by any process that has the model: see make_stage.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from engine import errors
from engine.catalogue.entries import Facts
from engine.methods import METHODS
from engine.planning.plan import Plan, plan
from engine.planning.stage import Stage
from engine.recipe import images
from engine.recipe.effects import changed_but_ineffective_settings
from engine.recipe.files import with_files
from engine.recipe.recipe import Recipe
from engine.runs import events, keys, store
from engine.runs.cache import CachedStage, RunCache
from engine.runs.resume import ResumePoint, environment_note, find_resume_point, stage_done_event

# The number of attempts to link cached stages. RunCache.sweep may remove a stage between look-up and link.
LINK_ATTEMPTS = 3


@dataclass(frozen=True)
class PreparedRun:
    """A run of which only the remaining stages have to be made. It can be pickled."""

    # The run's folder. It contains the stages that are reused, and the recipe's images.
    folder: Path
    # The plan, whose recipe has every field filled.
    plan: Plan
    # The number of the first stage that is to be made, and of the last one; the first is larger if none is left.
    first: int
    last: int
    # The stage keys of the stages that are to be made.
    keys: tuple[str, ...]
    # The start image's file in the run's folder; None without a start image.
    image: Path | None
    # The file in the run's folder of each control's image.
    control_images: tuple[Path, ...]
    # The first event of the run.
    accepted: events.Accepted

    @property
    def remaining(self) -> tuple[Stage, ...]:
        """The stages that are to be made."""
        return self.plan.stages[self.first - 1 : self.last]

    def key(self, number: int) -> str:
        """Return the stage key of a stage that is to be made."""
        return self.keys[number - self.first]

    def evaluations_before(self, number: int) -> int:
        """Return the number of evaluations of the stages that are made before the stage of this number."""
        return sum(stage.evaluations for stage in self.plan.stages[self.first - 1 : number - 1])


def prepare(
    recipe: Recipe,
    facts: Facts,
    cache: RunCache,
    *,
    resume: tuple[str | Path, int] | None = None,
    until: int | None = None,
    run: Path | None = None,
    use_keys: bool = True,
) -> PreparedRun:
    """Return a run that is ready to start; raise BadRecipe if the recipe cannot be carried out.

    facts: those of the loaded model.
    cache: the runs from which stages are reused, and among which a new run is.
    resume, until, run: see `generate`.
    use_keys: whether stages with equal keys are reused, by this run and by others after it.
    """
    recipe = with_files(recipe, partial(_find_image, cache=cache))
    if resume is not None and recipe.method in METHODS and METHODS[recipe.method].upscales:
        recipe = replace(recipe, image=None)  # The chosen stage is the picture to enlarge.
    planned = plan(recipe, facts)
    attempt = 0
    while True:
        attempt += 1
        resumed, resume_point, last = find_resume_point(recipe, planned, cache, resume, until, use_keys)
        run = run or cache.create_run()
        try:
            kept = _link_cached_stages(resume_point, run, facts.cell)
            image = None if recipe.image is None else store.store_image(run, recipe.image)
            control_images = tuple(
                store.store_image(run, control.checked_image) for control in recipe.controls
            )
            break
        except FileNotFoundError:  # It was swept after it was found.
            if attempt == LINK_ATTEMPTS:
                raise
    first = resume_point.number + 1
    remaining = resumed.stages[first - 1 : last]
    notes = _notes(recipe, resumed, resume_point, bool(remaining))
    return PreparedRun(
        folder=run,
        plan=resumed,
        first=first,
        last=last,
        keys=_keys_for_stages(remaining, resume_point, use_keys),
        image=image,
        control_images=control_images,
        accepted=events.Accepted(
            run=str(run),
            recipe=resumed.recipe,
            stages=tuple((stage.scale, stage.size) for stage in resumed.stages),
            evaluations=sum(stage.evaluations for stage in remaining),
            first=first,
            unused=changed_but_ineffective_settings(recipe),
            notes=tuple(notes),
            kept=kept,
            plan=resumed,
        ),
    )


def reuse_stage(run: PreparedRun, number: int, folder: Path) -> events.StageDone:
    """Put a stage that another run has finished since into a run's folder, and return its event.

    Raise BadRecipe or OSError if it is damaged or was removed.

    number: the stage's number. folder: the stage's folder in the other run.
    """
    key, cell = run.key(number), run.plan.facts.cell
    stage = CachedStage(key, folder, store.read_or_set_aside(folder))
    return stage_done_event(number, stage, store.link_stage(folder, run.folder, number, key), cell)


def _notes(
    requested: Recipe, planned: Plan, resume_point: ResumePoint, has_remaining_stages: bool
) -> Iterator[str]:
    """Yield sentences for the person who requested the run, on what may be unexpected."""
    recipe, facts = planned.recipe, planned.facts
    if recipe.faithful and recipe.guidance_rescale:
        yield errors.RESCALE_ON_CANVAS
    if not requested.scheduler and recipe.scheduler != facts.defaults.scheduler:
        yield errors.SCHEDULER_REPLACED.format(name=recipe.scheduler)
    note = environment_note(resume_point, planned)
    if has_remaining_stages and note:
        yield note


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


def _keys_for_stages(stages: tuple[Stage, ...], resume_point: ResumePoint, use_keys: bool) -> tuple[str, ...]:
    """Return the stage keys of stages that are still to be made.

    use_keys: whether other runs may reuse the stages; otherwise the keys are random.
    """
    if use_keys:
        return keys.stage_keys(stages, resume_point.last_key)
    return tuple(keys.unique_key() for _ in stages)
