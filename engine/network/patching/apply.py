"""All that may be done to a network, by the kind of the bend."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from torch import nn

from engine import errors
from engine.errors import BadRecipe
from engine.network.patching.attention import quartered, tempered
from engine.network.patching.convolution import dilated, has_convolutions
from engine.network.patching.levels import DOWN, UP, pooled, strided
from engine.planning.patches import Bend, Bends, Dilated, Pooled, Quartered, Strided, Tempered

Surgery = Callable[[nn.Module, Any], AbstractContextManager[None]]

SURGERY: dict[type, Surgery] = {
    Dilated: dilated,
    Strided: strided,
    Pooled: pooled,
    Quartered: quartered,
    Tempered: tempered,
}


@contextmanager
def bent(networks: Iterable[nn.Module], bends: tuple[Bend, ...]) -> Iterator[None]:
    """The networks so bent. A ControlNet has only the way down: what it has not is left out."""
    with ExitStack() as undo:
        for network in networks:
            for bend in bends:
                undo.enter_context(SURGERY[type(bend)](network, bend))
        yield


def check_parts(network: nn.Module, model: str, asked: Iterable[Bends]) -> None:
    """BadRecipe where the network of this model lacks a part that is to be bent."""
    named = {name for name, _ in network.named_modules()}
    bends = dict.fromkeys(bend for each in asked for bend in (*each.strong, *(each.mild or ())))
    for bend, part in ((one, part) for one in bends for part in _parts(one)):
        if part not in named or not has_convolutions(network, bend, part):
            raise BadRecipe("method", errors.NO_SUCH_PART.format(model=model, part=part))


def _parts(bend: Bend) -> tuple[str, ...]:
    match bend:
        case Dilated():
            return tuple(part for part, _ in bend.parts)
        case Strided():
            return DOWN.format(bend.down), UP.format(bend.up)
        case Pooled():
            return f"{bend.down}.attentions.0", f"{bend.up}.attentions.1"
        case Quartered():
            return bend.parts
    return ()
