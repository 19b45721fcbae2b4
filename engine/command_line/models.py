"""The model of a run: find it in the catalogue, and load it. Imports torch only to load."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.catalogue import weights
from engine.catalogue.entries import Facts, ModelEntry, facts_from_configs, lora_source, model_entries
from engine.catalogue.upscalers import UpscalerEntry, upscaler_entries
from engine.command_line.arguments import WrongUsage
from engine.errors import Fault, NotEnoughMemory, WeightsMissing
from engine.serving.model_pool import ModelPool
from engine.serving.models import has_gpu, select_models

if TYPE_CHECKING:
    from engine.network.model import Model


class ModelSource(NamedTuple):
    """Where the model of a run comes from."""

    # A path or a hub id.
    source: str
    # The model's entry in the catalogue; None if the catalogue does not list the model.
    entry: ModelEntry | None

    @property
    def name(self) -> str:
        """The name of the model in recipes; "" if it follows from the source."""
        return self.entry.name if self.entry else ""


def find_model(name: str) -> ModelSource:
    """Return the model with a name in the catalogue, a path or a hub id; raise WrongUsage if it is none of these.

    For an empty name return the model that the app would show first.
    """
    if not name:
        entry = (select_models([], has_gpu()) or model_entries())[0]
        return ModelSource(entry.source, entry)
    if name not in {entry.name for entry in model_entries()} and (
        Path(name).exists() or weights.is_hub_id(name)
    ):
        return ModelSource(name, None)
    try:
        (entry,) = select_models([name], has_gpu())
    except Fault as fault:
        raise WrongUsage(fault.sentence) from fault
    return ModelSource(entry.source, entry)


def find_facts(model: ModelSource) -> Facts | None:
    """Return what is known of a model before it is loaded; None if its configs are not on this machine."""
    if model.entry is None:
        return None
    try:
        return facts_from_configs(model.entry)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load(model: ModelSource, device: str, dtype: str, offload: bool | None) -> "Model":
    """Load a model, after fetching it if necessary; raise a Fault that says why it cannot be loaded.

    device, dtype, offload: as in engine.network.models.load_model. A wrong one raises WrongUsage.
    """
    try:
        if model.entry:
            return ModelPool([model.entry], device, dtype, offload).model()
        from engine.network.models import load_model

        return load_model(model.source, device, dtype, offload)
    except (WeightsMissing, NotEnoughMemory):
        raise
    except Fault as fault:
        raise WrongUsage(fault.sentence) from fault


def describe_models() -> str:
    """Return a table of the catalogue's models and upscalers, with their licences and where they are."""
    models = [(entry.name, entry.title, entry.licence, _place(entry)) for entry in model_entries()]
    upscalers = [(entry.name, entry.title, entry.licence, _place(entry)) for entry in upscaler_entries()]
    return "\n".join(
        ["Models (--model)", *_format_rows(models), "", "Upscalers (--enlarge)", *_format_rows(upscalers)]
    )


def _place(entry: ModelEntry | UpscalerEntry) -> str:
    """Return "here" for a model or an upscaler that is on this machine, else how to get it."""
    if entry.is_local:
        return "here"
    if isinstance(entry, UpscalerEntry) and (entry.install or not entry.source):
        return entry.install or entry.note
    sources = [entry.source]
    if isinstance(entry, ModelEntry):
        sources += [lora_source(lora) for lora, _ in entry.loras]
    return f"fetched at its first use, about {entry.gigabytes:g} GB: {' and '.join(sources)}"


def _format_rows(rows: list[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table, with columns that are as wide as their longest value."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
