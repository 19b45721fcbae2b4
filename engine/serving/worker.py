"""Workers carry out the stages of runs, each one stage at a time. No torch before a model is loaded."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine.catalogue.entries import Facts
from engine.errors import Fault
from engine.runs.events import Event, Failed
from engine.runs.prepare import PreparedRun

if TYPE_CHECKING:
    from engine.network.model import Model


class WorkerLost(Exception):
    """A worker's process has ended during its work."""


class Worker(Protocol):
    """Has models and makes stages with them, one stage at a time.

    Models are given in the form of Request.model; for the app's workers that is a model's name.
    """

    def load(self, model: Any) -> Facts:
        """Load a model, unless it is loaded, and return its facts.

        Raise Fault if it cannot be loaded, WorkerLost if the worker ends meanwhile.
        """
        ...

    def loaded_facts(self, model: Any) -> Facts | None:
        """Return the facts of a model; None if this worker has not loaded it."""
        ...

    def make_stage(self, run: PreparedRun, number: int, model: Any) -> Iterator[Event]:
        """Make a stage as engine.runs.make_stage does, and yield its events.

        Raise WorkerLost if the worker ends meanwhile. The next call starts it again.
        """
        ...

    def stop(self, run: Path) -> None:
        """Make the stage in work stop before its next call of the network if it belongs to this run's folder."""
        ...


class ThreadWorker:
    """A worker in the app's own process: the thread that asks for a stage makes it."""

    def __init__(
        self, get_model: Callable[[Any], "Model"], get_loaded_facts: Callable[[Any], Facts | None]
    ) -> None:
        """Use the models of a pool.

        get_model: returns a loaded model, or raises Fault.
        get_loaded_facts: returns the facts of a loaded model, None for any other.
        """
        self._get_model, self._get_loaded_facts = get_model, get_loaded_facts
        # The run in work, and the signal that stops it.
        self._run: Path | None = None
        self._stop = threading.Event()

    def load(self, model: Any) -> Facts:
        """Load a model, unless it is loaded, and return its facts; raise Fault if it cannot be loaded."""
        return self._get_model(model).facts

    def loaded_facts(self, model: Any) -> Facts | None:
        """Return the facts of a model; None if it is not loaded."""
        return self._get_loaded_facts(model)

    def make_stage(self, run: PreparedRun, number: int, model: Any) -> Iterator[Event]:
        """Make a stage and yield its events."""
        try:
            loaded = self._get_model(model)
        except Fault as fault:
            yield Failed(fault.sentence, getattr(fault, "field", ""))
            return
        from engine.runs.make_stage import make_stage

        self._stop = threading.Event()
        self._run = run.folder
        try:
            yield from make_stage(run, number, loaded, stop=self._stop)
        finally:
            self._run = None

    def stop(self, run: Path) -> None:
        """Make the stage in work stop if it belongs to this run's folder."""
        stop = self._stop
        if run == self._run:
            stop.set()
