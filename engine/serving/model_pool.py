"""Models on offer, each loaded once and lent to every run. Knows torch only while it loads one."""

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


GPUS = ("/dev/nvidia0", "/dev/dxg", "/dev/kfd")
"""What the kernel shows where there is one: looking needs no torch."""
_IMPORTING = threading.Lock()


def has_gpu() -> bool:
    return any(Path(device).exists() for device in GPUS)


def on_offer(named: Sequence[str], gpu: bool) -> list[ModelEntry]:
    """The entries of these names, in this order; if none is named, those whose weights are here,
    first of all what this machine is good for. Fault if a name is not in the catalogue."""
    listed = {entry.name: entry for entry in model_entries()}
    if unknown := [name for name in named if name not in listed]:
        words = {"names": ", ".join(unknown), "known": ", ".join(listed)}
        raise Fault(errors.NOT_IN_CATALOGUE.format(**words))
    if named:
        return [listed[name] for name in named]
    here = [entry for entry in listed.values() if entry.is_here]
    return sorted(here, key=lambda entry: entry.for_gpu != gpu)


def _engine() -> tuple[ModuleType, ModuleType]:
    """engine.network.models and engine.runs.generate, imported under a lock.

    While diffusers is imported it puts another module in its place: a thread that waited for the first one
    would be left with that, and none of its classes.
    """
    with _IMPORTING:
        from engine.network import models
        from engine.runs import generate
    return models, generate


class Lender:
    """The entries that may be asked for, the first of which is meant where none is named."""

    def __init__(
        self,
        entries: Sequence[ModelEntry],
        device: str = "auto",
        dtype: str = "auto",
        offload: bool | None = None,
    ) -> None:
        self.entries = {entry.name: entry for entry in entries}
        self.device, self.dtype, self.offload = device, dtype, offload
        self._models: dict[str, Model] = {}
        self._facts: dict[str, Facts] = {}
        self._failed: dict[str, str] = {}
        self._loading = {name: threading.Lock() for name in self.entries}

    def entry(self, name: str = "") -> ModelEntry:
        """The entry of this name, or BadRecipe."""
        name = name or next(iter(self.entries))
        if name not in self.entries:
            known = ", ".join(self.entries)
            raise BadRecipe(
                "model", errors.UNKNOWN_CHOICE.format(field="model", value=short_repr(name), known=known)
            )
        return self.entries[name]

    def is_warm(self, name: str = "") -> bool:
        return self.entry(name).name in self._models

    def failed(self, name: str = "") -> str:
        """Why the model could not be loaded when that was last tried; else empty, and while it is tried."""
        return self._failed.get(self.entry(name).name, "")

    def facts(self, name: str = "") -> Facts:
        """All there is to know of a model now: more once it is loaded."""
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
        """The loaded model; whoever asks first waits longest, and what failed is tried again."""
        entry = self.entry(name)
        with self._loading[entry.name]:
            model = self._models.get(entry.name)
            if model is None:
                self._failed.pop(entry.name, None)
                try:
                    model = self._models[entry.name] = self._with_room(entry)
                except Fault as fault:
                    self._failed[entry.name] = fault.sentence
                    raise
            return model

    def _with_room(self, entry: ModelEntry) -> "Model":
        """Where memory is short, the other models are let go; a run that is at work keeps its own."""
        try:
            return self._loaded(entry)
        except NotEnoughMemory:
            if not self._models:
                raise
        self._let_go()
        return self._loaded(entry)

    def _let_go(self) -> None:
        """Forgets all models but those that somebody holds: they fill the memory in any case, and whoever
        asks for one of them is not to load it twice."""
        from engine import hardware

        held = {name: ref(model) for name, model in self._models.items()}
        devices = {model.device for model in self._models.values()}
        self._models.clear()
        gc.collect()
        for name, see in held.items():
            if (model := see()) is not None:
                self._models.setdefault(name, model)
        for device in devices:
            hardware.give_back(device)

    def _loaded(self, entry: ModelEntry) -> "Model":
        models, _ = _engine()
        asked = (entry.source, self.device, self.dtype, self.offload, entry)
        # In a thread that ends. OpenMP keeps a team for every thread that has computed; where teams outnumber
        # the cores their members sleep between any two operations, and every run takes half as long again.
        with ThreadPoolExecutor(1) as passing:
            loaded = passing.submit(models.load_model, *asked).result()
        return replace(loaded, facts=replace(loaded.facts, name=entry.name, defaults=entry.defaults))

    def on_gpu(self, name: str = "") -> bool:
        """Whether a model is loaded there."""
        model = self._models.get(self.entry(name).name)
        return model is not None and model.device.type != "cpu"

    def free(self, name: str = "") -> int | None:
        """Bytes that can be had where the model is; None before it is loaded."""
        model = self._models.get(self.entry(name).name)
        if model is None:
            return None
        from engine import hardware

        return hardware.free(model.device)

    def start(self, request: Request, run: Path) -> Iterator[Event]:
        """Carries out a request in its folder: what a desk is to start."""
        _, loop = _engine()
        try:
            model = self.model(request.model)
        except Fault as fault:
            yield Failed(fault.sentence, getattr(fault, "field", ""))
            return
        yield from loop.generate(
            request.recipe, model, out=run.parent, resume=request.resume, until=request.until, run=run
        )

    def price(self, request: Request, root: Path) -> tuple[float | None, ...]:
        """Seconds of every stage of a request, as far as they are known here."""
        planned = request.plan or plan(request.recipe, self.facts(request.model))
        return Pace(root).each(planned.stages)
