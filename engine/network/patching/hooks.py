"""Attributes and hooks of modules, for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def altered(module: nn.Module, **values: Any) -> Iterator[None]:
    """The module with these attributes."""
    own = {name: getattr(module, name) for name in values}
    try:
        for name, value in values.items():
            setattr(module, name, value)
        yield
    finally:
        for name, value in own.items():
            setattr(module, name, value)


@contextmanager
def hooked(*handles: Any) -> Iterator[None]:
    """Takes these hooks away again."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def part(network: nn.Module, name: str) -> nn.Module | None:
    """A part by its name; None of what a network has not."""
    try:
        return network.get_submodule(name)
    except AttributeError:
        return None
