"""Entries of catalogue.toml, and the facts of a model that planning needs before the model is loaded. No torch."""

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

# The file that lists models, LoRAs and ControlNets, and describes model families and architectures.
CATALOGUE = Path(__file__).with_name("catalogue.toml")
# The width of the text embeddings of SD 2.x. Those of SD 1.x are 768 wide, so the width identifies the architecture.
SD2_TEXT_WIDTH = 1024


@dataclass(frozen=True)
class Quality:
    """Settings of a recipe that trade seconds for detail."""

    # The number of denoising steps of every stage.
    steps: int
    # The redraw strength (the option `restart`); 0 for the method's own.
    restart: float = 0.0
    # Whether there are dilated views.
    dilated: bool = True
    # The distance between windows, as a fraction of the window's side.
    stride: float = 0.5


@dataclass(frozen=True)
class Defaults:
    """A model's values for settings that a recipe leaves empty."""

    # The number of denoising steps of every stage.
    steps: int
    # The scale of classifier-free guidance.
    guidance: float
    # A key of SCHEDULERS, or "model" for the scheduler that the model came with.
    scheduler: str
    # The mean side of each stage as a multiple of the native side.
    scales: tuple[float, ...]
    # The upscaler of the method `upscaler`: a name in the catalogue.
    upscaler: str = "lanczos"
    # The quality presets by name, the fastest first.
    qualities: Mapping[str, Quality] = field(default_factory=dict, hash=False)
    # The preset that the page starts with; "" for the values above.
    quality: str = ""


@dataclass(frozen=True)
class Footprint:
    """The memory that a model takes on its device, in bytes."""

    # Bytes of all weights that are on the device at the same time.
    weights: int = 0
    # Bytes of activations in one evaluation of the network, per latent cell of the view.
    per_cell: float = 0.0
    # Bytes of activations in the VAE's decoder, per px of a tile.
    per_px: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The properties of a model that planning needs."""

    # The model's name in recipes.
    name: str
    # The model family: "sdxl" or "sd".
    family: str
    # The native side (of the square that the model was trained on) in latent cells; a window has this side.
    window: int
    # The side of a latent cell in px (the VAE's scale factor).
    cell: int
    # The number of channels of a latent.
    channels: int
    # The config of the scheduler that the model came with.
    scheduler: Mapping[str, Any] = field(hash=False)
    # The values for settings that a recipe leaves empty.
    defaults: Defaults
    # The (height, width) in px that the model was trained on.
    buckets: tuple[tuple[int, int], ...]
    # The number of views per call of the network if the recipe sets none.
    view_batch: int = 4
    # The memory that the model takes.
    footprint: Footprint = Footprint()
    # A sha256 of the model's weights, configs and vocabulary.
    hash: str = ""
    # Identifies the kind of latents: a run may continue another model's stage only if the values are equal. Empty in
    # facts that were read from configs alone.
    latent_space: str = ""
    # The name of the device that the network runs on.
    device: str = "cpu"
    # The network's number format, such as "float16".
    dtype: str = "float32"
    # The kind of device, as torch names it: "cpu", "cuda", "mps".
    device_type: str = "cpu"
    # The number of CPU threads that compute one operation; 0 in facts that were read from configs alone.
    threads: int = 0
    # Whether each network of the model is moved to the device only while the network is used.
    offload: bool = False
    # The network's block layout, which selects the tables of patches: "sdxl", "sd15" or "sd21".
    architecture: str = "sdxl"
    # The fractions of an evaluation's cost at native size that each level of the network takes, outermost level
    # first: the fraction that grows with a view's area, and the fraction that grows with the area's square
    # (attention).
    level_costs: tuple[tuple[float, float], ...] = ((1.0, 0.0),)
    # Billions of floating-point operations in one evaluation at native size.
    gigaflops: float = 1000.0

    @property
    def native_side(self) -> int:
        """The native side in px."""
        return self.window * self.cell

    @property
    def train_steps(self) -> int:
        """T, the number of timesteps that the model was trained on."""
        return train_steps(self.scheduler)

    def bucket_near(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the training size nearest to a (height, width) in px; nearness is measured on log sides."""
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

    # The model's name in recipes.
    name: str
    # The name that the page shows.
    title: str
    # The path of a folder or of a .safetensors file, or a hub id.
    source: str
    # The model family: "sdxl" or "sd".
    family: str
    # The values for settings that a recipe leaves empty.
    defaults: Defaults
    # The name of the model's licence.
    licence: str = ""
    # For a small model that knows few words: its words and phrases by kind ("subject", "colour", ...). Empty for
    # other models.
    vocabulary: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    # The size of the download in gigabytes; 0 for a bundled model.
    gigabytes: float = 0
    # Whether a picture takes hours without a GPU.
    needs_gpu: bool = False
    # LoRAs that are fused into the model when it is loaded, as (name or source, strength).
    loras: tuple[tuple[str, float], ...] = ()
    # Values that replace values in the config of the scheduler that the model came with.
    scheduler_settings: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def is_local(self) -> bool:
        """Whether all weights of the model, those of its LoRAs included, are on this machine."""
        path = weights.find_local(self.source)
        return bool(path and weights.has_weights(path) and all(find_lora(name) for name, _ in self.loras))


def model_entries() -> tuple[ModelEntry, ...]:
    """Return all models that the catalogue lists, the bundled one first."""
    return tuple(_model_entry(name, table) for name, table in load_catalogue()["model"].items())


def _model_entry(name: str, table: dict[str, Any]) -> ModelEntry:
    """Return the entry (title, source, default settings, ...) that a [model.*] table of the catalogue describes."""
    folder = ROOT / table["source"]
    family = load_catalogue()["family"][table["family"]]
    return ModelEntry(
        name=name,
        title=table["title"],
        source=str(folder) if folder.is_dir() else table["source"],
        family=table["family"],
        defaults=_defaults(family | table),
        licence=table["licence"],
        vocabulary={kind: tuple(words) for kind, words in table.get("vocabulary", {}).items()},
        gigabytes=table.get("gigabytes", 0),
        needs_gpu=table.get("needs_gpu", False),
        loras=tuple((lora, float(strength)) for lora, strength in table.get("loras", ())),
        scheduler_settings=table.get("scheduler_settings", {}),
    )


def lora_names() -> tuple[str, ...]:
    """Return the names of the LoRAs that the catalogue lists. Recipes from outside may use only these."""
    return tuple(load_catalogue()["lora"])


def lora_source(name: str) -> str:
    """Return the path or hub id of a LoRA's file: from the catalogue for a listed name, else `name` itself."""
    return load_catalogue()["lora"].get(name, {}).get("source", name)


def find_lora(name: str) -> Path | None:
    """Return the path of a LoRA's file, or None if it is not on this machine."""
    path = weights.find_local(lora_source(name))
    return path if path and path.is_file() else None


def defaults_for(source: str, family: str) -> Defaults:
    """Return the default settings of the model with this source if the catalogue lists it, else of its family."""
    entry = _find_entry(source)
    return entry.defaults if entry else family_defaults(family)


def _find_entry(source: str) -> ModelEntry | None:
    """Return the model entry with this source, or with another path to the same folder; None if there is none."""
    path = Path(source).resolve()
    for entry in model_entries():
        if source == entry.source or path == Path(entry.source).resolve():
            return entry
    return None


def family_defaults(family: str) -> Defaults:
    """Return the default settings of a model family, "sdxl" or "sd"."""
    return _defaults(load_catalogue()["family"][family])


def _defaults(table: Mapping[str, Any]) -> Defaults:
    """Return the default settings in a [model.*] or [family.*] table of the catalogue."""
    return Defaults(
        table["steps"],
        table["guidance"],
        table["scheduler"],
        tuple(table["scales"]),
        table.get("upscaler", "lanczos"),
        {name: Quality(**values) for name, values in table.get("qualities", {}).items()},
        table.get("quality", ""),
    )


def lora_titles(loras: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Return (name, strength) pairs in which a LoRA's file is named without its folder."""
    return tuple((Path(name).name if Path(name).is_file() else name, strength) for name, strength in loras)


def lora_digests(loras: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    """Return (sha256 of the file, strength) for each LoRA, which does not depend on the file's name.

    A LoRA that is not on this machine keeps its name in place of the sha256.
    """
    digests = []
    for name, strength in loras:
        path = find_lora(name)
        # No picture can have been made with a LoRA that was never downloaded, so its name is enough.
        digests.append((weights.file_digest(path) if path else name, strength))
    return digests


def facts_from_configs(entry: ModelEntry) -> Facts:
    """Return a model's facts as far as its config files contain them: enough to plan sizes and steps.

    Memory, hash and device keep their defaults. Raise OSError, ValueError or KeyError if the configs are not on
    this machine or are incomplete.
    """
    path = weights.find_local(entry.source)
    layout = weights.detect_layout(path) if path and path.is_file() else None
    folder = weights.find_configs(path, layout) if path and layout else path
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
        scheduler={**scheduler, **entry.scheduler_settings},
        defaults=entry.defaults,
        buckets=family_buckets(entry.family, window * cell),
        architecture=architecture,
        level_costs=level_costs_for(entry.source, architecture),
        gigaflops=gigaflops_for(entry.source, architecture),
    )


def architecture_for(family: str, text_width: int) -> str:
    """Return the architecture of a network: "sdxl", "sd15" or "sd21".

    text_width: the width of the network's text embeddings.
    """
    if family != "sd":
        return family
    return "sd21" if text_width == SD2_TEXT_WIDTH else "sd15"


def level_costs_for(source: str, architecture: str) -> tuple[tuple[float, float], ...]:
    """Return Facts.level_costs for a model: from its entry in the catalogue, else from its architecture's."""
    costs = _cost_entry(source, architecture, "level_costs")
    return tuple((float(linear), float(square)) for linear, square in costs)


def gigaflops_for(source: str, architecture: str) -> float:
    """Return Facts.gigaflops for a model: from its entry in the catalogue, else from its architecture's."""
    return float(_cost_entry(source, architecture, "gigaflops"))


def _cost_entry(source: str, architecture: str, name: str) -> Any:
    """Return a value on the cost of a model: from its entry in the catalogue, else from its architecture's."""
    entry = _find_entry(source)
    value = load_catalogue()["model"][entry.name].get(name) if entry else None
    return load_catalogue()["architecture"][architecture][name] if value is None else value


def family_buckets(family: str, native: int) -> tuple[tuple[int, int], ...]:
    """Return the (height, width) pairs in px that models of a family with this native side were trained on.

    native: the native side in px.
    """
    sixteenths = load_catalogue()["family"][family]["buckets"]
    wide = [(height * native // 16, width * native // 16) for height, width in sixteenths]
    tall = [(width, height) for height, width in wide]
    return tuple(dict.fromkeys(wide + tall))


def published_pace(facts: Facts) -> float | None:
    """Return published seconds per tile area (one evaluation at native size) of a model on its device.

    None if none are published for this family, native side, number format and device.
    """
    model = (facts.family, facts.native_side, facts.dtype)
    for row in load_catalogue()["pace"]:
        if row["device"] in facts.device and (row["family"], row["native"], row["dtype"]) == model:
            return row["seconds"]
    return None
