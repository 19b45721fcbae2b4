"""What all open pages share: models, the queue, finished runs and uploads."""

import logging
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from engine.catalogue.entries import Facts, ModelEntry
from engine.errors import Fault
from engine.planning.plan import Plan, plan
from engine.runs import store
from engine.runs.cache import RunCache
from engine.runs.keys import stage_keys
from engine.runs.owner import is_owner
from engine.runs.pace import Pace
from engine.serving.models import Models
from engine.serving.queue import MAX_PER_CLIENT, MAX_WAITING, UNWATCHED_SECONDS, RunQueue, UnknownRun
from ui.session.finished import FinishedStage, plan_of_stored_recipe, read_finished_stages
from ui.session.progress import RunProgress
from ui.session.session import Sessions
from ui.session.streams import EventStreams
from ui.session.upload_folder import UploadFolder
from ui.session.uploads import MAX_UPLOADS_BYTES, Uploads

log = logging.getLogger(__name__)

# The name of the example that the page opens with.
EXAMPLE = "example"
# Seconds between two clean-ups of old runs and uploads.
CLEANUP_INTERVAL = 300.0
# The largest part of the bytes for runs that uploads may take: those as they arrived, and as much the store's copies.
MAX_UPLOADS_SHARE = 0.25
# Matches the name of any run but the examples.
_RUN_NAME = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, eq=False)
class Services:
    """The parts of the running app that do not belong to a single page."""

    # The models of the app.
    pool: Models
    # The runs that are waiting or in progress.
    queue: RunQueue
    # The finished stages of all runs.
    cache: RunCache
    # The folders of the runs that come with the app, by name; EXAMPLE is the one that the page opens with.
    examples: Mapping[str, Path] = field(default_factory=dict)
    # The id (owner/name) of the Hugging Face Space that hosts the app; None if no Space hosts the app.
    space: str | None = None
    # The sessions of all open pages.
    sessions: Sessions = field(default_factory=Sessions)
    # The images that were uploaded to all pages.
    uploads: Uploads = field(default_factory=Uploads)
    # The event streams over which pages and programs get events.
    streams: EventStreams = field(default_factory=EventStreams)
    # Gradio's folder of uploads as they arrive.
    upload_folder: UploadFolder = field(default_factory=UploadFolder)

    @property
    def pace(self) -> Pace:
        """The record of how fast this machine computed stages, from which seconds are estimated."""
        return Pace(self.cache.root)

    def entry(self, model: str = "") -> ModelEntry:
        """Return a model's entry in the catalogue. An empty name means the first model."""
        return self.pool.entry(model)

    def facts(self, model: str = "") -> Facts:
        """Return a model's facts; raise Fault if the model is not on this machine.

        Some facts are known only after the model was loaded. An empty name means the first model.
        """
        return self.pool.facts(model)

    def facts_or_none(self, model: str) -> Facts | None:
        """Return a model's facts; None if the model is not on this machine."""
        try:
            return self.facts(model)
        except Fault:
            return None

    def resolve_model(self, model: object, fallback: str = "") -> str:
        """Return the name of a model as recipes store it, which is empty for the first model.

        model: any value from outside.
        fallback: the name to return if `model` is not the name of a model of this app.
        """
        first, *others = self.pool.entries
        if model in ("", first):
            return ""
        return model if isinstance(model, str) and model in others else fallback

    def run_folder(self, name: object, owner: str) -> Path | None:
        """Return the folder of an owner's run or of an example; None if there is no such run.

        name: any value from outside.
        owner: the owner's secret. The name alone gives no access, because it is part of the URLs of pictures.
        """
        if not isinstance(name, str):
            return None
        if name in self.examples:
            return self.examples[name]
        if not _RUN_NAME.fullmatch(name):
            return None
        folder = self.cache.root / name
        return folder if folder.is_dir() and is_owner(folder, owner) else None

    def finished_stages(self, run: Path) -> tuple[FinishedStage, ...]:
        """Return the finished stages in a run's folder, the first stage first.

        run: the folder.
        """
        return read_finished_stages(run, self.facts_or_none)

    def count_cached(self, planned: Plan) -> int:
        """Return the number of a plan's first stages that are cached; 0 if the model's weights are not known yet."""
        if not planned.facts.hash:
            return 0
        return self.cache.count_cached(stage_keys(planned.stages))

    def run_progress(self, name: object, owner: str) -> RunProgress | None:
        """Return the state of an owner's run or of an example; None if there is no such run.

        The state comes from the events in the queue. What they do not say is read from the run's folder.
        """
        folder = self.run_folder(name, owner)
        if folder is None or not isinstance(name, str):
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
            progress.plan = self._plan_from_folder(folder)
        return progress

    def _plan_from_folder(self, folder: Path) -> Plan | None:
        """Return the plan made from the recipe of the largest finished stage in a run's folder.

        Return None if there is no finished stage or if the recipe can no longer be planned.
        """
        stages = self.finished_stages(folder)
        facts = self.facts_or_none(stages[-1].recipe.model) if stages else None
        return plan_of_stored_recipe(stages[-1].recipe, facts) if facts else None

    def refresh_plan(self, planned: Plan) -> Plan:
        """Return a plan of the same recipe for the model's present facts, which change when the model is loaded.

        Raise Fault if the recipe can no longer be planned.
        """
        facts = self.facts(planned.recipe.model)
        return planned if planned.facts is facts else plan(planned.recipe, facts)

    def is_active(self, progress: RunProgress) -> bool:
        """Return whether a run is waiting or in progress."""
        return progress.end is None and progress.folder in self.queue.active_runs()

    def remove_run(self, name: str, owner: str) -> bool:
        """Remove the folder of an owner's run unless a run in the queue needs it. Return whether it was removed."""
        folder = self.run_folder(name, owner)
        if folder is None or name in self.examples or folder in self.queue.needed_paths():
            return False
        self.cache.remove_run(folder)
        return True

    def clean_up(self) -> None:
        """Remove runs and uploads that are too old or take too much disk space."""
        try:
            self.cache.sweep(tuple(self.queue.needed_paths()))
            self.uploads.sweep()
            self.upload_folder.remove_old()
        except OSError as fault:
            log.warning("old files could not be removed: %s", fault)


def start_cleanup(services: Services, interval: float = CLEANUP_INTERVAL) -> threading.Event:
    """Start a thread that removes old runs and uploads regularly. Return the event that stops the thread.

    interval: the seconds between two clean-ups.
    """
    stop = threading.Event()

    def clean_up_until_stopped() -> None:
        while not stop.wait(interval):
            services.clean_up()

    threading.Thread(target=clean_up_until_stopped, name="cleanup", daemon=True).start()
    return stop


def _find_examples(example: Path | None, others: Path | None) -> dict[str, Path]:
    """Return the folders of the examples by name, the one that the page opens with first."""
    folders = {EXAMPLE: example} if example else {}
    if others and others.is_dir():
        folders |= {folder.name: folder for folder in sorted(others.iterdir())}
    return {
        name: folder
        for name, folder in folders.items()
        if folder.is_dir() and not _RUN_NAME.fullmatch(name) and store.finished_stages(folder)
    }


def open_services(
    root: Path,
    pool: Models,
    *,
    max_age: float,
    max_bytes: float = float("inf"),
    example: Path | None = None,
    other_examples: Path | None = None,
    space: str | None = None,
    max_waiting: int = MAX_WAITING,
    max_per_client: int = MAX_PER_CLIENT,
    unwatched_seconds: float = UNWATCHED_SECONDS,
    upload_folder: UploadFolder | None = None,
) -> Services:
    """Return the services of an app.

    root: the folder of all runs.
    max_age: seconds after which an unused run is removed.
    max_bytes: the bytes that all runs together may take, with all uploads; the store of uploads gets a part of them.
    example: the folder of the run that the page opens with; ignored if it contains no finished stage.
    other_examples: a folder with the folders of other runs that come with the app.
    space: the id (owner/name) of the Hugging Face Space that hosts the app.
    max_waiting, max_per_client, unwatched_seconds: see RunQueue.
    upload_folder: Gradio's folder of uploads; by default one that other apps may use as well.
    """
    root.mkdir(parents=True, exist_ok=True)
    cache = RunCache(root.resolve(), max_age=max_age, max_bytes=max_bytes)
    upload_folder = upload_folder or UploadFolder()
    queue = RunQueue(
        cache,
        pool.workers,
        partial(pool.estimate, root=cache.root),
        max_waiting=max_waiting,
        max_per_client=max_per_client,
        unwatched_seconds=unwatched_seconds,
    )
    services = Services(
        pool,
        queue,
        cache,
        _find_examples(example, other_examples),
        space,
        uploads=Uploads(min(MAX_UPLOADS_BYTES, max_bytes * MAX_UPLOADS_SHARE), queue.needed_paths),
        upload_folder=upload_folder,
    )
    cache.other_bytes = lambda: upload_folder.measure() + services.uploads.measure()
    services.clean_up()
    return services
