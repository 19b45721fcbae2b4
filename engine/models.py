"""Loading and placing models: the only place that reads weights. Only safetensors are read, never a pickle.

A Model is what the loop sees of a pipeline: facts, text, predictions; its VAE belongs to the codec.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.utils import logging as diffusers_logging
from torch import Tensor
from transformers.utils import logging as transformers_logging

from engine import errors, hardware, text, weights
from engine.anatomy import facts_of, need_of, parts_of
from engine.catalogue import Facts
from engine.codec import preview_matrix
from engine.errors import Fault, WeightsMissing, short
from engine.hardware import Place
from engine.text import Text

log = logging.getLogger(__name__)

DTYPES = ("float32", "float16", "bfloat16")
FAMILIES = {"StableDiffusionXLPipeline": "sdxl", "StableDiffusionPipeline": "sd"}
# Judges of pictures that some pipelines bring along; they are not loaded.
UNUSED = ("safety_checker", "feature_extractor", "image_encoder")


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded pipeline. matrix: latent to RGB. device: where it computes."""

    facts: Facts
    pipeline: Any
    matrix: Tensor
    device: torch.device

    @property
    def unet(self) -> Any:
        return self.pipeline.unet

    @property
    def vae(self) -> Any:
        return self.pipeline.vae

    @property
    def encoders(self) -> tuple[Any, ...]:
        return tuple(part for name, part in parts_of(self.pipeline).items() if name.startswith("text"))

    @property
    def tokenizers(self) -> tuple[Any, ...]:
        names = ("tokenizer", "tokenizer_2")[: len(self.encoders)]
        return tuple(getattr(self.pipeline, name) for name in names)

    @torch.inference_mode()
    def encode_text(self, prompt: str, negative: str | None, copies: int) -> Text:
        """The conditioning of a run; longer texts than the encoders take are read in chunks."""
        texts = [negative or "", prompt] if copies == 2 else [prompt]
        if self.facts.family == "sd":
            return text.of_one_encoder(self.encoders[0], self.tokenizers[0], texts, self.device)
        told = text.of_two_encoders(self.encoders, self.tokenizers, texts, self.device)
        zeros = copies == 2 and negative is None and self.pipeline.config.force_zeros_for_empty_prompt
        return text.with_zeros(told) if zeros else told

    def predict(self, latents: Tensor, t: float, text: Text, ids: Tensor) -> Tensor:
        """Raw predictions for latents (N, C, h, w), N a multiple of the texts, under size ids (N, 6)."""
        views = len(latents) // len(text.embeds)
        given = None
        if text.pooled is not None:
            # Float ids: in bfloat16 large sizes would be rounded.
            given = {"text_embeds": text.pooled.repeat_interleave(views, 0), "time_ids": ids.float()}
        embeds = text.embeds.repeat_interleave(views, 0)
        return self.unet(latents.to(self.unet.dtype), t, embeds, added_cond_kwargs=given).sample


def load_model(
    path_or_id: str | Path,
    device: str = "auto",
    dtype: str | torch.dtype = "auto",
    offload: bool | None = None,
) -> Model:
    """A diffusers folder, a .safetensors file, or a hub id where the network answers.

    What is left at auto, and offload at None, is chosen by what memory is free. A Fault says what is missing.
    """
    source, where, wanted = str(path_or_id), _device(device), _dtype(dtype)
    try:
        with _quiet():
            path = _here(source, half=(wanted or torch.float32) != torch.float32 or where.type != "cpu")
            configs, index = _told(path, source)
            kind = getattr(diffusers, index["_class_name"])
            need = need_of(path, configs, FAMILIES[kind.__name__])
            place = hardware.place(where, need, hardware.free(where), wanted, offload)
            read = _file(path, kind, configs, place) if path.is_file() else _folder(path, kind, place)
            return _model(read, index, source, place)
    except Fault:
        raise
    except Exception as fault:
        log.exception("%s could not be loaded", source)
        raise WeightsMissing(errors.WEIGHTS_PART.format(source=source, reason=_reason(fault))) from fault


def _here(source: str, half: bool) -> Path:
    """The folder or file of a source; a hub id that is not here is fetched, in half precision if it has that."""
    path = weights.find(source)
    if path and (weights.is_whole(path) or not weights.is_on_hub(source)):
        return path
    if weights.is_on_hub(source):
        for variant in ("fp16", None) if half else (None,):
            try:
                return Path(
                    diffusers.DiffusionPipeline.download(source, variant=variant, use_safetensors=True)
                )
            except Exception as fault:
                log.info("%s (%s) could not be fetched: %s", source, variant or "plain", _reason(fault))
    raise WeightsMissing(errors.WEIGHTS_NOT_HERE.format(source=source[:100]))


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
        raise Fault(errors.NO_DEVICE.format(device=short(device), reason=_reason(fault))) from fault


def _reason(fault: Exception) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0][:200]


def _dtype(dtype: str | torch.dtype) -> torch.dtype | None:
    if dtype == "auto":
        return None
    for name in DTYPES:
        if dtype in (name, getattr(torch, name)):
            return getattr(torch, name)
    raise Fault(errors.NO_DTYPE.format(dtype=short(dtype), known=", ".join(DTYPES)))


def _told(path: Path, source: str) -> tuple[Path, dict[str, Any]]:
    """Where a model's configs are and what its index says, before its weights are read; WeightsMissing if it
    is of no family that is known here."""
    if path.is_file():
        layout = weights.layout_of(path)
        if layout is None:
            raise WeightsMissing(errors.WEIGHTS_FOREIGN.format(source=source, what="file of an unknown layout"))
        configs = weights.configs_of(path, layout)
        index = _index(configs, source) if configs else {}
        if index.get("_class_name") != layout.pipeline:
            words = {"source": source, "folder": path.stem, "reference": layout.reference}
            raise WeightsMissing(errors.WEIGHTS_CONFIGS.format(**words))
        return configs, index
    index = _index(path, source)
    what = index.get("_class_name", "pipeline of an unknown kind")
    if what not in FAMILIES:
        raise WeightsMissing(errors.WEIGHTS_FOREIGN.format(source=source, what=what))
    return path, index


def _index(folder: Path, source: str) -> dict[str, Any]:
    try:
        return dict(diffusers.DiffusionPipeline.load_config(folder))
    except (OSError, ValueError, TypeError) as fault:
        raise WeightsMissing(errors.WEIGHTS_NOT_HERE.format(source=source[:100])) from fault


def _folder(path: Path, kind: Any, place: Place) -> Any:
    return kind.from_pretrained(
        path,
        # The decoder of most models overflows in half precision.
        dtype={"vae": torch.float32, "default": place.dtype},
        use_safetensors=True,
        variant=weights.variant_of(path, place.dtype != torch.float32) or None,
        **_without(kind),
    )


def _file(path: Path, kind: Any, configs: Path, place: Place) -> Any:
    """The pipeline of a single file in the original layout."""
    loaded = kind.from_single_file(
        str(path), config=str(configs), torch_dtype=place.dtype, local_files_only=True
    )
    loaded.vae.to(torch.float32)
    if levels := weights.levels_of(path):
        loaded.scheduler = type(loaded.scheduler).from_config(dict(loaded.scheduler.config) | levels)
    return loaded


def _without(kind: Any) -> dict[str, Any]:
    """Parts of a pipeline that are left out."""
    optional = set(kind._optional_components)
    return {name: None for name in UNUSED if name in optional}


def _model(pipeline: Any, index: dict[str, Any], source: str, place: Place) -> Model:
    parts = parts_of(pipeline)
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
    facts = facts_of(pipeline, source, family, place)
    matrix = preview_matrix(pipeline.vae, index.get("_latent_rgb")).to(place.device)
    _settle(pipeline, place)
    return Model(facts, pipeline, matrix, place.device)


def _settle(pipeline: Any, place: Place) -> None:
    """Puts the networks where they compute, or where they wait."""
    if place.device.type == "cuda" and place.dtype != torch.float32:
        pipeline.unet.to(memory_format=torch.channels_last)
    if place.offload:
        pipeline.enable_model_cpu_offload(device=place.device)
    else:
        pipeline.to(place.device)
