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
from engine.planning.patches import (
    DilatedConvolutions,
    Patch,
    PooledLevel,
    ScaledAttention,
    StepPatches,
    StridedLevel,
    WindowedAttention,
)

Surgery = Callable[[nn.Module, Any], AbstractContextManager[None]]

SURGERY: dict[type, Surgery] = {
    DilatedConvolutions: dilated,
    StridedLevel: strided,
    PooledLevel: pooled,
    WindowedAttention: quartered,
    ScaledAttention: tempered,
}


@contextmanager
def apply_patches(networks: Iterable[nn.Module], bends: tuple[Patch, ...]) -> Iterator[None]:
    """The networks so bent. A ControlNet has only the way down: what it has not is left out."""
    with ExitStack() as undo:
        for network in networks:
            for bend in bends:
                undo.enter_context(SURGERY[type(bend)](network, bend))
        yield


def check_parts(network: nn.Module, model: str, asked: Iterable[StepPatches]) -> None:
    """BadRecipe where the network of this model lacks a part that is to be bent."""
    named = {name for name, _ in network.named_modules()}
    bends = dict.fromkeys(bend for each in asked for bend in (*each.strong, *(each.mild or ())))
    for bend, part in ((one, part) for one in bends for part in _parts(one)):
        if part not in named or not has_convolutions(network, bend, part):
            raise BadRecipe("method", errors.NO_SUCH_PART.format(model=model, part=part))


def _parts(bend: Patch) -> tuple[str, ...]:
    match bend:
        case DilatedConvolutions():
            return tuple(part for part, _ in bend.parts)
        case StridedLevel():
            return DOWN.format(bend.down), UP.format(bend.up)
        case PooledLevel():
            return f"{bend.down}.attentions.0", f"{bend.up}.attentions.1"
        case WindowedAttention():
            return bend.parts
    return ()
