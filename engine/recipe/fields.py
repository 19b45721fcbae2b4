"""Dataclass fields that carry how their values are checked and what a person reads beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Setting:
    """How one field of a recipe is checked and presented."""

    # Selects the check in checks.py, such as "number" or "choice".
    kind: str
    # The title of its widget.
    label: str
    # The sentence below its widget.
    help: str
    # The range and step of a number.
    low: float | None = None
    high: float | None = None
    step: float | None = None
    # The values of a choice.
    choices: tuple[str, ...] = ()
    # Whether the value may be None.
    optional: bool = False


def setting(default: Any, kind: str, label: str, help: str, *range_: float, **more: Any) -> Any:
    """Return a dataclass field with this default and a Setting as metadata.

    range_: low, high and step of a number.    more: further fields of Setting.
    """
    metadata = Setting(kind, label, help, *range_, optional=default is None, **more)
    return field(default=default, metadata={"setting": metadata})


def collect_settings(dataclass_: type) -> dict[str, Setting]:
    """Return the settings of a dataclass whose fields were made by `setting`, by field name."""
    return {f.name: f.metadata["setting"] for f in fields(dataclass_)}


def freeze(value: Any) -> Any:
    """Return lists as tuples, and mappings as sorted pairs, so that values read from JSON compare equal."""
    if isinstance(value, Mapping):
        return tuple(sorted(((str(k), freeze(v)) for k, v in value.items()), key=lambda pair: pair[0]))
    return tuple(map(freeze, value)) if isinstance(value, list | tuple) else value
