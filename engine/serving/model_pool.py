"""The models of this process, each loaded once and used by all runs. Imports torch only to load a model."""

import gc
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING
from weakref import ref

from engine.catalogue.entries import Facts, ModelEntry
from engine.errors import Fault, NotEnoughMemory
from engine.serving.models import Models
from engine.serving.worker import ThreadWorker

if TYPE_CHECKING:
    from engine.network.model import Model


_IMPORT_LOCK = threading.Lock()


def _import_models() -> ModuleType:
    """Return engine.network.models, imported under a lock together with all that makes stages.

    diffusers replaces its own module in sys.modules during its import. A second thread that imports diffusers at
    the same time would get the unfinished module, which lacks the classes.
    """
    with _IMPORT_LOCK:
        import_module("engine.runs.make_stage")
        from engine.network import models
    return models


class ModelPool(Models):
    """The models that the app offers, loaded in this process. In all methods an empty name means the first model."""

    def __init__(
        self,
        entries: Sequence[ModelEntry],
        device: str = "auto",
        dtype: str = "auto",
        offload: bool | None = None,
    ) -> None:
        """Offer models. No model is loaded yet.

        entries: the models that are offered.
        device, dtype, offload: as in engine.network.models.load_model.
        """
        super().__init__(entries)
        self.device, self.dtype, self.offload = device, dtype, offload
        self._worker = ThreadWorker(self.model, self.loaded_facts)
        # Loaded models by name.
        self._models: dict[str, Model] = {}
        # Why models could not be loaded, by model name.
        self._load_errors: dict[str, str] = {}
        # A lock for each model, held while the model is being loaded.
        self._load_locks = {name: threading.Lock() for name in self.entries}

    @property
    def workers(self) -> tuple[ThreadWorker]:
        """The only worker."""
        return (self._worker,)

    def load(self, name: str = "") -> Facts:
        """Load a model, unless it is loaded, and return its facts; raise Fault if it cannot be loaded."""
        return self.model(name).facts

    def loaded_facts(self, name: str = "") -> Facts | None:
        """Return the complete facts of a model; None before it is loaded."""
        model = self._models.get(self.entry(name).name)
        return model and model.facts

    def load_error(self, name: str = "") -> str:
        """Return why the last attempt to load a model failed; empty if it succeeded, or has not ended yet."""
        return self._load_errors.get(self.entry(name).name, "")

    def free_memory(self, name: str = "") -> int | None:
        """Return the free bytes on a model's device; None before the model is loaded."""
        model = self._models.get(self.entry(name).name)
        if model is None:
            return None
        from engine import hardware

        return hardware.free_memory(model.device)

    def close(self) -> None:
        """Do nothing: the worker's work is done by threads of the queue."""

    def model(self, name: str = "") -> "Model":
        """Return a model, after loading it if necessary; raise Fault if it cannot be loaded.

        After a failure, the next call tries again to load the model.
        """
        entry = self.entry(name)
        with self._load_locks[entry.name]:
            model = self._models.get(entry.name)
            if model is None:
                self._load_errors.pop(entry.name, None)
                try:
                    model = self._models[entry.name] = self._load_with_enough_memory(entry)
                except Fault as fault:
                    self._load_errors[entry.name] = fault.sentence
                    raise
            return model

    def _load_with_enough_memory(self, entry: ModelEntry) -> "Model":
        """Load a model. If there is too little memory, first unload the models that no run uses."""
        try:
            return self._load(entry)
        except NotEnoughMemory:
            if not self._models:
                raise
        self._unload_unused()
        return self._load(entry)

    def _unload_unused(self) -> None:
        """Unload all models that no run uses.

        A model in use stays in the pool: its memory could not be freed, and its next run would load a second copy.
        """
        from engine import hardware

        references = {name: ref(model) for name, model in self._models.items()}
        devices = {model.device for model in self._models.values()}
        self._models.clear()
        gc.collect()
        for name, reference in references.items():
            model = reference()
            if model is not None:
                self._models.setdefault(name, model)
        for device in devices:
            hardware.release_memory(device)

    def _load(self, entry: ModelEntry) -> "Model":
        """Load a model and return it with the catalogue's name and defaults."""
        models = _import_models()
        arguments = (entry.source, self.device, self.dtype, self.offload, entry)
        # The model is loaded in a thread that ends. OpenMP keeps a team of threads for every living thread that has
        # computed anything. With more threads than cores these teams sleep between operations, and every run takes
        # 1.5 times as long.
        with ThreadPoolExecutor(1) as executor:
            model = executor.submit(models.load_model, *arguments).result()
        return replace(model, facts=replace(model.facts, name=entry.name, defaults=entry.defaults))
