"""ControlNets: which one a model has for what is followed, where it lies, and whether it fits. No torch.

A ControlNet is a folder with a config and safetensors: of this project, anywhere, or on the hub.
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
from engine.recipe.controls import KINDS, Control

CONFIG = "config.json"
ITEM = {"float32": 4, "float16": 2, "bfloat16": 2}
SAME = (
    "in_channels", "cross_attention_dim", "block_out_channels", "addition_embed_type",
    "projection_class_embeddings_input_dim",
)  # fmt: skip
"""What a ControlNet's config must share with the network that it guides."""


@dataclass(frozen=True)
class ControlNetSource:
    """source: a folder or a hub id."""

    source: str

    @property
    def folder(self) -> Path | None:
        """Where it lies, if it is on this machine."""
        path = Path(self.source)
        if (path / CONFIG).is_file():
            return path
        found = weights.find_in_hub_cache(self.source, CONFIG) if weights.is_hub_id(self.source) else None
        return found.parent if found and self.variant(found.parent) is not None else None

    @staticmethod
    def variant(folder: Path) -> str | None:
        """Which set of weights to read: the plain one, else "fp16"; None if there is none."""
        return next((variant for variant in ("", "fp16") if weights.weight_files(folder, "", variant)), None)

    @property
    def digest(self) -> str:
        """Of its weights and its config; of one that was never fetched, its name."""
        if self.folder is None:
            return self.source
        told = sha256((self.folder / CONFIG).read_bytes())
        for path in weights.weight_files(self.folder, "", self.variant(self.folder) or ""):
            told.update(weights.file_digest(path).encode())
        return told.hexdigest()

    def weights(self, dtype: str) -> int:
        """Bytes in this number format; 0 while it is not on this machine."""
        folder = self.folder
        return ITEM[dtype] * _count(folder) if folder else 0

    @property
    def config(self) -> dict[str, Any]:
        """OSError or ValueError where there is none that can be read."""
        return json.loads((self.folder / CONFIG).read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
def _count(folder: Path) -> int:
    """Numbers in a net's weights, from the headers of its files; a broken one will be told of later."""
    try:
        files = weights.weight_files(folder, "", ControlNetSource.variant(folder) or "")
        return sum(prod(shape) for path in files for _, shape in weights.read_tensor_shapes(path))
    except Exception:
        return 0


@dataclass(frozen=True)
class _Listed:
    source: str
    family: str
    native: int
    follows: tuple[str, ...]


@cache
def _listed() -> tuple[_Listed, ...]:
    return tuple(
        _Listed(each["source"], each["family"], each["native"], tuple(each["follows"]))
        for each in load_catalogue()["controlnet"]
    )


def _fitting(facts: Facts) -> Iterator[_Listed]:
    return (each for each in _listed() if (each.family, each.native) == (facts.family, facts.native))


def known_controlnets(facts: Facts) -> dict[str, ControlNetSource]:
    """A model's ControlNets by what they follow, as the catalogue lists them for its family and size."""
    found: dict[str, ControlNetSource] = {}
    for each in _fitting(facts):
        here = ROOT / each.source
        for follows in each.follows:
            net = ControlNetSource(str(here) if here.is_dir() else each.source)
            found.setdefault(follows, net)
    return found


def offered_kinds(facts: Facts) -> dict[str, bool]:
    """Every kind of map by its name, and whether the model can follow it."""
    known = known_controlnets(facts)
    return {name: kind.follows in known for name, kind in KINDS.items()}


def controlnet_for(control: Control, facts: Facts) -> ControlNetSource:
    """The ControlNet that a control asks for, or BadRecipe."""
    if control.net:
        return ControlNetSource(control.net)
    known = known_controlnets(facts)
    net = known.get(KINDS[control.kind].follows)
    if net is None:
        titles = ", ".join(
            KINDS[name].title.lower() for name, offers in offered_kinds(facts).items() if offers
        )
        said = {"model": short_repr(facts.name).strip("'"), "kind": KINDS[control.kind].title.lower()}
        sentence = errors.CONTROL_KIND_UNSUPPORTED if titles else errors.CONTROL_UNSUPPORTED
        raise BadRecipe("controls", sentence.format(known=titles, **said))
    return net


def check_fits(net: ControlNetSource, told: Mapping[str, Any]) -> None:
    """BadRecipe for a ControlNet that is broken, or not of the shape of the network with this config."""
    named = short_repr(Path(net.source).name)
    try:
        config = net.config
        same = all(_plain(config.get(name)) == _plain(told.get(name)) for name in SAME)
        kind = config.get("_class_name", "")
    except (OSError, ValueError, AttributeError) as fault:
        reason = type(fault).__name__
        raise BadRecipe("controls", errors.CONTROLNET_BROKEN.format(net=named, reason=reason)) from fault
    if not same or kind not in ("ControlNetModel", "ControlNetUnionModel"):
        raise BadRecipe("controls", errors.CONTROLNET_INCOMPATIBLE.format(net=named))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
