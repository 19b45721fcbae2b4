"""What all open pages share: models, the queue, finished runs and uploads."""

import logging
import re
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from engine.catalogue.entries import Facts, ModelEntry
from engine.errors import Fault
from engine.planning.plan import Plan, plan
from engine.runs import store
from engine.runs.cache import RunCache
from engine.runs.keys import stage_keys
from engine.runs.pace import Pace
from engine.serving.model_pool import ModelPool
from engine.serving.queue import MAX_WAITING, UNWATCHED_SECONDS, RunQueue, UnknownRun
from ui.session.finished import FinishedStage, plan_of_stored_recipe, read_finished_stages
from ui.session.progress import RunProgress
from ui.session.session import Sessions
from ui.session.uploads import Uploads

log = logging.getLogger(__name__)

# The name of the run that comes with the app.
EXAMPLE = "example"
# Seconds between two searches for runs and uploads that are too old.
CLEANUP_INTERVAL = 300.0
_RUN_NAME = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, eq=False)
class Services:
    """The parts of the running app that do not belong to a single page."""

    pool: ModelPool
    queue: RunQueue
    # The finished stages of all runs.
    cache: RunCache
    # The folder of the run that comes with the app.
    example: Path | None = None
    # The id of the Hugging Face Space that hosts the app, as owner/name.
    space: str | None = None
    sessions: Sessions = field(default_factory=Sessions)
    uploads: Uploads = field(default_factory=Uploads)

    @property
    def pace(self) -> Pace:
        """How fast this machine has finished stages so far."""
        return Pace(self.cache.root)

    def entry(self, model: str = "") -> ModelEntry:
        """Return a model's entry in the catalogue; the first model's for an empty name."""
        return self.pool.entry(model)

    def facts(self, model: str = "") -> Facts:
        """Return what is known of a model; more once it is loaded."""
        return self.pool.facts(model)

    def facts_or_none(self, model: str) -> Facts | None:
        """Return what is known of a model; None if it is not on this machine."""
        try:
            return self.facts(model)
        except Fault:
            return None

    def resolve_model(self, model: object, fallback: str = "") -> str:
        """Return a model's name as recipes of a page hold it: empty for the first model.

        model: any value that came from outside; the fallback is returned if it names no model of this app.
        """
        first, *others = self.pool.entries
        if model in ("", first):
            return ""
        return model if isinstance(model, str) and model in others else fallback

    def run_folder(self, name: object) -> Path | None:
        """Return a run's folder; None if there is no such run. The name may be any value from outside."""
        if name == EXAMPLE:
            return self.example
        if not (isinstance(name, str) and _RUN_NAME.fullmatch(name)):
            return None
        folder = self.cache.root / name
        return folder if folder.is_dir() else None

    def finished_stages(self, run: Path) -> tuple[FinishedStage, ...]:
        """Return the finished stages in a run's folder."""
        return read_finished_stages(run, self.facts_or_none)

    def count_cached(self, planned: Plan) -> int:
        """Return how many of a plan's first stages are cached; 0 while the model's weights are unknown."""
        if not planned.facts.hash:
            return 0
        return self.cache.count_cached(stage_keys(planned.stages))

    def run_progress(self, name: str) -> RunProgress | None:
        """Return what the queue remembers of a run, or what its folder holds; None if the run is gone."""
        folder = self.run_folder(name)
        if folder is None:
            return None
        progress = RunProgress(folder)
        try:
            events, progress.next_event = self.queue.events_since(name)
            progress.take_events(events)
            progress.until, progress.pause_after = self.queue.stage_limits(name)
        except UnknownRun:
            pass
        if not progress.finished:
            progress.finished = {stage.number: stage for stage in self.finished_stages(folder)}
        if progress.plan is None:
            progress.plan = self._stored_plan(folder)
        return progress

    def _stored_plan(self, folder: Path) -> Plan | None:
        """Return the plan of the largest finished stage in a run's folder; None if it cannot be planned."""
        stages = self.finished_stages(folder)
        facts = self.facts_or_none(stages[-1].recipe.model) if stages else None
        return plan_of_stored_recipe(stages[-1].recipe, facts) if facts else None

    def refresh_plan(self, planned: Plan) -> Plan:
        """Return the plan, made anew if its model was loaded in the meantime; raise Fault if that fails."""
        facts = self.facts(planned.recipe.model)
        return planned if planned.facts is facts else plan(planned.recipe, facts)

    def is_active(self, progress: RunProgress) -> bool:
        """Return whether a run is waiting or in progress."""
        return progress.end is None and progress.run in self.queue.active_runs()

    def remove_run(self, name: str) -> bool:
        """Remove a run's folder unless a run in the queue needs it. Return whether it was removed."""
        folder = self.run_folder(name)
        if folder is None or name == EXAMPLE or folder in self.queue.needed_paths():
            return False
        self.cache.remove_run(folder)
        return True

    def clean_up(self) -> None:
        """Remove runs and uploads that are too old."""
        try:
            self.cache.sweep(tuple(self.queue.needed_paths()))
            self.uploads.sweep()
        except OSError as fault:
            log.warning("old files could not be removed: %s", fault)


def start_cleanup(services: Services, interval: float = CLEANUP_INTERVAL) -> threading.Event:
    """Start a thread that cleans up at regular intervals. Return the event that stops it."""
    stop = threading.Event()

    def clean_up_until_stopped() -> None:
        while not stop.wait(interval):
            services.clean_up()

    threading.Thread(target=clean_up_until_stopped, name="cleanup", daemon=True).start()
    return stop


def open_services(
    root: Path,
    pool: ModelPool,
    *,
    age: float,
    size: float = float("inf"),
    example: Path | None = None,
    space: str | None = None,
    max_waiting: int = MAX_WAITING,
    unwatched_seconds: float = UNWATCHED_SECONDS,
) -> Services:
    """Return the services of an app.

    root: the folder of all runs.
    age, size: the seconds for which runs are kept, and the bytes that they may take together.
    example: the folder of the run that comes with the app.
    space: the id of the Hugging Face Space that hosts the app.
    max_waiting, unwatched_seconds: see RunQueue.
    """
    root.mkdir(parents=True, exist_ok=True)
    cache = RunCache(root.resolve(), max_age=age, max_bytes=size)
    queue = RunQueue(
        cache,
        pool.start_run,
        partial(pool.estimate, root=cache.root),
        max_waiting=max_waiting,
        unwatched_seconds=unwatched_seconds,
    )
    has_example = example is not None and example.is_dir() and bool(store.finished_stages(example))
    services = Services(
        pool,
        queue,
        cache,
        example if has_example else None,
        space,
        uploads=Uploads(needed_paths=queue.needed_paths),
    )
    services.clean_up()
    return services
