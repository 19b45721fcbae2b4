"""Apply LoRAs as adapters and remove them, which leaves the network bit for bit as it was before."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine import errors
from engine.catalogue import weights
from engine.catalogue.entries import find_lora, lora_source
from engine.errors import BadRecipe, short_repr
from engine.network.pipeline import Pipeline

# (file, weight) of each LoRA.
LoraFiles = tuple[tuple[Path, float], ...]


def find_loras(loras: tuple[tuple[str, float], ...]) -> LoraFiles:
    """Return the files and weights of a recipe's LoRAs. A LoRA that is not on this machine is downloaded.

    Raise BadRecipe for a LoRA that cannot be found.

    loras: (source, weight) of each LoRA.
    """
    found = []
    for source, weight in loras:
        path = find_lora(source) or weights.download(lora_source(source), [])
        if path is None:
            raise BadRecipe("loras", errors.LORA_NOT_HERE.format(source=short_repr(source)))
        found.append((path, weight))
    return tuple(found)


@contextmanager
def apply_loras(pipeline: Pipeline, loras: LoraFiles) -> Iterator[None]:
    """Apply LoRAs to a pipeline's network and text encoders inside a `with` block.

    Raise BadRecipe if a LoRA was made for another kind of model.
    """
    if not loras:
        yield
        return
    try:
        _load(pipeline, loras)
        yield
    finally:
        pipeline.unload_lora_weights()


def fuse_loras(pipeline: Pipeline, loras: LoraFiles) -> None:
    """Merge LoRAs permanently into the weights of a pipeline's network and text encoders."""
    try:
        _load(pipeline, loras)
        pipeline.fuse_lora()
    finally:
        pipeline.unload_lora_weights()


def _load(pipeline: Pipeline, loras: LoraFiles) -> None:
    """Load LoRAs as adapters and activate them; raise BadRecipe if a LoRA does not fit the model."""
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


def _adapters(pipeline: Pipeline) -> set[str]:
    """Return the names of the adapters that are loaded in a pipeline."""
    return {name for names in pipeline.get_list_adapters().values() for name in names}
