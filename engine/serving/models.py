"""The models that the app offers, and what is known of them in the app's own process. No torch."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from engine import errors
from engine.catalogue.entries import Facts, ModelEntry, facts_from_configs, model_entries
from engine.errors import BadRecipe, Fault, WeightsMissing, short_repr
from engine.planning.plan import plan
from engine.runs.pace import Pace
from engine.serving.entry import Request
from engine.serving.worker import Worker

# Device files that exist where there is a GPU (NVIDIA, WSL, AMD); looking for them needs no torch.
GPU_DEVICE_FILES = ("/dev/nvidia0", "/dev/dxg", "/dev/kfd")


def has_gpu() -> bool:
    """Return whether this machine has a GPU that torch may be able to use."""
    return any(Path(device).exists() for device in GPU_DEVICE_FILES)


def gpu_count() -> int:
    """Return the number of NVIDIA GPUs that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


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


class Models(ABC):
    """The models that the app offers, and the workers that have them. An empty name means the first model."""

    def __init__(self, entries: Sequence[ModelEntry]) -> None:
        """Offer the models with these entries."""
        self.entries = {entry.name: entry for entry in entries}
        # Facts from the config files of models that are not loaded, by model name.
        self._config_facts: dict[str, Facts] = {}

    @property
    @abstractmethod
    def workers(self) -> Sequence[Worker]:
        """The workers, which make the stages of runs."""

    @abstractmethod
    def load(self, name: str = "") -> Facts:
        """Load a model, unless it is loaded, and return its facts; raise Fault if it cannot be loaded.

        After a failure, the next call tries again.
        """

    @abstractmethod
    def loaded_facts(self, name: str = "") -> Facts | None:
        """Return the complete facts of a model; None before it is loaded."""

    @abstractmethod
    def load_error(self, name: str = "") -> str:
        """Return why the last attempt to load a model failed; empty if it succeeded, or has not ended yet."""

    @abstractmethod
    def free_memory(self, name: str = "") -> int | None:
        """Return the free bytes on a model's device; None if unknown, as before the model is loaded."""

    @abstractmethod
    def close(self) -> None:
        """End the workers."""

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
        """Return whether a model is loaded."""
        return self.loaded_facts(name) is not None

    def is_on_gpu(self, name: str = "") -> bool:
        """Return whether a model is loaded on another device than the CPU."""
        facts = self.loaded_facts(name)
        return facts is not None and facts.device_type != "cpu"

    def facts(self, name: str = "") -> Facts:
        """Return the facts of a model: complete if the model is loaded, else those from its config files.

        Raise WeightsMissing if the config files are not on this machine.
        """
        entry = self.entry(name)
        loaded = self.loaded_facts(entry.name)
        if loaded is not None:
            return loaded
        if entry.name not in self._config_facts:
            try:
                self._config_facts[entry.name] = facts_from_configs(entry)
            except (OSError, ValueError, KeyError, TypeError) as fault:
                sentence = errors.MODEL_NOT_HERE.format(source=short_repr(entry.title))
                raise WeightsMissing(sentence) from fault
        return self._config_facts[entry.name]

    def estimate(self, request: Request, root: Path) -> tuple[float | None, ...]:
        """Estimate the seconds of each stage of a request from earlier runs under a root folder."""
        planned = request.plan or plan(request.recipe, self.facts(request.model))
        return Pace(root).estimate_each(planned.stages)
