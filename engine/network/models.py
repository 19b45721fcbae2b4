"""Loading and placing models: the only place that reads weights.

They are safetensors; of detectors, which come as pickles alone, nothing but tensors is taken.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from engine import errors, hardware
from engine.catalogue import weights
from engine.catalogue.entries import ModelEntry
from engine.errors import Fault, NotEnoughMemory, WeightsMissing, first_line, short_repr
from engine.hardware import Placement
from engine.network import lora
from engine.network.facts import read_facts, estimate_need, get_networks
from engine.network.model import Model
from engine.vae.codec import preview_matrix

log = logging.getLogger(__name__)

DTYPES = ("float32", "float16", "bfloat16")
FAMILIES = {"StableDiffusionXLPipeline": "sdxl", "StableDiffusionPipeline": "sd"}
# Judges of pictures that some pipelines bring along; they are not loaded.
UNUSED = ("safety_checker", "feature_extractor", "image_encoder")


def load_model(
    path_or_id: str | Path,
    device: str = "auto",
    dtype: str | torch.dtype = "auto",
    offload: bool | None = None,
    entry: ModelEntry | None = None,
) -> Model:
    """A diffusers folder, a .safetensors file, or a hub id where the network answers.

    What is left at auto, and offload at None, is chosen by what memory is free. A Fault says what is missing.
    entry: of the catalogue, with what it adds to the weights at its source.
    """
    source, where, wanted = str(path_or_id), _device(device), _dtype(dtype)
    try:
        with _quiet():
            path = _here(source, half=(wanted or torch.float32) != torch.float32 or where.type != "cpu")
            configs, index = _told(path, source)
            kind = getattr(diffusers, index["_class_name"])
            need = estimate_need(path, configs, FAMILIES[kind.__name__])
            free = hardware.free_memory(where)
            place = hardware.choose_placement(where, need, free, wanted, offload)
            _has_room(entry.title if entry else source, need, place, free)
            read = _file(path, kind, configs, place) if path.is_file() else _folder(path, kind, place)
            if entry:
                _complete(read, entry)
            return _model(read, index, source, place)
    except Fault:
        raise
    except Exception as fault:
        log.exception("%s could not be loaded", source)
        raise WeightsMissing(
            errors.MODEL_BROKEN.format(source=source, reason=first_line(fault, 200))
        ) from fault


def _has_room(title: str, need: hardware.MemoryNeed, place: hardware.Placement, free: int | None) -> None:
    """NoRoom, before anything is read, where not even the weights fit: the system would end the whole app."""
    bytes_ = need.weight_bytes(place.dtype.itemsize, place.offload)
    if free is not None and bytes_ > free:
        said = {"source": short_repr(title), "need": f"{bytes_ / 1e9:.1f}", "free": f"{free / 1e9:.1f}"}
        raise NotEnoughMemory(errors.NOT_ENOUGH_MEMORY.format(**said))


def _here(source: str, half: bool) -> Path:
    """The folder or file of a source; what is not here is fetched, in half precision if it can be."""
    path = weights.find_local(source)
    if path and (weights.has_weights(path) or not weights.is_hub_id(source)):
        return path
    if weights.is_hub_id(source):
        for variant in ("fp16", None) if half else (None,):
            try:
                return Path(
                    diffusers.DiffusionPipeline.download(source, variant=variant, use_safetensors=True)
                )
            except Exception as fault:
                log.info(
                    "%s (%s) could not be fetched: %s", source, variant or "plain", first_line(fault, 200)
                )
    raise WeightsMissing(errors.MODEL_NOT_HERE.format(source=source[:100]))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' bars for reading files, and their asides; bars for fetching stay."""
    libraries = (diffusers_logging, transformers_logging)
    levels = [library.get_verbosity() for library in libraries]
    for library in libraries:
        library.disable_progress_bar()
        library.set_verbosity_error()
    try:
        yield
    finally:
        for library, level in zip(libraries, levels, strict=True):
            library.enable_progress_bar()
            library.set_verbosity(level)


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(1, device=device).device
    except Exception as fault:
        raise Fault(
            errors.DEVICE_UNAVAILABLE.format(device=short_repr(device), reason=first_line(fault, 200))
        ) from fault


def _dtype(dtype: str | torch.dtype) -> torch.dtype | None:
    if dtype == "auto":
        return None
    for name in DTYPES:
        if dtype in (name, getattr(torch, name)):
            return getattr(torch, name)
    raise Fault(errors.UNKNOWN_DTYPE.format(dtype=short_repr(dtype), known=", ".join(DTYPES)))


def _told(path: Path, source: str) -> tuple[Path, dict[str, Any]]:
    """Where a model's configs are and what its index says, before its weights are read; WeightsMissing if it
    is of no family that is known here."""
    if path.is_file():
        layout = weights.detect_layout(path)
        if layout is None:
            raise WeightsMissing(
                errors.MODEL_TYPE_UNSUPPORTED.format(source=source, what="file of an unknown layout")
            )
        configs = weights.find_configs(path, layout) or weights.download(
            layout.reference, weights.CONFIG_PATTERNS
        )
        index = _index(configs, source) if configs else {}
        if index.get("_class_name") != layout.pipeline:
            words = {"source": source, "folder": path.stem, "reference": layout.reference}
            raise WeightsMissing(errors.MODEL_CONFIGS_MISSING.format(**words))
        return configs, index
    index = _index(path, source)
    what = index.get("_class_name", "pipeline of an unknown kind")
    if what not in FAMILIES:
        raise WeightsMissing(errors.MODEL_TYPE_UNSUPPORTED.format(source=source, what=what))
    return path, index


def _index(folder: Path, source: str) -> dict[str, Any]:
    try:
        return dict(diffusers.DiffusionPipeline.load_config(folder))
    except (OSError, ValueError, TypeError) as fault:
        raise WeightsMissing(errors.MODEL_NOT_HERE.format(source=source[:100])) from fault


def _folder(path: Path, kind: Any, place: Placement) -> Any:
    return kind.from_pretrained(
        path,
        # The decoder of most models overflows in half precision.
        dtype={"vae": torch.float32, "default": place.dtype},
        use_safetensors=True,
        variant=weights.choose_variant(path, place.dtype != torch.float32) or None,
        **_without(kind),
    )


def _file(path: Path, kind: Any, configs: Path, place: Placement) -> Any:
    """The pipeline of a single file in the original layout."""
    loaded = kind.from_single_file(
        str(path), config=str(configs), torch_dtype=place.dtype, local_files_only=True
    )
    loaded.vae.to(torch.float32)
    if levels := weights.read_noise_settings(path):
        loaded.scheduler = type(loaded.scheduler).from_config(dict(loaded.scheduler.config) | levels)
    return loaded


def _complete(pipeline: Any, entry: ModelEntry) -> None:
    """Fuses the LoRAs that are part of an entry, and lays its scheduler's steps as it says."""
    if entry.loras:
        lora.fuse_loras(pipeline, lora.find_loras(entry.loras))
    if entry.scheduler_settings:
        config = dict(pipeline.scheduler.config) | dict(entry.scheduler_settings)
        pipeline.scheduler = type(pipeline.scheduler).from_config(config)


def _without(kind: Any) -> dict[str, Any]:
    """Parts of a pipeline that are left out."""
    optional = set(kind._optional_components)
    return {name: None for name in UNUSED if name in optional}


def _model(pipeline: Any, index: dict[str, Any], source: str, place: Placement) -> Model:
    parts = get_networks(pipeline)
    for part in parts.values():
        part.requires_grad_(False).eval()
    family = FAMILIES[type(pipeline).__name__]
    encoders = [name for name in parts if name.startswith("text")]
    if len(encoders) != (2 if family == "sdxl" else 1):
        raise ValueError("a text encoder is not there")
    for name in encoders:
        tokenizer = getattr(pipeline, name.replace("text_encoder", "tokenizer"))
        # Where the vocabulary is missing, transformers makes an empty one and says nothing.
        limit = parts[name].config.max_position_embeddings
        if tokenizer is None or tokenizer.model_max_length > limit or len(tokenizer) < 3:
            raise ValueError("its tokenizer is not there")
    facts = read_facts(pipeline, source, family, place)
    matrix = preview_matrix(pipeline.vae, index.get("_latent_rgb")).to(place.device)
    _settle(pipeline, place)
    return Model(facts, pipeline, matrix, place.device)


def _settle(pipeline: Any, place: Placement) -> None:
    """Puts the networks where they compute, or where they wait."""
    if place.device.type == "cuda" and place.dtype != torch.float32:
        pipeline.unet.to(memory_format=torch.channels_last)
    if place.offload:
        pipeline.enable_model_cpu_offload(device=place.device)
    else:
        pipeline.to(place.device)


def load_controlnet(folder: Path, kind: str, variant: str, model: Model) -> Any:
    """A ControlNet, placed where the model's network computes."""
    with _quiet():
        read = getattr(diffusers, kind).from_pretrained(
            folder, torch_dtype=model.unet.dtype, use_safetensors=True, variant=variant or None
        )
    return read.requires_grad_(False).eval().to(model.device)


def load_depth_network(folder: Path) -> Any:
    """A network that tells depth."""
    with _quiet():
        read = transformers.AutoModelForDepthEstimation.from_pretrained(folder, use_safetensors=True)
    return read.requires_grad_(False).eval()


def load_detector(kind: Any, folder: Path, file: str) -> Any:
    """A detector of another package, on the CPU."""
    with _quiet(), weights.force_weights_only():
        return kind.from_pretrained(str(folder), filename=file)
