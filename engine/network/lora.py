"""LoRAs: switched on for a stage as adapters, never fused, so that the network is then itself, bit by bit."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine import errors
from engine.catalogue import weights
from engine.catalogue.entries import find_lora, lora_source
from engine.errors import BadRecipe, short
from engine.sampling.signals import Made, Moment

Worn = tuple[tuple[Path, float], ...]
"""Files and how strongly each is felt."""


def worn(loras: tuple[tuple[str, float], ...]) -> Worn:
    """The files of a recipe's LoRAs, fetched where they can be; BadRecipe for one that is not to be had."""
    found = []
    for source, weight in loras:
        path = find_lora(source) or weights.fetch(lora_source(source), [])
        if path is None:
            raise BadRecipe("loras", errors.LORA_NOT_HERE.format(source=short(source)))
        found.append((path, weight))
    return tuple(found)


@contextmanager
def wearing(pipeline: Any, loras: Worn) -> Iterator[None]:
    """The pipeline's network and encoders with these LoRAs; BadRecipe where one is made for another model."""
    if not loras:
        yield
        return
    try:
        _put_on(pipeline, loras)
        yield
    finally:
        pipeline.unload_lora_weights()


def fuse(pipeline: Any, loras: Worn) -> None:
    """Makes LoRAs a part of the network for good."""
    try:
        _put_on(pipeline, loras)
        pipeline.fuse_lora()
    finally:
        pipeline.unload_lora_weights()


def _put_on(pipeline: Any, loras: Worn) -> None:
    names = []
    for k, (path, _) in enumerate(loras):
        name = f"lora_{k}"
        before = _adapters(pipeline)
        try:
            pipeline.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name=name)
            fits = _adapters(pipeline) - before == {name}
        except (ValueError, RuntimeError, KeyError, OSError) as fault:
            raise BadRecipe("loras", errors.LORA_FOREIGN.format(source=short(path.stem))) from fault
        if not fits:
            raise BadRecipe("loras", errors.LORA_FOREIGN.format(source=short(path.stem)))
        names.append(name)
    pipeline.set_adapters(names, [weight for _, weight in loras])


def _adapters(pipeline: Any) -> set[str]:
    return {name for names in pipeline.get_list_adapters().values() for name in names}


def by_stage(moments: Iterator[Moment], pipeline: Any, loras: Worn) -> Iterator[Moment]:
    """The loop, its network wearing these while a stage is at work. Between stages, when the device
    is lent to others, it is itself."""
    for moment in moments:  # The first of a stage comes before anything is asked of the network.
        with wearing(pipeline, loras):
            while not isinstance(moment, Made):
                yield moment
                moment = next(moments)
        yield moment
