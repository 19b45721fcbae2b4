"""Which ControlNet a control uses, where it is stored, and whether it fits the model. No torch.

A ControlNet is a folder with a config and safetensors: of this project, elsewhere, or on the hub.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

from engine import errors
from engine.catalogue import weights
from engine.catalogue.entries import Facts, load_catalogue
from engine.errors import BadRecipe, short_repr
from engine.paths import ROOT
from engine.recipe.controls import MAP_KINDS, Control

CONFIG_FILE = "config.json"
BYTES_PER_VALUE = {"float32": 4, "float16": 2, "bfloat16": 2}
# The config values that a ControlNet must have in common with the network that it conditions.
COMMON_CONFIG = (
    "in_channels",
    "cross_attention_dim",
    "block_out_channels",
    "addition_embed_type",
    "projection_class_embeddings_input_dim",
)


@dataclass(frozen=True)
class ControlNetSource:
    """Where a ControlNet comes from."""

    # A folder or a hub id.
    source: str

    @property
    def folder(self) -> Path | None:
        """The folder with its config and weights; None if they are not on this machine."""
        path = Path(self.source)
        if (path / CONFIG_FILE).is_file():
            return path
        if not weights.is_hub_id(self.source):
            return None
        config = weights.find_in_hub_cache(self.source, CONFIG_FILE)
        return config.parent if config and self.find_variant(config.parent) is not None else None

    @staticmethod
    def find_variant(folder: Path) -> str | None:
        """Return which weights in a folder to load: "" for the plain ones, or "fp16"; None if it has none."""
        return next((variant for variant in ("", "fp16") if weights.weight_files(folder, "", variant)), None)

    @property
    def digest(self) -> str:
        """A hash of its config and weights; its hub id as long as it is not on this machine."""
        if self.folder is None:
            return self.source
        hashed = sha256((self.folder / CONFIG_FILE).read_bytes())
        for path in weights.weight_files(self.folder, "", self.find_variant(self.folder) or ""):
            hashed.update(weights.file_digest(path).encode())
        return hashed.hexdigest()

    def weight_bytes(self, dtype: str) -> int:
        """Return the memory that its weights take in this number format; 0 if it is not on this machine."""
        folder = self.folder
        return BYTES_PER_VALUE[dtype] * _count_parameters(folder) if folder else 0

    @property
    def config(self) -> dict[str, Any]:
        """The values of its config file. Raises OSError or ValueError if that cannot be read."""
        return json.loads((self.folder / CONFIG_FILE).read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
def _count_parameters(folder: Path) -> int:
    """Return the number of parameters of a ControlNet, from the headers of its files.

    0 if a file is broken: loading it reports the fault.
    """
    try:
        files = weights.weight_files(folder, "", ControlNetSource.find_variant(folder) or "")
        return sum(prod(shape) for path in files for _, shape in weights.read_tensor_shapes(path))
    except Exception:
        return 0


@dataclass(frozen=True)
class _ListedControlNet:
    """A ControlNet of the catalogue."""

    # A folder of this project or a hub id.
    source: str
    # The models that it fits: their family and native side in px.
    family: str
    native: int
    # The kinds of ControlNet that it can serve as.
    follows: tuple[str, ...]


@cache
def _listed_controlnets() -> tuple[_ListedControlNet, ...]:
    return tuple(
        _ListedControlNet(entry["source"], entry["family"], entry["native"], tuple(entry["follows"]))
        for entry in load_catalogue()["controlnet"]
    )


def _fitting_controlnets(facts: Facts) -> Iterator[_ListedControlNet]:
    for listed in _listed_controlnets():
        if (listed.family, listed.native) == (facts.family, facts.native):
            yield listed


def known_controlnets(facts: Facts) -> dict[str, ControlNetSource]:
    """Return the ControlNets that the catalogue lists for a model, by their kind, such as "canny"."""
    found: dict[str, ControlNetSource] = {}
    for listed in _fitting_controlnets(facts):
        folder = ROOT / listed.source
        source = ControlNetSource(str(folder) if folder.is_dir() else listed.source)
        for kind in listed.follows:
            found.setdefault(kind, source)
    return found


def offered_kinds(facts: Facts) -> dict[str, bool]:
    """Return, for every kind of map by name, whether there is a ControlNet for it and this model."""
    known = known_controlnets(facts)
    return {name: kind.controlnet in known for name, kind in MAP_KINDS.items()}


def controlnet_for(control: Control, facts: Facts) -> ControlNetSource:
    """Return the ControlNet that a control uses with a model; BadRecipe if there is none for its kind."""
    if control.net:
        return ControlNetSource(control.net)
    kind = MAP_KINDS[control.kind]
    source = known_controlnets(facts).get(kind.controlnet)
    if source is None:
        offered = [
            MAP_KINDS[name].title.lower() for name, is_offered in offered_kinds(facts).items() if is_offered
        ]
        sentence = errors.CONTROL_KIND_UNSUPPORTED if offered else errors.CONTROL_UNSUPPORTED
        model = short_repr(facts.name).strip("'")
        raise BadRecipe(
            "controls", sentence.format(known=", ".join(offered), model=model, kind=kind.title.lower())
        )
    return source


def check_compatible(source: ControlNetSource, network_config: Mapping[str, Any]) -> None:
    """Raise BadRecipe if a ControlNet is broken, or does not fit the network with this config."""
    name = short_repr(Path(source.source).name)
    try:
        config = source.config
        fits = all(_as_json(config.get(key)) == _as_json(network_config.get(key)) for key in COMMON_CONFIG)
        class_name = config.get("_class_name", "")
    except (OSError, ValueError, AttributeError) as fault:
        reason = type(fault).__name__
        raise BadRecipe("controls", errors.CONTROLNET_BROKEN.format(net=name, reason=reason)) from fault
    if not fits or class_name not in ("ControlNetModel", "ControlNetUnionModel"):
        raise BadRecipe("controls", errors.CONTROLNET_INCOMPATIBLE.format(net=name))


def _as_json(value: Any) -> Any:
    """Return a config value as it is after JSON, where tuples are lists."""
    return list(value) if isinstance(value, tuple) else value
