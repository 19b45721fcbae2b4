"""What is known of one field of a request, once: how it is checked, and what a person reads beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Setting:
    """kind: which check it takes. low, high, step: of numbers. optional: whether it may be None."""

    kind: str
    label: str
    help: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False


def setting(default: Any, kind: str, label: str, help: str, *range_: float, **more: Any) -> Any:
    """A dataclass field with its default, and what is known of it."""
    known = Setting(kind, label, help, *range_, optional=default is None, **more)
    return field(default=default, metadata={"setting": known})


def settings_of(kind: type) -> dict[str, Setting]:
    """The settings of a dataclass by name."""
    return {f.name: f.metadata["setting"] for f in fields(kind)}


def frozen(value: Any) -> Any:
    """Lists become tuples and mappings sorted pairs, so that a value is equal to itself read from JSON."""
    if isinstance(value, Mapping):
        return tuple(sorted(((str(k), frozen(v)) for k, v in value.items()), key=lambda pair: pair[0]))
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value
