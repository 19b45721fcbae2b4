"""What is known of a model without holding it: its facts and its defaults. Knows nothing of torch."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import log
from pathlib import Path
from typing import Any

from engine.catalogue import weights
from engine.formulas.timesteps import train_steps
from engine.paths import ROOT

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
    offload: whether its parts are on the device by turns only.
    body: which tables of bent networks fit it.
    levels: shares of a native evaluation, outermost first: what grows with the area, and what grows with its
    square (attention).
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
    offload: bool = False
    architecture: str = "sdxl"
    levels: tuple[tuple[float, float], ...] = ((1.0, 0.0),)

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
def load_catalogue() -> dict[str, Any]:
    return tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class ModelEntry:
    """A model on offer. source: its folder or file, or hub id. draws: where it knows only so much, the words
    of each kind, in the order of a sentence.

    gigabytes: to be fetched at its first use.    for_gpu: without one it takes hours.
    adds: LoRAs that are part of it.    lays: settings that replace its scheduler's own.
    """

    name: str
    title: str
    source: str
    family: str
    defaults: Defaults
    licence: str = ""
    draws: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    gigabytes: float = 0
    for_gpu: bool = False
    adds: tuple[tuple[str, float], ...] = ()
    lays: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def is_here(self) -> bool:
        """Whether all its weights are on this machine."""
        found = weights.find_local(self.source)
        return bool(found and weights.has_weights(found) and all(find_lora(name) for name, _ in self.adds))


def model_entries() -> tuple[ModelEntry, ...]:
    """All that the catalogue lists, the model in the box first."""
    return tuple(_entry(name, listed) for name, listed in load_catalogue()["model"].items())


def _entry(name: str, listed: Mapping[str, Any]) -> ModelEntry:
    here = ROOT / listed["source"]
    draws = {kind: tuple(words) for kind, words in listed.get("draws", {}).items()}
    source = str(here) if here.is_dir() else listed["source"]
    return ModelEntry(
        name,
        listed["title"],
        source,
        listed["family"],
        _defaults(listed),
        listed["licence"],
        draws,
        gigabytes=listed.get("gigabytes", 0),
        for_gpu=listed.get("best_on") == "gpu",
        adds=tuple((name, float(strength)) for name, strength in listed.get("adds", ())),
        lays=listed.get("lays", {}),
    )


def lora_names() -> tuple[str, ...]:
    """Names by which anybody may ask for a LoRA."""
    return tuple(load_catalogue()["lora"])


def lora_source(name: str) -> str:
    """A file, or a file on the hub: of a name in the catalogue, else what was given."""
    return load_catalogue()["lora"].get(name, {}).get("source", name)


def find_lora(name: str) -> Path | None:
    """Its file, if that is on this machine."""
    found = weights.find_local(lora_source(name))
    return found if found and found.is_file() else None


def defaults_for(source: str, family: str) -> Defaults:
    """Of the entry with this source, else of the family."""
    entry = _entry_of(source)
    return entry.defaults if entry else family_defaults(family)


def _entry_of(source: str) -> ModelEntry | None:
    here = Path(source).resolve()
    return next((e for e in model_entries() if source == e.source or here == Path(e.source).resolve()), None)


def family_defaults(family: str) -> Defaults:
    return _defaults(load_catalogue()["family"][family])


def _defaults(listed: Mapping[str, Any]) -> Defaults:
    return Defaults(listed["steps"], listed["guidance"], listed["scheduler"], tuple(listed["scales"]))


def lora_titles(loras: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """How they are called in a picture's text: files without the folders that they lie in."""
    return tuple((Path(name).name if Path(name).is_file() else name, strength) for name, strength in loras)


def lora_digests(loras: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    """What LoRAs are, whatever they are called: their files' sha256, and the strength of each."""
    told = []
    for name, strength in loras:
        path = find_lora(name)
        # One that was never fetched has made no picture yet.
        told.append((weights.file_digest(path) if path else name, strength))
    return told


def facts_from_configs(entry: ModelEntry) -> Facts:
    """What a pipeline's configs tell before its weights are read: all that sizes and steps depend on.

    OSError, ValueError or KeyError if there are none, or no whole ones, on this machine.
    """
    path = weights.find_local(entry.source)
    layout = weights.detect_layout(path) if path and path.is_file() else None
    folder = weights.find_configs(path, layout) if layout else path
    if folder is None:
        raise FileNotFoundError(entry.source)
    told = {part: weights.read_config(folder, part) for part in ("unet", "vae", "scheduler")}
    cell = 2 ** (len(told["vae"]["block_out_channels"]) - 1)
    window = told["unet"]["sample_size"]
    return Facts(
        name=entry.name,
        family=entry.family,
        window=window,
        cell=cell,
        channels=told["unet"]["in_channels"],
        scheduler=told["scheduler"] | entry.lays,
        defaults=entry.defaults,
        buckets=family_buckets(entry.family, window * cell),
        architecture=(body := architecture_for(entry.family, told["unet"]["cross_attention_dim"])),
        levels=level_costs_for(entry.source, body),
    )


SD2_TEXT = 1024
"""Width of the texts that SD 2.x reads; SD 1.x reads 768."""


def architecture_for(family: str, text: int) -> str:
    """Which tables of bent networks fit a family's network that reads texts of this width."""
    if family != "sd":
        return family
    return "sd21" if text == SD2_TEXT else "sd15"


def level_costs_for(source: str, body: str) -> tuple[tuple[float, float], ...]:
    """How a network's work is spread over its levels: an entry's own, else that of its body."""
    entry = _entry_of(source)
    own = load_catalogue()["model"][entry.name].get("levels") if entry else None
    return tuple((float(a), float(b)) for a, b in own or load_catalogue()["body"][body]["levels"])


def family_buckets(family: str, native: int) -> tuple[tuple[int, int], ...]:
    """The family's training sizes for a model of this native side, px."""
    flat = [(h * native // 16, w * native // 16) for h, w in load_catalogue()["family"][family]["buckets"]]
    return tuple(dict.fromkeys(flat + [(w, h) for h, w in flat]))


def published_pace(facts: Facts) -> float | None:
    """Seconds per tile area on a device that others have measured with models of this size, or None."""
    kind = (facts.family, facts.native, facts.dtype)
    for entry in load_catalogue()["pace"]:
        if entry["device"] in facts.device and (entry["family"], entry["native"], entry["dtype"]) == kind:
            return entry["seconds"]
    return None
