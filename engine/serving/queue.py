"""The queue of runs: one thread works on one stage at a time. No torch.

After each stage the run goes to the end of the queue. So a new run waits for one stage of each other run, not for
whole runs. A run belongs to its folder, not to a connection: anyone who knows the folder's name may follow the
run's events. A run that nobody watches is stopped after a while.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from engine import errors
from engine.errors import Fault, short_repr
from engine.runs import store
from engine.runs.cache import RunCache
from engine.runs.disk import estimate_bytes
from engine.runs.events import END, Accepted, Event, StageDone, Stopped, unexpected
from engine.runs.owner import set_owner
from engine.serving.entry import (
    Entry,
    EstimateStages,
    Request,
    StartRun,
    announce_positions,
    no_estimate,
    queue_full_message,
)
from engine.serving.log import follow

log = logging.getLogger(__name__)

# The largest number of runs that may wait, not counting the active run.
MAX_WAITING = 12
# The largest number of runs of one client that may wait or be in progress.
MAX_PER_CLIENT = 4
# A run is stopped when nobody has watched it for this many seconds.
UNWATCHED_SECONDS = 120.0
# The number of ended runs whose events are kept.
MAX_ENDED_RUNS = 200
# Seconds between two marks in a run's folder that the run is in use.
MARK_INTERVAL = 60.0


class QueueFull(Fault):
    """No more runs may wait."""


class UnknownRun(Fault):
    """The queue has never had a run of this name, or no longer keeps its events."""


class RunQueue:
    """Runs that wait or are in progress, and the events of ended runs.

    cache: creates and removes the folders of runs.
    start_run: starts a run and yields its events.
    estimate: estimates the seconds of each stage of a request.
    max_waiting: the largest number of runs that may wait, not counting the active run.
    max_per_client: the largest number of runs of one client that may wait or be in progress.
    unwatched_seconds: a run is stopped when nobody has watched it for this long.
    clock: returns the time in seconds.
    """

    def __init__(
        self,
        cache: RunCache,
        start_run: StartRun,
        estimate: EstimateStages = no_estimate,
        *,
        max_waiting: int = MAX_WAITING,
        max_per_client: int = MAX_PER_CLIENT,
        unwatched_seconds: float = UNWATCHED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cache, self.start_run, self.estimate = cache, start_run, estimate
        self.max_waiting, self.max_per_client = max_waiting, max_per_client
        self.unwatched_seconds, self.clock = unwatched_seconds, clock
        # All runs whose events are kept, by name; ended runs in the order in which they ended.
        self._entries: dict[str, Entry] = {}
        # The runs that have not ended, the active one first.
        self._queue: list[Entry] = []
        # When the active run began its present stage.
        self._stage_began = clock()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None

    def submit(self, request: Request) -> str:
        """Put a run at the end of the queue and return its name.

        Raise QueueFull if too many wait, or Fault if there is no disk space for another run.
        """
        self._check_places(request.client)
        self._check_space(request)
        stage_seconds = self._estimate_or_nothing(request)
        with self._lock:
            # Once more, because other runs may have been submitted meanwhile.
            self._check_places(request.client)
            now = self.clock()
            entry = Entry(
                request, self._create_folder(request.owner), stage_seconds, last_watched=now, last_marked=now
            )
            self._entries[entry.run.name] = entry
            self._queue.append(entry)
            self._announce_positions()
            log.info("run %s is queued, %d before it", entry.run.name, len(self._queue) - 1)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run_until_empty, name="run queue", daemon=True)
                self._stage_began = now
                self._thread.start()
            return entry.run.name

    def _check_places(self, client: str) -> None:
        """Raise QueueFull if the queue has no place for another run of a client."""
        with self._lock:
            if len(self._queue) > self.max_waiting:
                raise QueueFull(queue_full_message(self._queue))
            runs_of_client = sum(entry.request.client == client for entry in self._queue)
            if client and runs_of_client >= self.max_per_client:
                raise QueueFull(errors.TOO_MANY_RUNS_OF_CLIENT.format(limit=self.max_per_client))

    def _check_space(self, request: Request) -> None:
        """Raise Fault if the disk has no room for a run. This may remove old runs, so the lock is not held."""
        stages = request.plan.stages if request.plan else ()
        resumed = [Path(request.resume[0])] if request.resume else []
        try:
            self.cache.check_space(estimate_bytes(stages), (*self.needed_paths(), *resumed))
        except OSError as fault:  # Creating the run's folder says what is wrong with the disk.
            log.warning("the space for a run could not be checked: %s", fault)

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
            entry.request_stop()

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
        with self._lock:
            for entry in self._queue:
                entry.request_stop()
            thread = self._thread
        if thread:
            thread.join()

    def _entry(self, name: str) -> Entry:
        """Return the entry of a run; raise UnknownRun if there is none."""
        with self._lock:
            if name not in self._entries:
                raise UnknownRun(errors.RUN_GONE.format(name=short_repr(name)))
            return self._entries[name]

    def _mark_watched(self, entry: Entry) -> None:
        """Record that somebody watches a run.

        Every MARK_INTERVAL seconds also mark the run's folder as used, so that the cache does not remove it.
        """
        now = self.clock()
        entry.last_watched = now
        if now - entry.last_marked > MARK_INTERVAL:
            entry.last_marked = now
            self.cache.mark_used(entry.run)

    def _run_until_empty(self) -> None:
        """Advance the runs, stage by stage, until the queue is empty.

        Only this thread advances runs, because two threads must not advance one generator at the same time.
        """
        while True:
            with self._lock:
                if not self._queue:
                    self._thread = None
                    return
                entry = self._queue[0]
                self._stage_began = self.clock()
                self._announce_positions()
            try:
                self._run_one_stage(entry)
            except Exception as fault:
                # An uncaught exception would end the thread, and the other runs would wait for ever.
                self._fail(entry, fault)
            with self._lock:
                if entry in self._queue and len(self._queue) > 1:
                    self._queue.remove(entry)
                    self._queue.append(entry)

    def _run_one_stage(self, entry: Entry) -> None:
        """Advance a run to the end of its next stage. After each event, end the waiting runs that are to stop."""
        while True:
            event = self._advance(entry)
            self._stop_unwatched()
            for other in self._entries_to_stop():
                if other is not entry:
                    self._end_waiting(other)
            has_more_stages = isinstance(event, StageDone) and entry.finished_stages < entry.last_stage
            if has_more_stages or isinstance(event, END):
                return

    def _stop_unwatched(self) -> None:
        """Request that all runs stop that nobody has watched for `unwatched_seconds`."""
        with self._lock:
            entries = list(self._queue)
        for entry in entries:
            if self.clock() - entry.last_watched > self.unwatched_seconds:
                entry.request_stop()

    def _entries_to_stop(self) -> list[Entry]:
        """Return the runs in the queue that were requested to stop."""
        with self._lock:
            entries = list(self._queue)
        return [entry for entry in entries if entry.is_stop_requested]

    def _end_waiting(self, entry: Entry) -> None:
        """End a waiting run that was requested to stop; a run that has started is advanced to its last event."""
        if entry.events is None:
            self._record(entry, Stopped(0, 0))
            return
        while not isinstance(self._advance(entry), END):
            pass

    def _advance(self, entry: Entry) -> Event:
        """Start a run or continue it, up to its next event, and return that event."""
        if entry.events is None and entry.is_stop_requested:
            return self._record(entry, Stopped(0, 0))
        try:
            if entry.events is None:
                entry.events = self.start_run(entry.request, entry.run)
            event = next(entry.events)
        except Exception as fault:
            event = unexpected(fault)
        return self._record(entry, event)

    def _fail(self, entry: Entry, fault: Exception) -> None:
        """End a run with an unexpected fault, unless the run has ended already."""
        failed = unexpected(fault)
        with self._lock:
            has_ended = entry not in self._queue
        if not has_ended:
            self._record(entry, failed)

    def _record(self, entry: Entry, event: Event) -> Event:
        """Update the queue for an event of a run, add the event to the run's log and return it."""
        match event:
            case Accepted():
                entry.finished_stages = event.first - 1
                entry.last_stage = entry.request.until or len(event.stages)
            case StageDone():
                entry.finished_stages = event.stage
                if entry.pause_after is not None and entry.pause_after <= event.stage < entry.last_stage:
                    entry.request_stop()
        if not isinstance(event, END):
            entry.log.add(event)
            return event
        entry.events = None
        with self._lock:
            self._queue.remove(entry)
            # Move the run to the end of the ended runs.
            self._entries[entry.run.name] = self._entries.pop(entry.run.name)
        log.info("run %s has ended: %s", entry.run.name, type(event).__name__)
        entry.log.add(event)
        self._clean_up_after(entry)
        return event

    def _clean_up_after(self, entry: Entry) -> None:
        """Announce the new positions after the end of a run, and remove the run's folder if no stage is finished."""
        with self._lock:
            self._announce_positions()
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

    def _announce_positions(self) -> None:
        """Add a Waiting event to the log of each waiting run."""
        announce_positions(self._queue, self.clock() - self._stage_began)
