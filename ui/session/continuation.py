"""Whether the Generate button continues the run on display instead of starting a new one."""

from dataclasses import dataclass, replace

from engine.planning.stage import Stage
from ui.session.progress import RunProgress
from ui.session.services import Services
from ui.session.session import Session

# Settings that must be those of the run. With other values of them the larger stages would show another picture.
SETTINGS_OF_THE_PICTURE = ("prompt", "seed", "model", "image", "controls")
# A run continues from a stage if the plan's aspect differs from the stage's by less than this fraction.
ASPECT_TOLERANCE = 0.05


@dataclass(frozen=True)
class Continuation:
    """The run on display and the stages that are still to be made of it."""

    # The run.
    run: RunProgress
    # The number and the size, (height, width) in px, of the last finished stage.
    number: int
    size: tuple[int, int]
    # The stages of the present plan that are made.
    stages: tuple[Stage, ...]
    # Whether the settings on the page are exactly those of the run.
    has_same_settings: bool


def find_continuation(session: Session, services: Services) -> Continuation | None:
    """Return how the run on display continues with the settings on the page; None if it does not.

    It does if it has ended, has a finished stage and lacks one, and if the settings would make the same picture of it.
    """
    run, plan = session.shown_run, session.plan
    if run is None or run.plan is None or plan is None or run.is_complete:
        return None
    if run.name in services.examples:
        return None
    if services.is_active(run):
        return None
    finished = services.finished_stages(run.folder)
    if not finished:
        return None
    last, made = finished[-1], run.plan.recipe
    is_other = any(getattr(made, name) != getattr(plan.recipe, name) for name in SETTINGS_OF_THE_PICTURE)
    if is_other or not has_aspect_of(plan.stages[-1], last.size):
        return None
    area = last.size[0] * last.size[1]
    stages = tuple(stage for stage in plan.stages if stage.size[0] * stage.size[1] > area)
    if not stages:
        return None
    pause = session.pause_after or 0
    if pause >= stages[0].number:
        stages = tuple(stage for stage in stages if stage.number <= pause)
    has_same_settings = made == replace(plan.recipe, view_batch=made.view_batch)
    return Continuation(run, last.number, last.size, stages, has_same_settings)


def is_already_made(session: Session, services: Services) -> bool:
    """Return whether the run on display is complete and was made with exactly the settings of the page."""
    shown = session.shown_run
    if not (shown and shown.plan and session.plan):
        return False
    if len(services.finished_stages(shown.folder)) < len(shown.plan.stages):
        return False
    made = shown.plan.recipe
    return made == replace(session.plan.recipe, view_batch=made.view_batch)


def has_aspect_of(stage: Stage, size: tuple[int, int]) -> bool:
    """Return whether a stage has the aspect of a size, (height, width), nearly."""
    (height, width), aspect = stage.size, size[1] / size[0]
    return abs(width / height - aspect) < ASPECT_TOLERANCE * aspect
