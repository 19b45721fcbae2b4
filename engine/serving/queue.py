"""The queue of runs: workers make their stages, and a turn is one stage. No torch.

Turns go between owners, see turns.py. So a new visitor waits for at most one stage of each other visitor, not for whole
runs. A run belongs to its folder, not to a connection: anyone who knows the folder's name may follow the run's events.
A run that nobody watches is stopped after a while.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from engine import errors
from engine.errors import BadRecipe, Fault, short_repr
from engine.runs import store
from engine.runs.cache import RunCache
from engine.runs.disk import estimate_bytes
from engine.runs.events import (
    END,
    Accepted,
    Event,
    Failed,
    Finished,
    StageDone,
    Stopped,
    Waiting,
    unexpected,
)
from engine.runs.owner import set_owner
from engine.runs.prepare import prepare, reuse_stage
from engine.serving.entry import (
    Entry,
    EstimateStages,
    Place,
    Request,
    no_estimate,
    queue_full_message,
)
from engine.serving.log import follow
from engine.serving.turns import forecast_turns, next_entry
from engine.serving.worker import Worker, WorkerLost

log = logging.getLogger(__name__)

# The largest number of places in the queue that may wait, not counting those that are in work.
MAX_WAITING = 12
# The largest number of places of one client that may wait or be in work.
MAX_PER_CLIENT = 4
# A run is stopped when nobody has watched it for this many seconds.
UNWATCHED_SECONDS = 120.0
# The number of ended runs whose events are kept.
MAX_ENDED_RUNS = 200
# Seconds between two marks in a run's folder that the run is in use.
MARK_INTERVAL = 60.0
# The number of finished stages that the queue remembers, so that other runs can reuse them.
MAX_FINISHED_STAGES = 1000
# A stage is given to this many workers before the run fails because they were lost.
MAX_LOST_WORKERS = 2


class QueueFull(Fault):
    """No more runs may wait."""


class UnknownRun(Fault):
    """The queue has never had a run of this name, or no longer keeps its events."""


@dataclass(eq=False)
class Slot:
    """A worker, and what it is doing."""

    worker: Worker
    # The run on whose next stage the worker works; None if it is free.
    entry: Entry | None = None
    # The thread that carries out the worker's turns; None while there are none.
    thread: threading.Thread | None = None
    # When the turn began, by the queue's clock.
    began: float = 0.0


class RunQueue:
    """Runs that wait or are in work, and the events of ended runs.

    cache: creates and removes the folders of runs.
    workers: make the stages of runs.
    estimate: estimates the seconds of each stage of a request.
    max_waiting: the largest number of places that may wait, not counting those that are in work.
    max_per_client: the largest number of places of one client that may wait or be in work.
    unwatched_seconds: a run is stopped when nobody has watched it for this long.
    clock: returns the time in seconds.
    """

    def __init__(
        self,
        cache: RunCache,
        workers: Sequence[Worker],
        estimate: EstimateStages = no_estimate,
        *,
        max_waiting: int = MAX_WAITING,
        max_per_client: int = MAX_PER_CLIENT,
        unwatched_seconds: float = UNWATCHED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cache, self.estimate = cache, estimate
        self.max_waiting, self.max_per_client = max_waiting, max_per_client
        self.unwatched_seconds, self.clock = unwatched_seconds, clock
        self._slots = [Slot(worker) for worker in workers]
        # All runs whose events are kept, by name; ended runs in the order in which they ended.
        self._entries: dict[str, Entry] = {}
        # The runs that have not ended, in the order in which they were requested.
        self._queue: list[Entry] = []
        # For each owner with runs in the queue, a rising number: see turns.next_entry.
        self._waiting_since: dict[str, int] = {}
        self._numbers = count()
        # The run that makes each stage in work, by stage key.
        self._being_made: dict[str, Entry] = {}
        # The folders of stages that were finished here, by stage key; the newest ones last.
        self._finished: dict[str, Path] = {}
        self._lock = threading.RLock()

    def submit(self, request: Request) -> str:
        """Put a run at the end of the queue and return its name.

        Raise QueueFull if too many wait, or Fault if there is no disk space for another run.
        """
        (name,) = self.submit_all([request])
        return name

    def submit_all(self, requests: Sequence[Request]) -> list[str]:
        """Put several runs of one owner into the queue, and return their names.

        They count as one run and are carried out in order. Watching one of them counts as watching all. Raise as
        `submit` does. If one cannot be accepted, none is put into the queue.
        """
        self._check_places(requests[0].client)
        self._check_space(requests)
        seconds = [self._estimate_or_nothing(request) for request in requests]
        with self._lock:
            # Once more, because other runs may have been submitted meanwhile.
            self._check_places(requests[0].client)
            now = self.clock()
            place = Place(last_watched=now, last_marked=now)
            folders = self._create_folders(requests)
            for request, folder, stage_seconds in zip(requests, folders, seconds, strict=True):
                entry = Entry(request, folder, stage_seconds, place)
                place.entries.append(entry)
                self._entries[entry.run.name] = entry
                self._queue.append(entry)
                self._waiting_since.setdefault(entry.owner, next(self._numbers))
                log.info("run %s is queued, %d before it", entry.run.name, len(self._queue) - 1)
            self._give_out_turns()
        return [folder.name for folder in folders]

    def _check_places(self, client: str) -> None:
        """Raise QueueFull if the queue has no place for another request of a client."""
        with self._lock:
            places = {entry.place: entry.request.client for entry in self._queue}
            waiting = len(places) - len(self._slots)
            if waiting >= self.max_waiting:
                raise QueueFull(queue_full_message(self._queue, waiting, len(self._slots)))
            if client and list(places.values()).count(client) >= self.max_per_client:
                raise QueueFull(errors.TOO_MANY_RUNS_OF_CLIENT.format(limit=self.max_per_client))

    def _check_space(self, requests: Sequence[Request]) -> None:
        """Raise Fault if the disk has no room for runs. This may remove old runs, so the lock is not held."""
        stages = [
            stage for request in requests if request.plan for stage in request.plan.stages[: request.until]
        ]
        resumed = [Path(request.resume[0]) for request in requests if request.resume]
        try:
            self.cache.check_space(estimate_bytes(stages), (*self.needed_paths(), *resumed))
        except OSError as fault:  # Creating the run's folder says what is wrong with the disk.
            log.warning("the space for a run could not be checked: %s", fault)

    def _create_folders(self, requests: Sequence[Request]) -> list[Path]:
        """Create a folder for each of several runs; raise Fault if that fails, and then leave none."""
        folders: list[Path] = []
        try:
            for request in requests:
                folders.append(self._create_folder(request.owner))
        except Fault:
            for folder in folders:
                self.cache.remove_run(folder)
            raise
        return folders

    def _create_folder(self, owner: str) -> Path:
        """Create a run's folder and record the run's owner; raise Fault if that fails."""
        try:
            folder = self.cache.create_run()
            if owner:
                set_owner(folder, owner)
            return folder
        except OSError as fault:
            reason = fault.strerror or type(fault).__name__
            raise Fault(errors.RUN_FOLDER_NOT_WRITABLE.format(reason=reason)) from fault

    def _estimate_or_nothing(self, request: Request) -> tuple[float | None, ...]:
        """Return the estimated seconds of each stage of a request; empty if the request cannot be planned."""
        try:
            return self.estimate(request)
        except Fault:  # The run fails with the same fault and reports it.
            return ()

    def events_since(self, name: str, first: int = 0) -> tuple[list[Event], int]:
        """Return a run's events numbered `first` or higher, and the number to pass as `first` next time.

        A call does not count as watching the run, because the events may reach nobody; see mark_watched.
        """
        return self._entry(name).log.events_since(first)

    def follow(self, name: str, first: int = 0) -> Iterator[Event]:
        """Yield a run's events numbered `first` or higher as they arrive, until the run has ended.

        The run counts as watched while the caller takes events.
        """
        entry = self._entry(name)
        for event in follow(entry.log, first):
            self._mark_watched(entry)
            if event is not None:
                yield event

    def mark_watched(self, name: str) -> None:
        """Record that somebody watches a run now: the caller has seen that events reach a person or a program."""
        self._mark_watched(self._entry(name))

    def stop(self, name: str) -> None:
        """Request that a run stops; its last event will be Stopped. A run that has ended is not changed."""
        entry = self._entry(name)
        if not entry.log.has_ended:
            self._request_stop(entry)

    def pause(self, name: str, after: int | None) -> None:
        """Make a run stop after stage number `after`, even if nobody watches the run; None cancels the pause."""
        self._entry(name).pause_after = after

    def stage_limits(self, name: str) -> tuple[int | None, int | None]:
        """Return the stage that a run was requested to end after, and the stage to pause after; None where not set."""
        entry = self._entry(name)
        return entry.request.until, entry.pause_after

    def active_runs(self) -> tuple[Path, ...]:
        """Return the folders of all runs that have not ended."""
        with self._lock:
            return tuple(entry.run for entry in self._queue)

    def needed_paths(self) -> frozenset[Path]:
        """Return the folders and files that must not be removed, because runs in the queue need them."""
        with self._lock:
            return frozenset(path for entry in self._queue for path in entry.needed_paths)

    def close(self) -> None:
        """Stop all runs and wait until they have ended."""
        while True:
            with self._lock:
                entries = list(self._queue)
                threads = [slot.thread for slot in self._slots if slot.thread]
            for entry in entries:
                self._request_stop(entry)
            if not threads:
                return
            for thread in threads:
                thread.join()

    def _entry(self, name: str) -> Entry:
        """Return the entry of a run; raise UnknownRun if there is none."""
        with self._lock:
            if name not in self._entries:
                raise UnknownRun(errors.RUN_GONE.format(name=short_repr(name)))
            return self._entries[name]

    def _mark_watched(self, entry: Entry) -> None:
        """Record that somebody watches a run, and with it all runs of its place.

        Every MARK_INTERVAL seconds also mark the runs' folders as used, so that the cache does not remove them.
        """
        now, place = self.clock(), entry.place
        place.last_watched = now
        if now - place.last_marked > MARK_INTERVAL:
            place.last_marked = now
            for each in list(place.entries):
                self.cache.mark_used(each.run)

    def _request_stop(self, entry: Entry) -> None:
        """Make a run stop: by the file in its folder, and by the worker that works on it."""
        entry.request_stop()
        with self._lock:
            workers = [slot.worker for slot in self._slots if slot.entry is entry]
        for worker in workers:
            worker.stop(entry.run)

    def _give_out_turns(self) -> None:
        """Give turns to all free workers, as far as there are runs that can go on. The lock must be held."""
        while True:
            free = [slot for slot in self._slots if slot.entry is None]
            entry = next_entry(self._queue, self._waiting_since, self._being_made) if free else None
            if entry is None:
                break
            slot = _most_suitable(free, entry)
            slot.entry, slot.began, entry.is_active = entry, self.clock(), True
            if entry.is_told_to_wait:
                entry.is_told_to_wait = False
                entry.log.add(Waiting(0, 0.0))
            if slot.thread is None:
                thread = threading.Thread(
                    target=self._carry_out_turns, args=(slot,), name="run queue", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError as fault:  # The system has no more threads.
                    slot.entry, entry.is_active = None, False
                    self._end(entry, unexpected(fault))
                    continue
                slot.thread = thread
        self._announce_turns()

    def _carry_out_turns(self, slot: Slot) -> None:
        """Carry out the turns that a worker is given, until it is given none."""
        while True:
            entry = slot.entry
            assert entry is not None
            try:
                self._carry_out_turn(slot.worker, entry)
            except Exception as fault:
                # An uncaught exception would end the thread, and the worker would be given no more turns.
                self._end(entry, unexpected(fault))
            with self._lock:
                slot.entry, entry.is_active = None, False
                if any(each.owner == entry.owner for each in self._queue):
                    self._waiting_since[entry.owner] = next(self._numbers)
                self._give_out_turns()
                if slot.entry is None:
                    slot.thread = None
                    return

    def _carry_out_turn(self, worker: Worker, entry: Entry) -> None:
        """Make the next stage of a run, after preparing the run if this is its first turn."""
        if entry.is_stop_requested:
            self._end(entry, _stopped_between_stages(entry))
            return
        try:
            if entry.prepared is None:
                self._prepare(worker, entry)
            self._reuse_finished_stages(entry)
            if self._has_ended(entry):
                return
            if entry.is_stop_requested:
                self._end(entry, _stopped_between_stages(entry))
                return
            if not self._begin_stage(entry):
                return
            self._make_stage(worker, entry)
        except WorkerLost:
            self._retry_or_fail(entry)
        except BadRecipe as fault:
            self._end(entry, Failed(fault.sentence, fault.field))
        except Fault as fault:
            self._end(entry, Failed(fault.sentence))

    def _make_stage(self, worker: Worker, entry: Entry) -> None:
        """Make the next stage of a prepared run."""
        assert entry.prepared is not None
        number, key = entry.next_stage, entry.next_key
        try:
            for event in worker.make_stage(entry.prepared, number, entry.request.model):
                self._record(entry, event)
                self._end_runs_to_stop()
        except WorkerLost:
            if entry.finished_stages < number:
                raise  # Otherwise the stage was finished before the worker was lost.
        finally:
            with self._lock:
                del self._being_made[key]
        if entry.finished_stages < number and not self._has_ended(entry):
            raise RuntimeError(f"a worker has ended stage {number} without an event that says so")

    def _retry_or_fail(self, entry: Entry) -> None:
        """Let a run whose worker was lost have another turn, unless too many were lost already."""
        entry.lost_workers += 1
        what = f"made stage {entry.next_stage}" if entry.prepared else "loaded the model"
        log.warning("a worker was lost while it %s of run %s", what, entry.run.name)
        if entry.lost_workers < MAX_LOST_WORKERS:
            entry.is_told_to_wait = True  # So that readers hear that the stage begins anew.
        elif entry.prepared:
            self._end(entry, Failed(errors.WORKERS_LOST.format(stage=entry.next_stage)))
        else:
            self._end(entry, Failed(errors.WORKERS_LOST_LOADING))

    def _prepare(self, worker: Worker, entry: Entry) -> None:
        """Prepare a run with the facts of the worker's model, and record that it is accepted."""
        request = entry.request
        facts = worker.load(request.model)
        try:
            entry.prepared = prepare(
                request.recipe,
                facts,
                self.cache,
                resume=request.resume,
                until=request.until,
                run=entry.run,
            )
        except OSError as fault:
            reason = fault.strerror or type(fault).__name__
            raise Fault(errors.RUN_FOLDER_NOT_WRITABLE.format(reason=reason)) from fault
        entry.device = facts.device
        self._record(entry, entry.prepared.accepted)

    def _reuse_finished_stages(self, entry: Entry) -> None:
        """Take over the next stages of a run that other runs have finished since it was prepared."""
        while not self._has_ended(entry) and entry.prepared:
            folder = self._finished.get(entry.next_key)
            if folder is None:
                return
            try:
                reused = reuse_stage(entry.prepared, entry.next_stage, folder)
            except (BadRecipe, OSError):  # It was removed, or is damaged; so it is made again.
                self._finished.pop(entry.next_key, None)
                return
            self._record(entry, reused)

    def _begin_stage(self, entry: Entry) -> bool:
        """Note that a run's next stage is being made; return False if another run makes it or has just made it."""
        with self._lock:
            if entry.next_key in self._finished:
                return False
            return self._being_made.setdefault(entry.next_key, entry) is entry

    def _end_runs_to_stop(self) -> None:
        """Stop all runs that nobody watches, and end the waiting runs that are to stop."""
        with self._lock:
            entries = list(self._queue)
        for entry in entries:
            if (
                self.clock() - entry.place.last_watched > self.unwatched_seconds
                and not entry.has_stop_request
            ):
                self._request_stop(entry)
        for entry in entries:
            if entry.is_stop_requested and self._take_waiting(entry):
                self._end(entry, _stopped_between_stages(entry))

    def _take_waiting(self, entry: Entry) -> bool:
        """Reserve a waiting run, so that no worker is given its turn; return False if it is not waiting any more."""
        with self._lock:
            if entry.is_active or entry not in self._queue:
                return False
            entry.is_active = True
            return True

    def _has_ended(self, entry: Entry) -> bool:
        """Return whether a run has ended."""
        with self._lock:
            return entry not in self._queue

    def _record(self, entry: Entry, event: Event) -> None:
        """Add an event of a run to its log, and end the run where the event says so."""
        if isinstance(event, END):
            self._end(entry, event)
            return
        entry.log.add(event)
        match event:
            case Accepted():
                assert entry.prepared is not None
                entry.finished_stages, entry.last_stage = event.first - 1, entry.prepared.last
            case StageDone():
                self._remember_finished(entry, event)
                entry.finished_stages, entry.lost_workers = event.stage, 0
            case _:
                return
        if entry.finished_stages >= entry.last_stage:
            self._end(entry, Finished(entry.finished_stages))
        elif (
            entry.pause_after is not None
            and isinstance(event, StageDone)
            and entry.pause_after <= event.stage
        ):
            self._end(entry, _stopped_between_stages(entry))

    def _remember_finished(self, entry: Entry, done: StageDone) -> None:
        """Remember the folder of a finished stage by its stage key."""
        assert entry.prepared is not None
        with self._lock:
            self._finished[entry.prepared.key(done.stage)] = Path(done.latents).parent
            for key in list(self._finished)[:-MAX_FINISHED_STAGES]:
                del self._finished[key]

    def _end(self, entry: Entry, event: Event) -> None:
        """Record the last event of a run, unless the run has ended, and remove its folder if no stage is finished."""
        with self._lock:
            if entry not in self._queue:
                return
            self._queue.remove(entry)
            entry.place.entries.remove(entry)
            if all(each.owner != entry.owner for each in self._queue):
                self._waiting_since.pop(entry.owner, None)
            # Move the run to the end of the ended runs.
            self._entries[entry.run.name] = self._entries.pop(entry.run.name)
        log.info("run %s has ended: %s", entry.run.name, type(event).__name__)
        entry.log.add(event)
        with self._lock:
            self._announce_turns()
            self._forget_old_entries()
        try:
            if entry.run.is_dir() and not store.finished_stages(entry.run):
                self.cache.remove_run(entry.run)
        except OSError as fault:
            log.warning("an empty run could not be removed: %s", fault)

    def _forget_old_entries(self) -> None:
        """Remove the events of all but the last MAX_ENDED_RUNS ended runs."""
        ended = [name for name, entry in self._entries.items() if entry not in self._queue]
        for name in ended[:-MAX_ENDED_RUNS]:
            del self._entries[name]

    def _announce_turns(self) -> None:
        """Add a Waiting event to the log of each waiting run. The lock must be held."""
        now = self.clock()
        seconds = {slot.entry: now - slot.began for slot in self._slots if slot.entry}
        forecasts = forecast_turns(
            self._queue, self._waiting_since, seconds, self._being_made, len(self._slots)
        )
        for each in forecasts:
            if each.place:  # Otherwise its turn is about to be given.
                each.entry.is_told_to_wait = True
                each.entry.log.add(Waiting(each.place, each.seconds))


def _most_suitable(slots: Sequence[Slot], entry: Entry) -> Slot:
    """Return the slot whose worker suits a run best: it has the model loaded, on the device on which the run began."""

    def unsuitability(slot: Slot) -> tuple[bool, bool]:
        facts = slot.worker.loaded_facts(entry.request.model)
        return bool(entry.device and facts and facts.device != entry.device), facts is None

    return min(slots, key=unsuitability)


def _stopped_between_stages(entry: Entry) -> Stopped:
    """Return the last event of a run that was stopped while none of its stages was in work."""
    return Stopped(entry.next_stage if entry.prepared else 0, 0)
