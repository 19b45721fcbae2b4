"""Set attributes and hooks of modules temporarily."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.utils.hooks import RemovableHandle


@contextmanager
def set_attributes(module: nn.Module, **values: object) -> Iterator[None]:
    """Set attributes of a module inside a `with` block, and restore them afterwards."""
    originals = {name: getattr(module, name) for name in values}
    try:
        for name, value in values.items():
            setattr(module, name, value)
        yield
    finally:
        for name, original in originals.items():
            setattr(module, name, original)


@contextmanager
def use_hooks(*handles: RemovableHandle) -> Iterator[None]:
    """Keep hooks that are already registered inside a `with` block, and remove them afterwards."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def find_part(network: nn.Module, name: str) -> nn.Module | None:
    """Return the submodule of this name, such as "down_blocks.1"; None if the network has none."""
    try:
        return network.get_submodule(name)
    except AttributeError:
        return None
