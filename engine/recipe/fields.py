"""Settings: dataclass fields with metadata for validation and for the page's widgets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Setting:
    """How one field of a recipe is validated and shown."""

    # The kind of value, such as "number" or "choice", which selects the check in checks.py.
    kind: str
    # The title of the field's widget.
    label: str
    # The sentence below the field's widget.
    help: str
    # The smallest value of a number.
    low: float | None = None
    # The largest value of a number.
    high: float | None = None
    # The step of a number's slider.
    step: float | None = None
    # The allowed values of a choice.
    choices: tuple[str, ...] = ()
    # Whether the value may be None.
    optional: bool = False

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest value of a number; raises ValueError for a setting of another kind."""
        if self.low is None or self.high is None:
            raise ValueError(f"the setting {self.label} has no range")
        return self.low, self.high


def setting(
    default: object,
    kind: str,
    label: str,
    help: str,
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Return a dataclass field with a default value and with a Setting as metadata.

    The other arguments are fields of Setting.
    """
    metadata = Setting(kind, label, help, low, high, step, choices, optional=default is None)
    return field(default=default, metadata={"setting": metadata})


def collect_settings(dataclass_: type) -> dict[str, Setting]:
    """Return the Setting of each field, by name, of a dataclass whose fields were made by `setting`."""
    return {f.name: f.metadata["setting"] for f in fields(dataclass_)}


def freeze(value: object) -> Any:
    """Return a value with lists replaced by tuples, and mappings by sorted (name, value) pairs, at every depth.

    So a value read from JSON equals the original value.
    """
    if isinstance(value, Mapping):
        return tuple(sorted(((str(k), freeze(v)) for k, v in value.items()), key=lambda pair: pair[0]))
    return tuple(map(freeze, value)) if isinstance(value, list | tuple) else value
