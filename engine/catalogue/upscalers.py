"""The upscalers that enlarge a picture: which ones the catalogue lists, and which are on this machine. No torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

from engine.catalogue import weights
from engine.catalogue.entries import load_catalogue
from engine.paths import ROOT

# The upscaler that needs no weights: Pillow's Lanczos filter.
LANCZOS = "lanczos"
# The suffixes of the files that determine the pictures of a latent upscaler: weights and configs.
_PIPELINE_SUFFIXES = (weights.SAFETENSORS, ".json")
# The prefix of a source that lies in an installed Python package: "package:MODULE/path/in/the/package".
_PACKAGE = "package:"
# The prefix of a source that lies in this project.
_BUNDLED = "assets/"


@dataclass(frozen=True)
class UpscalerEntry:
    """An upscaler that the catalogue lists."""

    # The upscaler's name in recipes.
    name: str
    # The name that the page shows.
    title: str
    # "filter" needs no weights, "pixels" is a network from pixels to pixels, "latent" enlarges in a latent space.
    kind: Literal["filter", "pixels", "latent"]
    # A path in this project, a file in a hub repository, a hub repository, or "package:MODULE/path" for a file of
    # an installed Python package; empty if there are no weights or if they can only be given as a path.
    source: str
    # How many times larger each side becomes in one pass; 1 for a filter, which reaches any size in one pass.
    factor: int
    # The px around a tile that the network must see, so that the tile equals that part of the whole picture.
    surroundings: int
    # The name of the weights' licence.
    licence: str
    # The size of the download in gigabytes; 0 if nothing is downloaded.
    gigabytes: float
    # Millions of floating-point operations for each px of the picture that is given to the network.
    megaflops: float
    # The command that installs the weights; empty if none is needed, or if there is none.
    install: str
    # The largest side of a square picture in px that the network can be given; 0 if it takes pictures in tiles.
    largest_side: int = 0
    # A sentence for users about how to get or use the weights; empty if there is nothing to say.
    note: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the upscaler can be used on this machine without a download."""
        return has_upscaler(self.name)


class UpscalerWork(NamedTuple):
    """What the price of an upscaler follows from: fields of UpscalerEntry."""

    factor: int
    megaflops: float
    surroundings: int


# Assumed for a network that is not in the catalogue: the values of ESRGAN.
UNLISTED_WORK = UpscalerWork(factor=4, megaflops=36.0, surroundings=64)


@cache
def upscaler_entries() -> tuple[UpscalerEntry, ...]:
    """Return all upscalers that the catalogue lists, Lanczos first."""
    return tuple(_upscaler_entry(name, table) for name, table in load_catalogue()["upscaler"].items())


def _upscaler_entry(name: str, table: Mapping[str, Any]) -> UpscalerEntry:
    """Return the entry that an [upscaler.*] table of the catalogue describes."""
    source = table.get("source", "")
    return UpscalerEntry(
        name=name,
        title=table["title"],
        kind=table["kind"],
        source=str(ROOT / source) if source.startswith(_BUNDLED) else source,
        factor=table["factor"],
        surroundings=table.get("surroundings", 0),
        licence=table.get("licence", ""),
        gigabytes=table.get("gigabytes", 0),
        megaflops=table.get("megaflops", 0.0),
        install=table.get("install", ""),
        largest_side=table.get("largest_side", 0),
        note=table.get("note", ""),
    )


def upscaler_names() -> tuple[str, ...]:
    """Return the names of the upscalers that the catalogue lists. Recipes from outside may use only these."""
    return tuple(entry.name for entry in upscaler_entries())


def upscaler_entry(name: str) -> UpscalerEntry | None:
    """Return the upscaler with this name; None if the catalogue lists none."""
    return next((entry for entry in upscaler_entries() if entry.name == name), None)


def upscaler_source(name_or_path: str) -> str:
    """Return the source of an upscaler: from the catalogue for a listed name, else the argument itself."""
    entry = upscaler_entry(name_or_path)
    return entry.source if entry else name_or_path


def upscaler_work(name_or_path: str) -> UpscalerWork:
    """Return what the price of an upscaler follows from; for a path, that of UNLISTED_WORK."""
    entry = upscaler_entry(name_or_path)
    return UpscalerWork(entry.factor, entry.megaflops, entry.surroundings) if entry else UNLISTED_WORK


def upscaler_record_name(name_or_path: str) -> str:
    """Return the name of an upscaler for a record: a path without its folder; a name in the catalogue unchanged."""
    return name_or_path if upscaler_entry(name_or_path) else Path(name_or_path).name


def find_upscaler(name_or_path: str) -> Path | None:
    """Return the path of an upscaler's file or folder; None if it is not on this machine or has no weights."""
    source = upscaler_source(name_or_path)
    if not source:
        return None
    if source.startswith(_PACKAGE):
        return _find_in_package(source.removeprefix(_PACKAGE))
    path = weights.find_local(source)
    if path is None and Path(source).is_file():
        path = Path(source)
    return path if path and weights.has_weights(path) else None


def _find_in_package(source: str) -> Path | None:
    """Return the path of a package's file, without importing the package; None if it is not installed.

    source: "MODULE/path/in/the/package".
    """
    module, _, inner = source.partition("/")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / inner
    return path if path.is_file() else None


def has_upscaler(name_or_path: str) -> bool:
    """Return whether an upscaler can be used on this machine without a download."""
    return name_or_path == LANCZOS or find_upscaler(name_or_path) is not None


def upscaler_digest(name_or_path: str) -> str:
    """Return the sha256 of an upscaler's weights, which does not depend on the file's name.

    For a filter, and for weights that are not on this machine, return the argument itself.
    """
    path = find_upscaler(name_or_path)
    if path is None:
        return name_or_path
    if path.is_dir():
        return _combined_digest(
            path, sorted(file for file in path.rglob("*") if file.suffix in _PIPELINE_SUFFIXES)
        )
    layers = path.with_suffix(".param")
    if path.suffix == ".bin" and layers.is_file():
        return _combined_digest(path.parent, [path, layers])
    return weights.file_digest(path)


def _combined_digest(folder: Path, files: Iterable[Path]) -> str:
    """Return a sha256 over several files and their places in a folder."""
    digest = sha256()
    for file in files:
        digest.update(f"{file.relative_to(folder)} {weights.file_digest(file)}\n".encode())
    return digest.hexdigest()
