"""What is known of a model without holding it: its facts and its defaults. Knows nothing of torch."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import log
from pathlib import Path
from typing import Any

from engine.timesteps import train_steps

CATALOGUE = Path(__file__).with_name("catalogue.toml")


@dataclass(frozen=True)
class Defaults:
    """What empty fields of a recipe mean for a model."""

    steps: int
    guidance: float
    scheduler: str
    scales: tuple[float, ...]


@dataclass(frozen=True)
class Footprint:
    """Memory in bytes: of the weights, of one evaluation per latent cell, of the decoder per px of a tile."""

    weights: int = 0
    per_cell: float = 0.0
    per_px: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that the plan needs to know of a model.

    window: side of the native canvas in latent cells.    cell: px per latent cell.
    scheduler: the config of the model's own scheduler.   buckets: sizes it was trained on, px.
    view_batch: views per call where the recipe does not say.
    hash: of the weights.    space: what its latents mean; equal where one model can go on from another's.
    device, dtype: where and in which number format the network runs.
    """

    name: str
    family: str
    window: int
    cell: int
    channels: int
    scheduler: Mapping[str, Any] = field(hash=False)
    defaults: Defaults
    buckets: tuple[tuple[int, int], ...]
    view_batch: int = 4
    footprint: Footprint = Footprint()
    hash: str = ""
    space: str = ""
    device: str = "cpu"
    dtype: str = "float32"

    @property
    def native(self) -> int:
        """Side of the native square in px."""
        return self.window * self.cell

    @property
    def train_steps(self) -> int:
        return train_steps(self.scheduler)

    def bucket_near(self, size: tuple[int, int]) -> tuple[int, int]:
        """The trained size nearest to this one, side by side on a logarithmic scale."""
        return min(self.buckets, key=lambda b: log(b[0] / size[0]) ** 2 + log(b[1] / size[1]) ** 2)


@cache
def _catalogue() -> dict[str, Any]:
    return tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))


def family_defaults(family: str) -> Defaults:
    entry = _catalogue()["family"][family]
    return Defaults(entry["steps"], entry["guidance"], entry["scheduler"], tuple(entry["scales"]))


def family_buckets(family: str, native: int) -> tuple[tuple[int, int], ...]:
    """The family's training sizes for a model of this native side, px."""
    flat = [(h * native // 16, w * native // 16) for h, w in _catalogue()["family"][family]["buckets"]]
    return tuple(dict.fromkeys(flat + [(w, h) for h, w in flat]))


def known_pace(facts: Facts) -> float | None:
    """Seconds per tile area on a device that others have measured with models of this size, or None."""
    kind = (facts.family, facts.native, facts.dtype)
    for entry in _catalogue()["pace"]:
        if entry["device"] in facts.device and (entry["family"], entry["native"], entry["dtype"]) == kind:
            return entry["seconds"]
    return None
