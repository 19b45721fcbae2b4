"""The upscalers that enlarge a picture: which ones the catalogue lists, and which are on this machine. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from engine.catalogue import weights
from engine.catalogue.entries import load_catalogue
from engine.paths import ROOT

# The upscaler that needs no weights: Pillow's Lanczos filter.
LANCZOS = "lanczos"
# The prefix of a source that lies in an installed Python package: "package:MODULE/path/in/the/package".
_PACKAGE = "package:"
# What planning assumes of a network that the catalogue does not list, as is true of the networks of ESRGAN's size:
# its factor, and UpscalerEntry.megaflops.
UNLISTED_FACTOR, UNLISTED_MEGAFLOPS = 4, 36.0
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
    # A sentence for users about how to get or use the weights; empty if there is nothing to say.
    note: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the upscaler can be used on this machine without a download."""
        return has_upscaler(self.name)


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


def upscaler_factor(name_or_path: str) -> int:
    """Return how many times larger each side becomes in one pass; for a path, UNLISTED_FACTOR."""
    entry = upscaler_entry(name_or_path)
    return entry.factor if entry else UNLISTED_FACTOR


def upscaler_megaflops(name_or_path: str) -> float:
    """Return UpscalerEntry.megaflops of an upscaler; for a path, UNLISTED_MEGAFLOPS."""
    entry = upscaler_entry(name_or_path)
    return entry.megaflops if entry else UNLISTED_MEGAFLOPS


def upscaler_title(name_or_path: str) -> str:
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
    return weights.file_digest(path) if path.is_file() else _folder_digest(path)


def _folder_digest(folder: Path) -> str:
    """Return a sha256 over the weights of a pipeline's folder."""
    variant = weights.choose_variant(folder, half=False)
    digest = sha256()
    for part in weights.NETWORK_FOLDERS:
        for path in weights.weight_files(folder, part, variant):
            digest.update(f"{part}/{path.name} {weights.file_digest(path)}\n".encode())
    return digest.hexdigest()
