"""Find the ControlNet of a control, and check that it fits the model. No torch.

A ControlNet is a folder with a config and safetensors files, on this machine or on the hub.
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

# The name of the config file in a ControlNet's folder.
CONFIG_FILE = "config.json"
# The bytes of a weight in each number format.
BYTES_PER_VALUE = {"float32": 4, "float16": 2, "bfloat16": 2}
# The config values that must be equal in a ControlNet and in the network that it conditions.
COMMON_CONFIG = (
    "in_channels",
    "cross_attention_dim",
    "block_out_channels",
    "addition_embed_type",
    "projection_class_embeddings_input_dim",
)


@dataclass(frozen=True)
class ControlNetSource:
    """The folder or hub repository of a ControlNet, with what its files say."""

    # The path of a folder, or a hub id.
    source: str

    @property
    def folder(self) -> Path | None:
        """The folder with the ControlNet's config and weights; None if they are not on this machine."""
        path = Path(self.source)
        if (path / CONFIG_FILE).is_file():
            return path
        if not weights.is_hub_id(self.source):
            return None
        config = weights.find_in_hub_cache(self.source, CONFIG_FILE)
        return config.parent if config and self.find_variant(config.parent) is not None else None

    @staticmethod
    def find_variant(folder: Path) -> str | None:
        """Return the variant of the weights to load: "" for plain files, else "fp16"; None without any weights."""
        return next((variant for variant in ("", "fp16") if weights.weight_files(folder, "", variant)), None)

    @property
    def digest(self) -> str:
        """The sha256 of the ControlNet's config and weights; its hub id if they are not on this machine."""
        if self.folder is None:
            return self.source
        hashed = sha256((self.folder / CONFIG_FILE).read_bytes())
        for path in weights.weight_files(self.folder, "", self.find_variant(self.folder) or ""):
            hashed.update(weights.file_digest(path).encode())
        return hashed.hexdigest()

    def weight_bytes(self, dtype: str) -> int:
        """Return the bytes of the ControlNet's weights in a number format; 0 if they are not on this machine."""
        folder = self.folder
        return BYTES_PER_VALUE[dtype] * _count_parameters(folder) if folder else 0

    @property
    def config(self) -> dict[str, Any]:
        """The values of the ControlNet's config file. Raises OSError or ValueError if the file cannot be read."""
        if self.folder is None:
            raise FileNotFoundError(self.source)
        return json.loads((self.folder / CONFIG_FILE).read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
def _count_parameters(folder: Path) -> int:
    """Return the number of parameters of a ControlNet, from the headers of its files; 0 if a file is broken.

    A broken file is reported when the ControlNet is loaded.
    """
    try:
        files = weights.weight_files(folder, "", ControlNetSource.find_variant(folder) or "")
        return sum(prod(shape) for path in files for _, shape in weights.read_tensor_shapes(path))
    except Exception:
        return 0


@dataclass(frozen=True)
class _ListedControlNet:
    """A ControlNet that the catalogue lists."""

    # The path of a folder, relative to the project's root, or a hub id.
    source: str
    # The family of the models that the ControlNet fits: "sdxl" or "sd".
    family: str
    # The native side, in px, of the models that the ControlNet fits.
    native_side: int
    # The values of MapKind.controlnet_kind that the ControlNet supports, such as "canny".
    kinds: tuple[str, ...]


@cache
def _listed_controlnets() -> tuple[_ListedControlNet, ...]:
    """Return all ControlNets that the catalogue lists."""
    return tuple(
        _ListedControlNet(entry["source"], entry["family"], entry["native"], tuple(entry["follows"]))
        for entry in load_catalogue()["controlnet"]
    )


def _fitting_controlnets(facts: Facts) -> Iterator[_ListedControlNet]:
    """Yield the listed ControlNets that fit a model."""
    for listed in _listed_controlnets():
        if (listed.family, listed.native_side) == (facts.family, facts.native_side):
            yield listed


def known_controlnets(facts: Facts) -> dict[str, ControlNetSource]:
    """Return the ControlNets that the catalogue lists for a model, by MapKind.controlnet_kind."""
    found: dict[str, ControlNetSource] = {}
    for listed in _fitting_controlnets(facts):
        folder = ROOT / listed.source
        source = ControlNetSource(str(folder) if folder.is_dir() else listed.source)
        for kind in listed.kinds:
            found.setdefault(kind, source)
    return found


def offered_kinds(facts: Facts) -> dict[str, bool]:
    """Return, for every key of MAP_KINDS, whether the catalogue lists a ControlNet for this kind and the model."""
    known = known_controlnets(facts)
    return {name: kind.controlnet_kind in known for name, kind in MAP_KINDS.items()}


def controlnet_for(control: Control, facts: Facts) -> ControlNetSource:
    """Return the ControlNet that a control uses with a model; raise BadRecipe if there is none for its kind."""
    if control.net:
        return ControlNetSource(control.net)
    kind = MAP_KINDS[control.kind]
    source = known_controlnets(facts).get(kind.controlnet_kind)
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
    """Raise BadRecipe if a ControlNet's config cannot be read or does not fit the config of the network."""
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


def _as_json(value: object) -> object:
    """Return a config value as JSON would return it: a tuple becomes a list."""
    return list(value) if isinstance(value, tuple) else value
