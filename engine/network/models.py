"""Load models, ControlNets and detectors, and move them to their device. Only this module loads weights.

Weights are read from safetensors files. Some detectors exist only as pickles; from pickles only tensors are loaded.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import diffusers
import torch
import transformers
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from engine import errors, hardware
from engine.catalogue import weights
from engine.catalogue.entries import ModelEntry
from engine.errors import Fault, NotEnoughMemory, WeightsMissing, first_line, short_repr
from engine.hardware import MemoryNeed, Placement
from engine.network import lora
from engine.network.compiled import compile_network
from engine.network.facts import estimate_need, get_networks, read_facts
from engine.network.model import Model
from engine.network.number_format import fastest_cpu_dtype
from engine.network.pipeline import Pipeline
from engine.vae.codec import preview_matrix

log = logging.getLogger(__name__)

# The number formats in which a model can be loaded.
DTYPES = ("float32", "float16", "bfloat16")
# The model family by the class of its pipeline.
FAMILIES = {"StableDiffusionXLPipeline": "sdxl", "StableDiffusionPipeline": "sd"}
# Components of pipelines that are not loaded, because they only filter or describe images.
UNUSED_COMPONENTS = ("safety_checker", "feature_extractor", "image_encoder")


def load_model(
    path_or_id: str | Path,
    device: str = "auto",
    dtype: str | torch.dtype = "auto",
    offload: bool | None = None,
    entry: ModelEntry | None = None,
) -> Model:
    """Load a model from a diffusers folder, a .safetensors file or the hub.

    Raise a Fault that says what is missing.

    dtype: "auto" takes the environment variable STUDIO_DTYPE, if it is set; else float16 on a GPU, and on a CPU
        bfloat16 if this machine computes it faster or float32 does not fit into its memory.
    offload: whether to use CPU offload; None chooses by the free memory.
    entry: the model's entry in the catalogue, whose LoRAs and scheduler settings are applied; None without one.
    """
    source = str(path_or_id)
    chosen_device = _find_device(device)
    chosen_dtype = _find_dtype(dtype, chosen_device)
    try:
        with _silence_libraries():
            prefers_half = chosen_device.type != "cpu" or chosen_dtype not in (None, torch.float32)
            path = _find_or_download(source, prefers_half)
            configs, index = _read_index(path, source)
            pipeline_class = getattr(diffusers, index["_class_name"])
            need = estimate_need(path, configs, FAMILIES[pipeline_class.__name__])
            free = hardware.free_memory(chosen_device)
            placement = hardware.choose_placement(chosen_device, need, free, chosen_dtype, offload)
            _check_memory(entry.title if entry else source, need, placement, free)
            if path.is_file():
                pipeline = _load_file(path, pipeline_class, configs, placement)
            else:
                pipeline = _load_folder(path, pipeline_class, placement)
            if entry:
                _apply_entry(pipeline, entry)
            return _build_model(pipeline, index, source, placement)
    except Fault:
        raise
    except Exception as fault:
        log.exception("%s could not be loaded", source)
        sentence = errors.MODEL_BROKEN.format(source=source, reason=first_line(fault, 200))
        raise WeightsMissing(_without_folders(sentence, source)) from fault


def _without_folders(sentence: str, source: str) -> str:
    """Return a sentence in which an absolute path of a model is cut to its name: visitors of a public app see it."""
    path = Path(source)
    return sentence.replace(f"{path.parent}/", "") if path.is_absolute() else sentence


def _check_memory(title: str, need: MemoryNeed, placement: Placement, free: int | None) -> None:
    """Raise NotEnoughMemory if the weights alone exceed the free memory.

    If the weights were loaded anyway, the system might kill the whole process.

    title: the model's name, for the message.
    free: bytes; None if unknown.
    """
    needed = need.weight_bytes(placement.dtype.itemsize, placement.offload)
    if free is not None and needed > free:
        sentence = errors.NOT_ENOUGH_MEMORY.format(
            source=short_repr(title), need=f"{needed / 1e9:.1f}", free=f"{free / 1e9:.1f}"
        )
        raise NotEnoughMemory(sentence)


def _find_or_download(source: str, prefers_half: bool) -> Path:
    """Return the folder or file of a model; a hub id that is not on this machine is downloaded.

    prefers_half: whether to download weights in half precision if there are any.
    """
    path = weights.find_local(source)
    if path and (weights.has_weights(path) or not weights.is_hub_id(source)):
        return path
    if weights.is_hub_id(source):
        for variant in ("fp16", None) if prefers_half else (None,):
            try:
                return Path(DiffusionPipeline.download(source, variant=variant, use_safetensors=True))
            except Exception as fault:
                log.info(
                    "%s (%s) could not be fetched: %s", source, variant or "plain", first_line(fault, 200)
                )
    raise WeightsMissing(errors.MODEL_NOT_HERE.format(source=source[:100]))


@contextmanager
def _silence_libraries() -> Iterator[None]:
    """Hide the libraries' warnings and their progress bars of loading, not of downloads, inside a `with` block."""
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


def _find_device(device: str) -> torch.device:
    """Return the torch device of this name; raise Fault if it cannot be used. "auto" prefers CUDA."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(1, device=device).device
    except Exception as fault:
        raise Fault(
            errors.DEVICE_UNAVAILABLE.format(device=short_repr(device), reason=first_line(fault, 200))
        ) from fault


def _find_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype | None:
    """Return the number format of this name, None to choose by memory; raise Fault if it is not one of DTYPES."""
    if dtype == "auto":
        dtype = os.environ.get("STUDIO_DTYPE", "auto")
    if dtype == "auto":
        is_bfloat16_faster = device.type == "cpu" and fastest_cpu_dtype() == torch.bfloat16
        return torch.bfloat16 if is_bfloat16_faster else None
    for name in DTYPES:
        if dtype in (name, getattr(torch, name)):
            return getattr(torch, name)
    raise Fault(errors.UNKNOWN_DTYPE.format(dtype=short_repr(dtype), known=", ".join(DTYPES)))


def _read_index(path: Path, source: str) -> tuple[Path, dict[str, Any]]:
    """Return (folder of a model's configs, content of its model_index.json), without reading weights.

    Raise WeightsMissing if the model's family is not supported.

    path: the model's folder or file.
    source: what the user called the model, for messages.
    """
    if path.is_file():
        layout = weights.detect_layout(path)
        if layout is None:
            raise WeightsMissing(
                errors.MODEL_TYPE_UNSUPPORTED.format(source=source, what="file of an unknown layout")
            )
        configs = weights.find_configs(path, layout) or weights.download(
            layout.reference, weights.CONFIG_PATTERNS
        )
        index = _load_index(configs, source) if configs else {}
        if configs is None or index.get("_class_name") != layout.pipeline:
            sentence = errors.MODEL_CONFIGS_MISSING.format(
                source=source, folder=path.stem, reference=layout.reference
            )
            raise WeightsMissing(sentence)
        return configs, index
    index = _load_index(path, source)
    what = index.get("_class_name", "pipeline of an unknown kind")
    if what not in FAMILIES:
        raise WeightsMissing(errors.MODEL_TYPE_UNSUPPORTED.format(source=source, what=what))
    return path, index


def _load_index(folder: Path, source: str) -> dict[str, Any]:
    """Return the content of a folder's model_index.json; raise WeightsMissing if the file is missing."""
    try:
        # Without return_unused_kwargs the result is always a dictionary, which diffusers' types do not say.
        return dict(cast(dict[str, Any], DiffusionPipeline.load_config(folder)))
    except (OSError, ValueError, TypeError) as fault:
        raise WeightsMissing(errors.MODEL_NOT_HERE.format(source=source[:100])) from fault


def _load_folder(path: Path, pipeline_class: type[DiffusionPipeline], placement: Placement) -> Any:
    """Load a pipeline from a diffusers folder."""
    return pipeline_class.from_pretrained(
        path,
        # The VAE of most models overflows in half precision.
        dtype={"vae": torch.float32, "default": placement.dtype},
        use_safetensors=True,
        variant=weights.choose_variant(path, placement.dtype != torch.float32) or None,
        **_omit_unused(pipeline_class),
    )


def _load_file(path: Path, pipeline_class: Any, configs: Path, placement: Placement) -> Any:
    """Load a pipeline from a single .safetensors file, in the layout of Stability AI's code."""
    pipeline = pipeline_class.from_single_file(
        str(path), config=str(configs), torch_dtype=placement.dtype, local_files_only=True
    )
    pipeline.vae.to(torch.float32)
    _update_scheduler(pipeline, weights.read_noise_settings(path))
    return pipeline


def _apply_entry(pipeline: Pipeline, entry: ModelEntry) -> None:
    """Apply a catalogue entry to its pipeline: merge LoRAs into the weights, and change scheduler settings."""
    if entry.loras:
        lora.fuse_loras(pipeline, lora.find_loras(entry.loras))
    _update_scheduler(pipeline, entry.scheduler_settings)


def _update_scheduler(pipeline: Pipeline, settings: Mapping[str, Any]) -> None:
    """Change settings of a pipeline's scheduler."""
    if settings:
        config = dict(pipeline.scheduler.config) | dict(settings)
        pipeline.scheduler = type(pipeline.scheduler).from_config(config)


def _omit_unused(pipeline_class: type[DiffusionPipeline]) -> dict[str, Any]:
    """Return keyword arguments for from_pretrained that leave out unused components."""
    optional = set(pipeline_class._optional_components)
    return {name: None for name in UNUSED_COMPONENTS if name in optional}


def _build_model(pipeline: Pipeline, index: dict[str, Any], source: str, placement: Placement) -> Model:
    """Return a Model for a loaded pipeline, after moving its networks to their device.

    Raise ValueError if the pipeline is incomplete.

    index: the content of model_index.json.
    """
    for network in get_networks(pipeline).values():
        network.requires_grad_(False).eval()
    family = FAMILIES[type(pipeline).__name__]
    _check_encoders(pipeline, family)
    facts = read_facts(pipeline, source, family, placement)
    matrix = preview_matrix(pipeline.vae, index.get("_latent_rgb")).to(placement.device)
    _place_networks(pipeline, placement)
    compiled = compile_network(pipeline.unet, placement)
    return Model(facts, pipeline, matrix, placement.device, compiled=compiled)


def _check_encoders(pipeline: Pipeline, family: str) -> None:
    """Raise ValueError if a pipeline lacks a text encoder or a tokenizer."""
    networks = get_networks(pipeline)
    encoders: dict[str, Any] = {name: part for name, part in networks.items() if name.startswith("text")}
    if len(encoders) != (2 if family == "sdxl" else 1):
        raise ValueError("a text encoder is missing")
    for name, encoder in encoders.items():
        tokenizer = getattr(pipeline, name.replace("text_encoder", "tokenizer"))
        # If the vocabulary is missing, transformers silently creates an empty one.
        limit = encoder.config.max_position_embeddings
        if tokenizer is None or tokenizer.model_max_length > limit or len(tokenizer) < 3:
            raise ValueError("its tokenizer is missing")


def _place_networks(pipeline: Pipeline, placement: Placement) -> None:
    """Move the networks to their device, or set up CPU offload."""
    if placement.device.type == "cuda" and placement.dtype != torch.float32:
        pipeline.unet.to(memory_format=torch.channels_last)
    if placement.offload:
        pipeline.enable_model_cpu_offload(device=placement.device)
    else:
        pipeline.to(placement.device)


def load_controlnet(folder: Path, class_name: str, variant: str, model: Model) -> Any:
    """Load a ControlNet to a model's device in its number format.

    class_name: the ControlNet's class in diffusers.
    variant: "fp16" for the files in half precision, or "".
    """
    with _silence_libraries():
        controlnet = getattr(diffusers, class_name).from_pretrained(
            folder, torch_dtype=model.unet.dtype, use_safetensors=True, variant=variant or None
        )
    return controlnet.requires_grad_(False).eval().to(model.device)


def load_depth_network(folder: Path) -> Any:
    """Load a network that estimates depth from an image, on the CPU."""
    with _silence_libraries():
        network = transformers.AutoModelForDepthEstimation.from_pretrained(folder, use_safetensors=True)
    return network.requires_grad_(False).eval()


def load_detector(detector_class: Any, folder: Path, file: str) -> Any:
    """Load a detector of controlnet-aux from a file in a folder, on the CPU."""
    with _silence_libraries(), weights.force_weights_only():
        return detector_class.from_pretrained(str(folder), filename=file)


def load_latent_upscale_pipeline(folder: Path, placement: Placement) -> Any:
    """Load the pipeline of a latent upscaler from a diffusers folder to its device."""
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_latent_upscale import (
        StableDiffusionLatentUpscalePipeline,
    )

    with _silence_libraries():
        pipeline = _load_folder(folder, StableDiffusionLatentUpscalePipeline, placement)
    for network in get_networks(pipeline).values():
        network.requires_grad_(False).eval()
    _check_encoders(pipeline, "sd")
    _place_networks(pipeline, placement)
    return pipeline
