"""Load networks that enlarge pictures. Sizes are (height, width) in px.

Weights are read from safetensors files and from the files of an installed data package (see ncnn). A .pth file is read
as plain tensors, so that nothing in it can run. spandrel builds the networks: it recognizes their architecture.
"""

import logging
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from engine import errors, hardware
from engine.catalogue import weights
from engine.catalogue.upscalers import (
    find_upscaler,
    upscaler_digest,
    upscaler_entry,
    upscaler_record_name,
    upscaler_source,
)
from engine.errors import Fault, WeightsMissing, first_line, short_repr
from engine.network.patching.hooks import use_hooks
from engine.upscale.check import Check
from engine.upscale.ncnn import read_ncnn

log = logging.getLogger(__name__)

# The px around a tile that networks must see, except for networks whose reach is known. With 64 px, tiles of
# Real-ESRGAN x4plus differ by at most 1 of 255 from the whole picture; with 48 px by 3, with 32 px by 12.
SURROUNDINGS = 64
# The architecture's name in spandrel of networks that see exactly as far as their convolutions are deep.
COMPACT = "Compact"
# The first bytes of pickles, and of the zip archives in which torch stores pickles.
PICKLE_STARTS = (b"\x80", b"PK")
# The files of a latent upscaler that are downloaded.
PIPELINE_PATTERNS = [*weights.CONFIG_PATTERNS, f"*/*{weights.SAFETENSORS}"]
# The number of upscalers that are kept in memory.
KEPT_UPSCALERS = 1


class Upscaler(Protocol):
    """A network that enlarges a picture by a fixed factor."""

    @property
    def factor(self) -> int:
        """How many times larger each side becomes."""
        ...

    @property
    def surroundings(self) -> int:
        """The px around a tile that the network must see, so that the tile equals that part of the whole picture."""
        ...

    @property
    def tiles(self) -> bool:
        """Whether a picture may be given in tiles; otherwise it must be given whole."""
        ...

    def upscale(self, pixels: Tensor, check: Check | None = None) -> Tensor:
        """Enlarge a picture (1, 3, h, w) of any size. Both pictures are float32 RGB from 0 to 1 on the CPU.

        check: called again and again during the work; it may raise an exception to end the work.
        """
        ...


@dataclass(frozen=True)
class PixelUpscaler:
    """An upscaler from pixels to pixels."""

    # spandrel's descriptor of the network. It pads pictures to the sizes that the network takes.
    network: Any
    # How many times larger each side becomes.
    factor: int
    # The px around a tile that the network must see.
    surroundings: int
    # Whether a picture may be given in tiles.
    tiles: bool = True

    def upscale(self, pixels: Tensor, check: Check | None = None) -> Tensor:
        """Enlarge a picture (1, 3, h, w) of any size. Both pictures are float32 RGB from 0 to 1 on the CPU.

        check: called before each convolution of the network; it may raise an exception to end the work.
        """
        with use_hooks(*self._check_hooks(check)):
            return self.network(pixels.to(self.network.device, self.network.dtype)).float().cpu()

    def _check_hooks(self, check: Check | None) -> list[RemovableHandle]:
        """Return hooks that call `check` before each convolution, unless another thread uses the network."""
        if check is None:
            return []
        thread = threading.get_ident()

        def check_here(*_: object) -> None:
            if threading.get_ident() == thread:
                check()

        modules = self.network.model.modules()
        return [one.register_forward_pre_hook(check_here) for one in modules if isinstance(one, nn.Conv2d)]


def load_upscaler(
    source: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Upscaler:
    """Load an upscaler to a device, after downloading it if necessary. Raise a Fault that says what is missing.

    source: a name in the catalogue, a path, or a file on the hub. A filter has no network: raise ValueError for it.
    dtype: the number format of the weights; float32 is taken for a network that needs it.
    """
    entry = upscaler_entry(source)
    if entry and entry.kind == "filter":
        raise ValueError(f"{source} has no network")
    path = find_upscaler(source) or weights.download(upscaler_source(source), PIPELINE_PATTERNS)
    if path is None:
        raise WeightsMissing(_missing_sentence(source))
    return _load(path, upscaler_digest(str(path)), torch.device(device), dtype)


def _missing_sentence(source: str) -> str:
    """Return the sentence about an upscaler that is not on this machine and cannot be downloaded."""
    entry = upscaler_entry(source)
    if entry and entry.install:
        return errors.UPSCALER_NOT_INSTALLED.format(source=entry.title, command=entry.install)
    if entry and entry.note:
        return entry.note
    return errors.UPSCALER_NOT_HERE.format(source=short_repr(upscaler_record_name(source)))


@lru_cache(maxsize=KEPT_UPSCALERS)
def _load(path: Path, digest: str, device: torch.device, dtype: torch.dtype) -> Upscaler:
    """Load an upscaler from its file or folder. The digest is only part of the cache key."""
    if path.is_dir():
        from engine.upscale.latent import load_latent_upscaler

        return load_latent_upscaler(path, device, dtype)
    name = short_repr(path.name)
    tensors = _read_tensors(path, name)
    try:
        network = _build_network(tensors, name)
        network.to(device, _supported_dtype(network, dtype)).eval()
    except Fault:
        raise
    except Exception as fault:
        if hardware.is_out_of_memory(fault):
            raise Fault(errors.UPSCALER_TOO_LARGE.format(source=name)) from fault
        log.exception("%s could not be loaded", path)
        raise WeightsMissing(errors.UPSCALER_BROKEN.format(source=name, reason=first_line(fault))) from fault
    return PixelUpscaler(network, network.scale, _find_surroundings(network))


def _read_tensors(path: Path, name: str) -> dict[str, Tensor]:
    """Return the tensors of a file by name; raise WeightsMissing if the file cannot be read safely.

    name: the file's name, for messages.
    """
    match path.suffix.lower():
        case ".safetensors":
            return _read_safetensors(path, name)
        case ".bin" if path.with_suffix(".param").is_file():
            return read_ncnn(path)
        case ".pth":
            return _read_plain_tensors(path, name)
        case ".pt":
            raise WeightsMissing(errors.UPSCALER_PROGRAM.format(source=name))
    raise WeightsMissing(errors.UPSCALER_FILE_UNKNOWN.format(source=name))


def _read_safetensors(path: Path, name: str) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file. The header is checked first, so that no other file is read."""
    try:
        names = [tensor for tensor, _ in weights.read_tensor_shapes(path)]
        if any("lora_" in tensor for tensor in names):
            raise WeightsMissing(errors.UPSCALER_OTHER_NETWORK.format(source=name, what="a LoRA"))
        return load_file(path)
    except (SafetensorError, OSError) as fault:
        with open(path, "rb") as file:
            is_pickle = file.read(2).startswith(PICKLE_STARTS)
        sentence = errors.UPSCALER_PICKLE if is_pickle else errors.UPSCALER_BROKEN
        raise WeightsMissing(sentence.format(source=name, reason=first_line(fault))) from fault


def _read_plain_tensors(path: Path, name: str) -> dict[str, Tensor]:
    """Return the content of a .pth file: tensors by name, often in a dictionary with a single key, such as "params".

    Raise WeightsMissing if the file holds objects of other kinds, whose code would have to run.
    """
    try:
        with weights.force_weights_only():
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as fault:
        raise WeightsMissing(errors.UPSCALER_NOT_PLAIN.format(source=name)) from fault


def _build_network(tensors: dict[str, Tensor], name: str) -> Any:
    """Return spandrel's descriptor of the network with these tensors.

    Raise WeightsMissing if no known architecture has such tensors, or if the network does not enlarge RGB pictures.
    """
    try:
        import spandrel
    except ImportError as fault:
        raise WeightsMissing(errors.UPSCALER_NEEDS_SPANDREL.format(source=name)) from fault
    try:
        network = spandrel.ModelLoader().load_from_state_dict(spandrel.canonicalize_state_dict(tensors))
    except spandrel.UnsupportedModelError as fault:
        what = "a network of an unknown kind"
        raise WeightsMissing(errors.UPSCALER_OTHER_NETWORK.format(source=name, what=what)) from fault
    is_upscaler = isinstance(network, spandrel.ImageModelDescriptor) and network.scale > 1
    if not is_upscaler or (network.input_channels, network.output_channels) != (3, 3):
        what = f"a {network.architecture.name} network that does not enlarge colour pictures"
        raise WeightsMissing(errors.UPSCALER_OTHER_NETWORK.format(source=name, what=what))
    return network


def _supported_dtype(network: Any, dtype: torch.dtype) -> torch.dtype:
    """Return a number format, or float32 if it would make a network inexact. network: spandrel's descriptor of it."""
    unsupported = {torch.float16: not network.supports_half, torch.bfloat16: not network.supports_bfloat16}
    return torch.float32 if unsupported.get(dtype) else dtype


def _find_surroundings(network: Any) -> int:
    """Return the px around a tile that a network must see. network: spandrel's descriptor of it."""
    if network.architecture.id == COMPACT:
        return 2 + network.model.num_conv
    return SURROUNDINGS
