"""The models of the app, each loaded once and used by all runs. Imports torch only to load a model."""

import gc
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from weakref import ref

from engine import errors
from engine.catalogue.entries import Facts, ModelEntry, facts_from_configs, model_entries
from engine.errors import BadRecipe, Fault, NotEnoughMemory, WeightsMissing, short_repr
from engine.planning.plan import plan
from engine.runs.events import Event, Failed
from engine.runs.pace import Pace
from engine.serving.entry import Request

if TYPE_CHECKING:
    from engine.network.model import Model


# Device files that exist where there is a GPU (NVIDIA, WSL, AMD); looking for them needs no torch.
GPU_DEVICE_FILES = ("/dev/nvidia0", "/dev/dxg", "/dev/kfd")
_IMPORT_LOCK = threading.Lock()


def has_gpu() -> bool:
    """Return whether this machine has a GPU that torch may be able to use."""
    return any(Path(device).exists() for device in GPU_DEVICE_FILES)


def select_models(names: Sequence[str], gpu: bool) -> list[ModelEntry]:
    """Return the catalogue's entries with these names; raise Fault if a name is not in the catalogue.

    Without names, return all entries whose weights are on this machine. Entries that suit the machine (with or
    without a GPU) come first.

    gpu: whether the machine has a GPU.
    """
    catalogue = {entry.name: entry for entry in model_entries()}
    unknown = [name for name in names if name not in catalogue]
    if unknown:
        raise Fault(errors.NOT_IN_CATALOGUE.format(names=", ".join(unknown), known=", ".join(catalogue)))
    if names:
        return [catalogue[name] for name in names]
    available = [entry for entry in catalogue.values() if entry.is_local]
    return sorted(available, key=lambda entry: entry.needs_gpu != gpu)


def _import_torch_modules() -> tuple[ModuleType, ModuleType]:
    """Return engine.network.models and engine.runs.generate, imported under a lock.

    diffusers replaces its own module in sys.modules during its import. A second thread that imports diffusers at
    the same time would get the unfinished module, which lacks the classes.
    """
    with _IMPORT_LOCK:
        from engine.network import models
        from engine.runs import generate
    return models, generate


class ModelPool:
    """The models that the app offers. In all methods an empty name means the first model."""

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
        self.entries = {entry.name: entry for entry in entries}
        self.device, self.dtype, self.offload = device, dtype, offload
        # Loaded models by name.
        self._models: dict[str, Model] = {}
        # Facts from the config files of models that are not loaded, by model name.
        self._facts: dict[str, Facts] = {}
        # Why models could not be loaded, by model name.
        self._load_errors: dict[str, str] = {}
        # A lock for each model, held while the model is being loaded.
        self._load_locks = {name: threading.Lock() for name in self.entries}

    def entry(self, name: str = "") -> ModelEntry:
        """Return a model's entry in the catalogue; raise BadRecipe for an unknown name."""
        name = name or next(iter(self.entries))
        if name not in self.entries:
            known = ", ".join(self.entries)
            raise BadRecipe(
                "model", errors.UNKNOWN_CHOICE.format(field="model", value=short_repr(name), known=known)
            )
        return self.entries[name]

    def is_loaded(self, name: str = "") -> bool:
        """Return whether a model is loaded. name: the model; empty for the first model."""
        return self.entry(name).name in self._models

    def load_error(self, name: str = "") -> str:
        """Return why the last attempt to load a model failed; empty if it succeeded, or has not ended yet.

        name: the model; empty for the first model.
        """
        return self._load_errors.get(self.entry(name).name, "")

    def facts(self, name: str = "") -> Facts:
        """Return the facts of a model: complete if the model is loaded, else those from its config files."""
        entry = self.entry(name)
        model = self._models.get(entry.name)
        if model is not None:
            return model.facts
        if entry.name not in self._facts:
            try:
                self._facts[entry.name] = facts_from_configs(entry)
            except (OSError, ValueError, KeyError, TypeError) as fault:
                sentence = errors.MODEL_NOT_HERE.format(source=short_repr(entry.title))
                raise WeightsMissing(sentence) from fault
        return self._facts[entry.name]

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
        models, _ = _import_torch_modules()
        arguments = (entry.source, self.device, self.dtype, self.offload, entry)
        # The model is loaded in a thread that ends. OpenMP keeps a team of threads for every living thread that has
        # computed anything. With more threads than cores these teams sleep between operations, and every run takes
        # 1.5 times as long.
        with ThreadPoolExecutor(1) as executor:
            model = executor.submit(models.load_model, *arguments).result()
        return replace(model, facts=replace(model.facts, name=entry.name, defaults=entry.defaults))

    def is_on_gpu(self, name: str = "") -> bool:
        """Return whether a model is loaded on another device than the CPU."""
        model = self._models.get(self.entry(name).name)
        return model is not None and model.device.type != "cpu"

    def free_memory(self, name: str = "") -> int | None:
        """Return the free bytes on a model's device; None before the model is loaded."""
        model = self._models.get(self.entry(name).name)
        if model is None:
            return None
        from engine import hardware

        return hardware.free_memory(model.device)

    def start_run(self, request: Request, run: Path) -> Iterator[Event]:
        """Start a run in its folder and yield its events; this is the StartRun function of the queue."""
        _, generation = _import_torch_modules()
        try:
            model = self.model(request.model)
        except Fault as fault:
            yield Failed(fault.sentence, getattr(fault, "field", ""))
            return
        yield from generation.generate(
            request.recipe, model, out=run.parent, resume=request.resume, until=request.until, run=run
        )

    def estimate(self, request: Request, root: Path) -> tuple[float | None, ...]:
        """Estimate the seconds of each stage of a request from earlier runs under a root folder."""
        planned = request.plan or plan(request.recipe, self.facts(request.model))
        return Pace(root).estimate_each(planned.stages)
