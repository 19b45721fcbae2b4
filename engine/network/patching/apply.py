"""Apply patches of any type to a network."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from torch import nn

from engine import errors
from engine.errors import BadRecipe
from engine.network.patching.attention import apply_scaled_attention, apply_windowed_attention
from engine.network.patching.convolution import apply_dilated_convolutions, find_convolutions
from engine.network.patching.levels import DOWNSAMPLER, UPSAMPLER, apply_pooled_level, apply_strided_level
from engine.planning.patches import (
    DilatedConvolutions,
    Patch,
    PooledLevel,
    ScaledAttention,
    StepPatches,
    StridedLevel,
    WindowedAttention,
)

# Takes a network and a patch, and returns a context in which the network is patched.
ApplyFunction = Callable[[nn.Module, Any], AbstractContextManager[None]]

# The function that applies a patch, by the type of the patch.
APPLY_FUNCTIONS: dict[type, ApplyFunction] = {
    DilatedConvolutions: apply_dilated_convolutions,
    StridedLevel: apply_strided_level,
    PooledLevel: apply_pooled_level,
    WindowedAttention: apply_windowed_attention,
    ScaledAttention: apply_scaled_attention,
}


@contextmanager
def apply_patches(networks: Iterable[nn.Module], patches: tuple[Patch, ...]) -> Iterator[None]:
    """Apply patches to networks inside a `with` block.

    Patches of parts that a network lacks are skipped, because a ControlNet has no up blocks.
    """
    with ExitStack() as undo:
        for network in networks:
            for patch in patches:
                undo.enter_context(APPLY_FUNCTIONS[type(patch)](network, patch))
        yield


def check_patched_parts(network: nn.Module, model: str, patches_by_step: Iterable[StepPatches]) -> None:
    """Raise BadRecipe if a model's network lacks a part that is to be patched.

    model: the model's name, for the message.
    """
    module_names = {name for name, _ in network.named_modules()}
    patches: dict[Patch, None] = {}  # A dict keeps the order and drops repeated patches.
    for step in patches_by_step:
        patches |= dict.fromkeys((*step.strong, *(step.mild or ())))
    for patch in patches:
        for part in _patched_parts(patch):
            is_missing = part not in module_names
            if isinstance(patch, DilatedConvolutions):
                is_missing = is_missing or not find_convolutions(network, part)
            if is_missing:
                raise BadRecipe("method", errors.NO_SUCH_PART.format(model=model, part=part))


def _patched_parts(patch: Patch) -> tuple[str, ...]:
    """Return the names of the submodules that a network must have for a patch, such as "down_blocks.1"."""
    match patch:
        case DilatedConvolutions():
            return tuple(part for part, _ in patch.parts)
        case StridedLevel():
            return DOWNSAMPLER.format(patch.down_block), UPSAMPLER.format(patch.up_block)
        case PooledLevel():
            return f"{patch.down_block}.attentions.0", f"{patch.up_block}.attentions.1"
        case WindowedAttention():
            return patch.parts
    return ()
