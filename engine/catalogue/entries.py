"""What is known of a model before it is loaded: its facts, default settings and LoRAs. No torch."""

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
# Width of the text embeddings that SD 2.x reads; SD 1.x reads 768.
SD2_TEXT_WIDTH = 1024


@dataclass(frozen=True)
class Defaults:
    """The values that a model uses for settings which a recipe leaves empty."""

    # Denoising steps of every stage.
    steps: int
    # Scale of classifier-free guidance.
    guidance: float
    # A key of SCHEDULERS, or "model" for the model's own.
    scheduler: str
    # Side of each stage as a multiple of the native side.
    scales: tuple[float, ...]


@dataclass(frozen=True)
class Footprint:
    """How much memory a model takes on its device, in bytes."""

    # All weights that are on the device at the same time.
    weights: int = 0
    # Working memory of one evaluation of the network, per latent cell of the view.
    per_cell: float = 0.0
    # Working memory of the VAE's decoder, per px of a tile.
    per_px: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that planning needs to know of a model."""

    name: str
    # "sdxl" or "sd".
    family: str
    # Side of the native square in latent cells.
    window: int
    # Side of a latent cell in px (the VAE's scale factor).
    cell: int
    # Channels of a latent.
    channels: int
    # The config of the model's own scheduler.
    scheduler: Mapping[str, Any] = field(hash=False)
    # Values of settings that a recipe leaves empty.
    defaults: Defaults
    # The (height, width) in px that the model was trained on.
    buckets: tuple[tuple[int, int], ...]
    # Views per call of the network if the recipe does not say.
    view_batch: int = 4
    # Memory that the model takes.
    footprint: Footprint = Footprint()
    # A sha256 of weights, configs and vocabulary.
    hash: str = ""
    # Names the kind of latents; models of equal latent space can continue each other's stages.
    latent_space: str = ""
    # The name of the device that the network runs on.
    device: str = "cpu"
    # The network's number format, such as "float16".
    dtype: str = "float32"
    # Whether the parts of the model are moved to the device only while they are used.
    offload: bool = False
    # The network's layout, which selects the tables of patches that fit it: "sdxl", "sd15" or "sd21".
    architecture: str = "sdxl"
    # The cost of an evaluation at native size by the levels of the network, outermost first: the share of
    # the total that grows with a view's area, and the share that grows with its square (attention).
    level_costs: tuple[tuple[float, float], ...] = ((1.0, 0.0),)

    @property
    def native(self) -> int:
        """Side of the native square in px."""
        return self.window * self.cell

    @property
    def train_steps(self) -> int:
        """T, the number of timesteps that the model was trained on."""
        return train_steps(self.scheduler)

    def bucket_near(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the training size nearest to this (height, width), by the logarithms of the sides."""
        height, width = size
        return min(
            self.buckets, key=lambda bucket: log(bucket[0] / height) ** 2 + log(bucket[1] / width) ** 2
        )


@cache
def load_catalogue() -> dict[str, Any]:
    """Return the contents of catalogue.toml."""
    return tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class ModelEntry:
    """A model that the catalogue lists."""

    name: str
    # The name that is shown to the user.
    title: str
    # A folder, a .safetensors file, or a hub id.
    source: str
    # "sdxl" or "sd".
    family: str
    defaults: Defaults
    licence: str = ""
    # For a small model that knows few words only: the words of each kind ("subject", "colour", ...).
    vocabulary: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    # Size of the download at its first use.
    gigabytes: float = 0
    # Whether the model takes hours without a GPU.
    needs_gpu: bool = False
    # LoRAs that are part of the model, as (name or source, strength); they are fused when it is loaded.
    loras: tuple[tuple[str, float], ...] = ()
    # Settings that replace those of the model's own scheduler.
    scheduler_settings: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def is_here(self) -> bool:
        """Whether all its weights are on this machine."""
        path = weights.find_local(self.source)
        return bool(path and weights.has_weights(path) and all(find_lora(name) for name, _ in self.loras))


def model_entries() -> tuple[ModelEntry, ...]:
    """Return all models that the catalogue lists, the bundled one first."""
    return tuple(_model_entry(name, table) for name, table in load_catalogue()["model"].items())


def _model_entry(name: str, table: Mapping[str, Any]) -> ModelEntry:
    """Return the entry of one of the catalogue's [model.*] tables."""
    folder = ROOT / table["source"]
    return ModelEntry(
        name=name,
        title=table["title"],
        source=str(folder) if folder.is_dir() else table["source"],
        family=table["family"],
        defaults=_defaults(table),
        licence=table["licence"],
        vocabulary={kind: tuple(words) for kind, words in table.get("vocabulary", {}).items()},
        gigabytes=table.get("gigabytes", 0),
        needs_gpu=table.get("needs_gpu", False),
        loras=tuple((lora, float(strength)) for lora, strength in table.get("loras", ())),
        scheduler_settings=table.get("scheduler_settings", {}),
    )


def lora_names() -> tuple[str, ...]:
    """Return the names of the LoRAs that the catalogue lists, which any recipe may use."""
    return tuple(load_catalogue()["lora"])


def lora_source(name: str) -> str:
    """Return where a LoRA's file is: the catalogue's source for a listed name, else the name itself."""
    return load_catalogue()["lora"].get(name, {}).get("source", name)


def find_lora(name: str) -> Path | None:
    """Return the path of a LoRA's file, or None if it is not on this machine."""
    path = weights.find_local(lora_source(name))
    return path if path and path.is_file() else None


def defaults_for(source: str, family: str) -> Defaults:
    """Return the default settings of the catalogue's entry with this source, or else those of the family."""
    entry = _find_entry(source)
    return entry.defaults if entry else family_defaults(family)


def _find_entry(source: str) -> ModelEntry | None:
    """Return the catalogue's entry with this source or another path to the same folder, or None."""
    path = Path(source).resolve()
    for entry in model_entries():
        if source == entry.source or path == Path(entry.source).resolve():
            return entry
    return None


def family_defaults(family: str) -> Defaults:
    """Return the default settings of a family."""
    return _defaults(load_catalogue()["family"][family])


def _defaults(table: Mapping[str, Any]) -> Defaults:
    return Defaults(table["steps"], table["guidance"], table["scheduler"], tuple(table["scales"]))


def lora_titles(loras: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Return LoRAs as they are named in a picture's recipe: files without the folder that they lie in."""
    return tuple((Path(name).name if Path(name).is_file() else name, strength) for name, strength in loras)


def lora_digests(loras: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    """Return the sha256 of each LoRA's file with its strength, which identifies it under any name."""
    digests = []
    for name, strength in loras:
        path = find_lora(name)
        # The name will do for a LoRA that was never fetched: no picture has been made with it yet.
        digests.append((weights.file_digest(path) if path else name, strength))
    return digests


def facts_from_configs(entry: ModelEntry) -> Facts:
    """Return those facts of a model that sizes and steps depend on, from its config files alone.

    Raise OSError, ValueError or KeyError if its configs are not on this machine or are incomplete.
    """
    path = weights.find_local(entry.source)
    layout = weights.detect_layout(path) if path and path.is_file() else None
    folder = weights.find_configs(path, layout) if layout else path
    if folder is None:
        raise FileNotFoundError(entry.source)
    unet, vae, scheduler = (weights.read_config(folder, part) for part in ("unet", "vae", "scheduler"))
    window = unet["sample_size"]
    cell = 2 ** (len(vae["block_out_channels"]) - 1)
    architecture = architecture_for(entry.family, unet["cross_attention_dim"])
    return Facts(
        name=entry.name,
        family=entry.family,
        window=window,
        cell=cell,
        channels=unet["in_channels"],
        scheduler=scheduler | entry.scheduler_settings,
        defaults=entry.defaults,
        buckets=family_buckets(entry.family, window * cell),
        architecture=architecture,
        level_costs=level_costs_for(entry.source, architecture),
    )


def architecture_for(family: str, text_width: int) -> str:
    """Return the architecture ("sdxl", "sd15" or "sd21") of a network that reads texts of this width."""
    if family != "sd":
        return family
    return "sd21" if text_width == SD2_TEXT_WIDTH else "sd15"


def level_costs_for(source: str, architecture: str) -> tuple[tuple[float, float], ...]:
    """Return Facts.level_costs: those of the catalogue's entry, or else those of the architecture."""
    entry = _find_entry(source)
    costs = load_catalogue()["model"][entry.name].get("level_costs") if entry else None
    if costs is None:
        costs = load_catalogue()["architecture"][architecture]["level_costs"]
    return tuple((float(linear), float(square)) for linear, square in costs)


def family_buckets(family: str, native: int) -> tuple[tuple[int, int], ...]:
    """Return the (height, width) in px that a family's models of this native side were trained on."""
    sixteenths = load_catalogue()["family"][family]["buckets"]
    wide = [(height * native // 16, width * native // 16) for height, width in sixteenths]
    tall = [(width, height) for height, width in wide]
    return tuple(dict.fromkeys(wide + tall))


def published_pace(facts: Facts) -> float | None:
    """Return published seconds per tile area for a model of this kind on its device, or None if unknown."""
    model = (facts.family, facts.native, facts.dtype)
    for row in load_catalogue()["pace"]:
        if row["device"] in facts.device and (row["family"], row["native"], row["dtype"]) == model:
            return row["seconds"]
    return None
