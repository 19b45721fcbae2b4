"""Workers that are processes: one for each GPU, or several that share the cores of a CPU. No torch in this process."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from weakref import finalize

from engine import errors
from engine.catalogue.entries import Facts, ModelEntry
from engine.errors import Fault, short_repr
from engine.paths import ROOT
from engine.runs.events import Event
from engine.runs.prepare import PreparedRun
from engine.serving.messages import (
    Answer,
    Loaded,
    LoadFailed,
    LoadModel,
    MakeStage,
    Order,
    Settings,
    StageEnded,
    StopRun,
)
from engine.serving.model_pool import ModelPool
from engine.serving.models import Models, gpu_count
from engine.serving.worker import WorkerLost

log = logging.getLogger(__name__)

# Seconds in which a process ends after it was asked to, before it is killed.
ENDING_SECONDS = 5.0


class ProcessWorker:
    """A worker in a process of its own, which starts when it is first needed, and again after it was lost."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        """Create a worker. environment: variables of the process that differ from this one's."""
        self._settings, self._environment = settings, environment
        self._process: Process | None = None
        # Whether the worker was closed, so that no other process is started.
        self._is_closed = False
        # Facts of the models that the process has loaded, and the free memory after the last answer, by model.
        self._facts: dict[Any, Facts] = {}
        self._free_memory: dict[Any, int | None] = {}
        # Held while an order is carried out.
        self._turn = threading.Lock()

    @property
    def is_busy(self) -> bool:
        """Whether an order is being carried out."""
        return self._turn.locked()

    @property
    def process_id(self) -> int | None:
        """The id of the process; None if there is none."""
        process = self._process
        return process.id if process else None

    def load(self, model: Any) -> Facts:
        """Load a model, unless it is loaded, and return its facts. Raise Fault or WorkerLost."""
        name = self._name(model)
        facts = self._facts.get(name)
        if facts is not None:
            return facts
        with self._turn:
            for answer in self._ask(LoadModel(name)):
                if isinstance(answer, LoadFailed):
                    raise answer.fault
                assert isinstance(answer, Loaded)
                self._remember(name, answer)
                return answer.facts
        raise WorkerLost

    def loaded_facts(self, model: Any) -> Facts | None:
        """Return the facts of a model; None if the process has not loaded it."""
        return self._facts.get(self._name(model))

    def free_memory(self, model: Any) -> int | None:
        """Return the free bytes on a model's device after the last answer; None if unknown."""
        return self._free_memory.get(self._name(model))

    def make_stage(self, run: PreparedRun, number: int, model: Any) -> Iterator[Event]:
        """Make a stage and yield its events; raise WorkerLost if the process ends meanwhile."""
        name = self._name(model)
        with self._turn:
            answers, has_ended = self._ask(MakeStage(run, number, name)), False
            try:
                for answer in answers:
                    if isinstance(answer, StageEnded):
                        has_ended = True
                        self._remember(name, answer.model)
                        return
                    assert not isinstance(answer, Loaded | LoadFailed)
                    yield answer
            except GeneratorExit:
                # Nobody takes the other answers, which must not be taken for those to the next order.
                self.stop(run.folder)
                with suppress(WorkerLost):
                    while not has_ended:
                        has_ended = isinstance(next(answers), StageEnded)
                raise

    def stop(self, run: Path) -> None:
        """Make the stage in work stop if it belongs to this run's folder."""
        process = self._process
        if process:
            with suppress(OSError):
                process.send(StopRun(run))

    def close(self) -> None:
        """End the process for good."""
        self._is_closed = True
        self._end_process()

    def _name(self, model: Any) -> str:
        """Return the name of a model, which may be given as nothing for the first one."""
        return model or self._settings.entries[0].name

    def _ask(self, order: Order) -> Iterator[Answer]:
        """Send an order and yield the answers, as long as the caller takes them; raise WorkerLost if the process ends.

        The caller must take the last answer to the order, and none after it.
        """
        process = self._process
        if process is None or not process.is_alive:
            process = self._start()
        try:
            process.send(order)
            while True:
                yield process.receive()
        # A message that cannot be read is as bad as none, because it is unknown which one comes next.
        except Exception as fault:
            if not isinstance(fault, EOFError | OSError):
                log.warning("a worker's answer could not be read", exc_info=fault)
            self._end_process()
            raise WorkerLost from fault

    def _start(self) -> "Process":
        """Start the process and return it; raise WorkerLost if the worker was closed or it cannot be started."""
        self._end_process()
        if self._is_closed:
            raise WorkerLost
        try:
            self._process = Process(self._settings, self._environment)
        except OSError as fault:
            raise WorkerLost from fault
        log.info("worker process %d has started on %s", self._process.id, self._settings.device)
        return self._process

    def _end_process(self) -> None:
        """End the process, if there is one, and forget what it has loaded."""
        process, self._process = self._process, None
        self._facts.clear()
        self._free_memory.clear()
        if process:
            process.end()

    def _remember(self, name: str, loaded: Loaded | None) -> None:
        """Remember what is known of a model after an answer."""
        if loaded:
            self._facts[name], self._free_memory[name] = loaded.facts, loaded.free_memory


class Process:
    """A worker's process, and the connection to it. It is ended together with this object."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        """Start the process; raise OSError if that fails. environment: see ProcessWorker."""
        self._connection, its = Pipe()
        self._sending = threading.Lock()
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "engine.serving.worker_process", str(its.fileno())],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | dict(environment),
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # So that Ctrl-C reaches only the app, which then ends this process.
        )
        its.close()
        # Ends the process once: when it is called, when this object is not used any more, or when the app ends.
        self.end = finalize(self, _end, self._process, self._connection)
        self.send(settings)

    @property
    def id(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def send(self, message: Settings | Order) -> None:
        """Send a message; raise OSError if the process has ended."""
        with self._sending:
            self._connection.send(message)

    def receive(self) -> Answer:
        """Wait for the next answer; raise EOFError or OSError if the process has ended."""
        return self._connection.recv()


def _end(process: "subprocess.Popen[bytes]", connection: "Connection[Any, Any]") -> None:
    """End a process. A stage in work is lost, but never written by halves."""
    process.terminate()
    try:
        process.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # Closed last: a thread that waits for an answer hears of the end of the process, and of nothing else.
    connection.close()


class ProcessPool(Models):
    """The models that the app offers, loaded in worker processes. An empty name means the first model."""

    def __init__(
        self,
        entries: Sequence[ModelEntry],
        devices: Sequence[str],
        dtype: str = "auto",
        offload: bool | None = None,
        threads: int | None = None,
    ) -> None:
        """Offer models. No process is started yet.

        entries: the models that are offered.
        devices: the device of each process.
        dtype, offload: as in engine.network.models.load_model.
        threads: how many CPU threads each process computes with; None for torch's default.
        """
        super().__init__(entries)
        environment = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
        level = logging.getLogger("engine").getEffectiveLevel()
        self._workers = tuple(
            ProcessWorker(Settings(tuple(entries), device, dtype, offload, level), environment)
            for device in devices
        )
        # Why models could not be loaded, by model name.
        self._load_errors: dict[str, str] = {}

    @property
    def workers(self) -> tuple[ProcessWorker, ...]:
        """The workers, one for each process."""
        return self._workers

    def load(self, name: str = "") -> Facts:
        """Load a model in a process that is free, unless one has it, and return its facts."""
        entry = self.entry(name)
        loaded = self.loaded_facts(entry.name)
        if loaded is not None:
            return loaded
        self._load_errors.pop(entry.name, None)
        try:
            return min(self._workers, key=lambda worker: worker.is_busy).load(entry.name)
        except Fault as fault:
            self._load_errors[entry.name] = fault.sentence
            raise
        except WorkerLost as fault:
            sentence = errors.WORKER_LOST_LOADING.format(source=short_repr(entry.title))
            self._load_errors[entry.name] = sentence
            raise Fault(sentence) from fault

    def loaded_facts(self, name: str = "") -> Facts | None:
        """Return the complete facts of a model; None before a process has loaded it."""
        name = self.entry(name).name
        return next(filter(None, (worker.loaded_facts(name) for worker in self.workers)), None)

    def load_error(self, name: str = "") -> str:
        """Return why the last attempt to load a model failed; empty if it succeeded, or has not ended yet."""
        return self._load_errors.get(self.entry(name).name, "")

    def free_memory(self, name: str = "") -> int | None:
        """Return the free bytes on the device of a process that has loaded a model; None if there is none."""
        name = self.entry(name).name
        return next((w.free_memory(name) for w in self.workers if w.loaded_facts(name)), None)

    def close(self) -> None:
        """End all processes."""
        for worker in self.workers:
            worker.close()


def open_models(
    entries: Sequence[ModelEntry],
    workers: str = "",
    device: str = "auto",
    dtype: str = "auto",
    offload: bool | None = None,
) -> Models:
    """Return the models with the workers that a setting names; raise Fault if the setting is of no use.

    workers: empty for one worker in this process, "auto" for one process per GPU where there are several, or a number
        of processes that share the cores of the CPU.
    device, dtype, offload: as in engine.network.models.load_model.
    """
    if workers in ("", "auto") and (workers == "" or gpu_count() < 2):
        return ModelPool(entries, device, dtype, offload)
    if sys.platform == "win32":
        raise Fault(errors.WORKERS_NEED_POSIX)
    if workers == "auto":
        return ProcessPool(entries, [f"cuda:{number}" for number in range(gpu_count())], dtype, offload)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not workers.isdecimal() or not 1 <= int(workers) <= cores:
        raise Fault(errors.UNUSABLE_WORKERS.format(value=short_repr(workers), limit=cores))
    count = int(workers)
    return ProcessPool(entries, ["cpu"] * count, dtype, offload, threads=cores // count)
