"""Who has the device: a line of runs, one stage at a time, in one thread. No torch.

After each stage a run goes to the end of the line, so that a newcomer's first stage slips in between. Whoever
asks for a run follows its log; a run belongs to its folder, not to a connection.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from engine import errors
from engine.errors import Fault, short_repr
from engine.runs import store
from engine.runs.cache import Shelf
from engine.runs.events import END, Accepted, Event, StageDone, Stopped, unexpected
from engine.serving.entry import Price, Request, Start, Ticket, full, tell_places, unknown
from engine.serving.log import follow

log = logging.getLogger(__name__)

MOST_WAITING, PATIENCE, REMEMBERED = 12, 120.0, 200
LOOKED_EVERY = 60.0


class LineFull(Fault):
    """Too many wait already."""


class UnknownRun(Fault):
    """No run of this name is remembered."""


class Desk:
    """start(request, folder) yields a run's events; price(request) foretells its stages' seconds."""

    def __init__(
        self,
        shelf: Shelf,
        start: Start,
        price: Price = unknown,
        *,
        most: int = MOST_WAITING,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.shelf, self.start, self.price = shelf, start, price
        self.most, self.patience, self.clock = most, patience, clock
        self._tickets: dict[str, Ticket] = {}
        self._line: list[Ticket] = []
        self._since = clock()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None

    def submit(self, request: Request) -> str:
        """Puts a run at the end of the line; its name. LineFull says when to come again."""
        prices = self._foretold(request)
        with self._lock:
            if len(self._line) > self.most:
                raise LineFull(full(self._line))
            now = self.clock()
            ticket = Ticket(request, self._folder(), prices, now, now)
            self._tickets[ticket.run.name] = ticket
            self._line.append(ticket)
            self._announce()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="desk", daemon=True)
                self._since = now
                self._thread.start()
            return ticket.run.name

    def _folder(self) -> Path:
        try:
            return self.shelf.new_run()
        except OSError as fault:
            raise Fault(errors.RUN_FOLDER_NOT_WRITABLE.format(reason=fault.strerror or type(fault).__name__)) from fault

    def since(self, name: str, first: int = 0) -> tuple[list[Event], int]:
        """What a run has told from this number on, and the next number. Asking is watching."""
        return self._watched(name).log.since(first)

    def follow(self, name: str, first: int = 0) -> Iterator[Event]:
        """A run's events as they come, to its end."""
        ticket = self._watched(name)
        for event in follow(ticket.log, first):
            self._mark(ticket)
            if event is not None:
                yield event

    def stop(self, name: str) -> None:
        """Asks a run to stop; it says Stopped itself. Of one that has ended nothing is asked."""
        ticket = self._ticket(name)
        if not ticket.log.ended:
            ticket.ask_to_stop()

    def pause(self, name: str, after: int | None) -> None:
        """Asks a run to stop after this stage, or no longer, whether or not anyone still watches then."""
        self._ticket(name).pause = after

    def ends(self, name: str) -> tuple[int | None, int | None]:
        """The stages that a run is to end with: as it was asked for, and as was said since."""
        ticket = self._ticket(name)
        return ticket.request.until, ticket.pause

    def running(self) -> tuple[Path, ...]:
        """Folders of all runs in the line."""
        with self._lock:
            return tuple(ticket.run for ticket in self._line)

    def needed(self) -> frozenset[Path]:
        """Folders and files that runs in the line need, and that are not to be removed."""
        with self._lock:
            return frozenset(path for ticket in self._line for path in ticket.needs)

    def close(self) -> None:
        """Stops all runs and waits until they have."""
        with self._lock:
            for ticket in self._line:
                ticket.ask_to_stop()
            thread = self._thread
        if thread:
            thread.join()

    def _ticket(self, name: str) -> Ticket:
        with self._lock:
            if name not in self._tickets:
                raise UnknownRun(errors.RUN_GONE.format(name=short_repr(name)))
            return self._tickets[name]

    def _watched(self, name: str) -> Ticket:
        ticket = self._ticket(name)
        self._mark(ticket)
        return ticket

    def _mark(self, ticket: Ticket) -> None:
        """That somebody watches; now and then in the run's folder too, lest it is swept."""
        now = self.clock()
        ticket.watched = now
        if now - ticket.looked > LOOKED_EVERY:
            ticket.looked = now
            self.shelf.look(ticket.run)

    def _foretold(self, request: Request) -> tuple[float | None, ...]:
        try:
            return self.price(request)
        except Fault:  # The run itself will say what is wrong with it.
            return ()

    def _work(self) -> None:
        """One thread pulls all runs, so that each iterator is only ever used in one."""
        while True:
            with self._lock:
                if not self._line:
                    self._thread = None
                    return
                ticket = self._line[0]
                self._since = self.clock()
                self._announce()
            try:
                self._one_stage(ticket)
            except Exception as fault:  # Whatever it is, the next run is not to wait for ever.
                self._give_up(ticket, fault)
            with self._lock:
                if ticket in self._line and len(self._line) > 1:
                    self._line.remove(ticket)
                    self._line.append(ticket)

    def _one_stage(self, ticket: Ticket) -> None:
        """Pulls a run to the end of its next stage, and looks after those that wait meanwhile."""
        while True:
            event = self._pull(ticket)
            for other in self._to_end():
                if other is not ticket:
                    self._end(other)
            made = isinstance(event, StageDone) and ticket.stage < ticket.last
            if made or isinstance(event, END):
                return

    def _to_end(self) -> list[Ticket]:
        """Runs that wait and are to stop; those that nobody watches are asked to."""
        with self._lock:
            line = list(self._line)
        for ticket in line:
            if self.clock() - ticket.watched > self.patience:
                ticket.ask_to_stop()
        return [ticket for ticket in line if ticket.to_stop]

    def _end(self, ticket: Ticket) -> None:
        """Ends a waiting run: at once if it has not begun, else as it says itself; it works no more."""
        if ticket.events is None:
            self._tell(ticket, Stopped(0, 0))
            return
        while not isinstance(self._pull(ticket), END):
            pass

    def _pull(self, ticket: Ticket) -> Event:
        if ticket.events is None and ticket.to_stop:
            return self._tell(ticket, Stopped(0, 0))
        try:
            if ticket.events is None:
                ticket.events = self.start(ticket.request, ticket.run)
            event = next(ticket.events)
        except Exception as fault:
            event = unexpected(fault)
        return self._tell(ticket, event)

    def _give_up(self, ticket: Ticket, fault: Exception) -> None:
        failed = unexpected(fault)
        with self._lock:
            ended = ticket not in self._line
        if not ended:
            self._tell(ticket, failed)

    def _tell(self, ticket: Ticket, event: Event) -> Event:
        """Puts an event into the run's log; with the last one the run leaves the line."""
        if isinstance(event, Accepted):
            ticket.stage, ticket.last = event.first - 1, ticket.request.until or len(event.stages)
        if isinstance(event, StageDone):
            ticket.stage = event.stage
            if ticket.pause is not None and ticket.pause <= event.stage < ticket.last:
                ticket.ask_to_stop()
        if isinstance(event, END):
            ticket.events = None
            with self._lock:
                self._line.remove(ticket)
                self._tickets[ticket.run.name] = self._tickets.pop(ticket.run.name)
        ticket.log.add(event)
        if isinstance(event, END):
            self._tidy(ticket)
        return event

    def _tidy(self, ticket: Ticket) -> None:
        """After a run: the others move up; one that made nothing leaves no folder."""
        with self._lock:
            self._announce()
            self._forget_old()
        try:
            if ticket.run.is_dir() and not store.stages(ticket.run):
                self.shelf.forget(ticket.run)
        except OSError as fault:
            log.warning("an empty run could not be removed: %s", fault)

    def _forget_old(self) -> None:
        ended = [name for name, ticket in self._tickets.items() if ticket not in self._line]
        for name in ended[:-REMEMBERED]:
            del self._tickets[name]

    def _announce(self) -> None:
        tell_places(self._line, self.clock() - self._since)
