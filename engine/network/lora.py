"""LoRAs, applied as adapters and taken off again, so that the network is afterwards what it was, bit by bit."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine import errors
from engine.catalogue import weights
from engine.catalogue.entries import find_lora, lora_source
from engine.errors import BadRecipe, short_repr

# Files of LoRAs and their weights.
LoraFiles = tuple[tuple[Path, float], ...]


def find_loras(loras: tuple[tuple[str, float], ...]) -> LoraFiles:
    """Return the files of a recipe's LoRAs, downloaded if need be; BadRecipe for one that cannot be found."""
    found = []
    for source, weight in loras:
        path = find_lora(source) or weights.download(lora_source(source), [])
        if path is None:
            raise BadRecipe("loras", errors.LORA_NOT_HERE.format(source=short_repr(source)))
        found.append((path, weight))
    return tuple(found)


@contextmanager
def apply_loras(pipeline: Any, loras: LoraFiles) -> Iterator[None]:
    """Apply LoRAs to a pipeline's network and text encoders while the block runs.

    BadRecipe where a LoRA was made for another kind of model.
    """
    if not loras:
        yield
        return
    try:
        _load(pipeline, loras)
        yield
    finally:
        pipeline.unload_lora_weights()


def fuse_loras(pipeline: Any, loras: LoraFiles) -> None:
    """Merge LoRAs into the network's weights for good."""
    try:
        _load(pipeline, loras)
        pipeline.fuse_lora()
    finally:
        pipeline.unload_lora_weights()


def _load(pipeline: Any, loras: LoraFiles) -> None:
    names = []
    for k, (path, _) in enumerate(loras):
        name = f"lora_{k}"
        before = _adapters(pipeline)
        try:
            pipeline.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name=name)
            fits = _adapters(pipeline) - before == {name}
        except (ValueError, RuntimeError, KeyError, OSError) as fault:
            raise BadRecipe("loras", errors.LORA_INCOMPATIBLE.format(source=short_repr(path.stem))) from fault
        if not fits:
            raise BadRecipe("loras", errors.LORA_INCOMPATIBLE.format(source=short_repr(path.stem)))
        names.append(name)
    pipeline.set_adapters(names, [weight for _, weight in loras])


def _adapters(pipeline: Any) -> set[str]:
    return {name for names in pipeline.get_list_adapters().values() for name in names}
