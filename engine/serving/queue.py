"""The queue of runs: one thread works on one stage at a time. No torch.

After each stage a run goes to the end of the queue, so that a new run waits for one stage of each of the
others, not for whole runs. A run belongs to its folder, not to a connection: anyone who knows its name may
follow its events.
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
from engine.runs.events import END, Accepted, Event, StageDone, Stopped, unexpected
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

# How many runs may wait beside the active one.
MAX_WAITING = 12
# Seconds after which a run is stopped if nobody has read its events.
UNWATCHED_SECONDS = 120.0
# How many ended runs keep their events.
MAX_ENDED_RUNS = 200
# Seconds between two marks in a run's folder that it is in use.
MARK_INTERVAL = 60.0


class QueueFull(Fault):
    """No more runs may wait."""


class UnknownRun(Fault):
    """The queue has no run of this name, or has forgotten it."""


class RunQueue:
    """Runs that wait or are in progress, and the events of those that have ended.

    cache: creates and removes the folders of runs.
    start_run: starts a run and yields its events.
    estimate: estimates the seconds of each stage of a request.
    max_waiting: how many runs may wait beside the active one.
    unwatched_seconds: after so long without a reader of its events, a run is stopped.
    """

    def __init__(
        self,
        cache: RunCache,
        start_run: StartRun,
        estimate: EstimateStages = no_estimate,
        *,
        max_waiting: int = MAX_WAITING,
        unwatched_seconds: float = UNWATCHED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cache, self.start_run, self.estimate = cache, start_run, estimate
        self.max_waiting, self.unwatched_seconds, self.clock = max_waiting, unwatched_seconds, clock
        # All runs whose events are kept, by name, in the order in which they ended.
        self._entries: dict[str, Entry] = {}
        # The runs that have not ended, the active one first.
        self._queue: list[Entry] = []
        # When the active run began its present stage.
        self._stage_began = clock()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None

    def submit(self, request: Request) -> str:
        """Put a run at the end of the queue and return its name; raise QueueFull if too many wait."""
        stage_seconds = self._estimate_or_nothing(request)
        with self._lock:
            if len(self._queue) > self.max_waiting:
                raise QueueFull(queue_full_message(self._queue))
            now = self.clock()
            entry = Entry(request, self._new_folder(), stage_seconds, last_watched=now, last_marked=now)
            self._entries[entry.run.name] = entry
            self._queue.append(entry)
            self._announce_positions()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="run queue", daemon=True)
                self._stage_began = now
                self._thread.start()
            return entry.run.name

    def _new_folder(self) -> Path:
        try:
            return self.cache.create_run()
        except OSError as fault:
            reason = fault.strerror or type(fault).__name__
            raise Fault(errors.RUN_FOLDER_NOT_WRITABLE.format(reason=reason)) from fault

    def _estimate_or_nothing(self, request: Request) -> tuple[float | None, ...]:
        try:
            return self.estimate(request)
        except Fault:  # The run fails with the same fault and reports it.
            return ()

    def since(self, name: str, first: int = 0) -> tuple[list[Event], int]:
        """Return a run's events from this number on, and the number to pass next time.

        This counts as watching the run.
        """
        return self._watch(name).log.since(first)

    def follow(self, name: str, first: int = 0) -> Iterator[Event]:
        """Yield a run's events from this number on as they arrive, until it has ended."""
        entry = self._watch(name)
        for event in follow(entry.log, first):
            self._mark_watched(entry)
            if event is not None:
                yield event

    def stop(self, name: str) -> None:
        """Ask a run to stop; its last event is Stopped then. No effect if it has ended."""
        entry = self._entry(name)
        if not entry.log.has_ended:
            entry.request_stop()

    def pause(self, name: str, after: int | None) -> None:
        """Have a run stop after a stage, even if nobody watches it by then; None takes this back."""
        self._entry(name).pause_after = after

    def stop_stages(self, name: str) -> tuple[int | None, int | None]:
        """Return the last stage that a run was requested with, and the stage that it is to pause after."""
        entry = self._entry(name)
        return entry.request.until, entry.pause_after

    def active_runs(self) -> tuple[Path, ...]:
        """Return the folders of all runs that have not ended."""
        with self._lock:
            return tuple(entry.run for entry in self._queue)

    def needed_paths(self) -> frozenset[Path]:
        """Return the folders and files that runs in the queue need and that must not be removed."""
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
        with self._lock:
            if name not in self._entries:
                raise UnknownRun(errors.RUN_GONE.format(name=short_repr(name)))
            return self._entries[name]

    def _watch(self, name: str) -> Entry:
        entry = self._entry(name)
        self._mark_watched(entry)
        return entry

    def _mark_watched(self, entry: Entry) -> None:
        """Note that somebody reads a run's events; now and then also in its folder, so that it is kept."""
        now = self.clock()
        entry.last_watched = now
        if now - entry.last_marked > MARK_INTERVAL:
            entry.last_marked = now
            self.cache.mark_used(entry.run)

    def _work(self) -> None:
        """Work on the queue until it is empty. One thread advances all runs, as iterators require."""
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
            except (
                Exception
            ) as fault:  # Otherwise the thread would end and the other runs would wait for ever.
                self._fail(entry, fault)
            with self._lock:
                if entry in self._queue and len(self._queue) > 1:
                    self._queue.remove(entry)
                    self._queue.append(entry)

    def _run_one_stage(self, entry: Entry) -> None:
        """Advance a run to the end of its next stage; meanwhile end those waiting runs that are to stop."""
        while True:
            event = self._advance(entry)
            for other in self._entries_to_stop():
                if other is not entry:
                    self._end_waiting(other)
            has_more_stages = isinstance(event, StageDone) and entry.finished_stages < entry.last_stage
            if has_more_stages or isinstance(event, END):
                return

    def _entries_to_stop(self) -> list[Entry]:
        """Return the runs that were asked to stop, after asking those that nobody watches."""
        with self._lock:
            entries = list(self._queue)
        for entry in entries:
            if self.clock() - entry.last_watched > self.unwatched_seconds:
                entry.request_stop()
        return [entry for entry in entries if entry.is_stop_requested]

    def _end_waiting(self, entry: Entry) -> None:
        """End a waiting run that was asked to stop; one that has started yields its own last event."""
        if entry.events is None:
            self._record(entry, Stopped(0, 0))
            return
        while not isinstance(self._advance(entry), END):
            pass

    def _advance(self, entry: Entry) -> Event:
        """Start a run or continue it to its next event."""
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
        """End a run with an unexpected fault, unless it has ended already."""
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
            # Move it to the end of those that have ended.
            self._entries[entry.run.name] = self._entries.pop(entry.run.name)
        entry.log.add(event)
        self._clean_up_after(entry)
        return event

    def _clean_up_after(self, entry: Entry) -> None:
        """After the end of a run, announce the new positions and remove its folder if it holds no stage."""
        with self._lock:
            self._announce_positions()
            self._forget_old_entries()
        try:
            if entry.run.is_dir() and not store.finished_stages(entry.run):
                self.cache.remove_run(entry.run)
        except OSError as fault:
            log.warning("an empty run could not be removed: %s", fault)

    def _forget_old_entries(self) -> None:
        ended = [name for name, entry in self._entries.items() if entry not in self._queue]
        for name in ended[:-MAX_ENDED_RUNS]:
            del self._entries[name]

    def _announce_positions(self) -> None:
        announce_positions(self._queue, self.clock() - self._stage_began)
