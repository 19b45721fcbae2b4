"""Loading and placing models: the only place that reads weights. Only safetensors are read, never a pickle.

A Model is what the loop sees of a pipeline: facts, text, predictions; its VAE belongs to the codec.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline
from diffusers.utils import logging as diffusers_logging
from torch import Tensor
from transformers.utils import logging as transformers_logging

from engine import errors, hardware
from engine.catalogue import Facts, Footprint, defaults_of, family_buckets
from engine.codec import preview_matrix
from engine.errors import Fault, WeightsMissing, short

log = logging.getLogger(__name__)

CPU_VIEWS, GPU_VIEWS = 4, 8
DTYPES = ("float32", "float16", "bfloat16")
WINDOWS = range(4, 1025)


@dataclass(frozen=True)
class Text:
    """Embeddings, one row a text: what to avoid and what to show, or what to show alone."""

    embeds: Tensor
    pooled: Tensor


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded pipeline. matrix: latent to RGB. zero_negative: an omitted negative is zeros, not empty."""

    facts: Facts
    unet: Any
    vae: Any
    encoders: tuple[Any, ...]
    tokenizers: tuple[Any, ...]
    matrix: Tensor
    zero_negative: bool

    @property
    def device(self) -> torch.device:
        return self.unet.device

    @torch.inference_mode()
    def encode_text(self, prompt: str, negative: str | None, copies: int) -> Text:
        """The conditioning of a run; longer texts than the encoders take are read in chunks."""
        texts = [negative or "", prompt] if copies == 2 else [prompt]
        read = [_chunks(tokenizer, texts) for tokenizer in self.tokenizers]
        outputs = [
            encoder(ids.flatten(0, 1).to(self.device), output_hidden_states=True)
            for encoder, ids in zip(self.encoders, read, strict=True)
        ]
        rows, chunks = read[0].shape[:2]
        hidden = torch.cat([out.hidden_states[-2] for out in outputs], -1)
        embeds = hidden.unflatten(0, (rows, chunks)).flatten(1, 2)
        pooled = outputs[-1][0].unflatten(0, (rows, chunks))[:, 0]
        if copies == 2 and negative is None and self.zero_negative:
            kept = torch.tensor([0.0, 1.0], dtype=embeds.dtype, device=self.device)
            embeds, pooled = embeds * kept[:, None, None], pooled * kept[:, None]
        return Text(embeds, pooled)

    def predict(self, latents: Tensor, t: float, text: Text, ids: Tensor) -> Tensor:
        """Raw predictions for latents (N, C, h, w), N a multiple of the texts, under size ids (N, 6)."""
        views = len(latents) // len(text.embeds)
        given = {
            "text_embeds": text.pooled.repeat_interleave(views, 0),
            "time_ids": ids.float(),  # In bfloat16 large sizes would be rounded.
        }
        embeds = text.embeds.repeat_interleave(views, 0)
        return self.unet(latents.to(self.unet.dtype), t, embeds, added_cond_kwargs=given).sample


def _chunks(tokenizer: Any, texts: list[str]) -> Tensor:
    """Token ids (texts, chunks, length): every text cut into the same number of padded chunks."""
    length = tokenizer.model_max_length
    room = length - 2
    plain = [tokenizer(text, add_special_tokens=False, verbose=False).input_ids for text in texts]
    count = max(1, *(-(-len(ids) // room) for ids in plain))
    framed = []
    for ids in plain:
        for k in range(count):
            chunk = [tokenizer.bos_token_id, *ids[k * room : (k + 1) * room], tokenizer.eos_token_id]
            framed.append(chunk + [tokenizer.pad_token_id] * (length - len(chunk)))
    return torch.tensor(framed).unflatten(0, (len(texts), count))


def load_model(path_or_id: str | Path, device: str = "auto", dtype: str | torch.dtype = "auto") -> Model:
    """A diffusers folder, or a hub id where the network answers. A Fault says what is missing."""
    source, place = str(path_or_id), _device(device)
    precision, index = _dtype(dtype, place), _index(source)
    try:
        with _quiet():
            return _model(_pipeline(source, precision, place), index, source)
    except Fault:
        raise
    except Exception as fault:
        log.exception("%s could not be loaded", source)
        raise WeightsMissing(errors.WEIGHTS_PART.format(source=source, reason=_reason(fault))) from fault


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' bars for reading files; those for fetching stay."""
    bars = (diffusers_logging, transformers_logging)
    for library in bars:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in bars:
            library.enable_progress_bar()


def _index(source: str) -> dict[str, Any]:
    """What a pipeline says of itself, before its weights are read or fetched."""
    try:
        index = dict(StableDiffusionXLPipeline.load_config(source))
    except (OSError, ValueError, TypeError) as fault:
        raise WeightsMissing(errors.WEIGHTS_NOT_HERE.format(source=source[:100])) from fault
    what = index.get("_class_name", "pipeline of an unknown kind")
    if what != StableDiffusionXLPipeline.__name__:
        raise WeightsMissing(errors.WEIGHTS_FOREIGN.format(source=source, what=what))
    return index


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(1, device=device).device
    except Exception as fault:
        raise Fault(errors.NO_DEVICE.format(device=short(device), reason=_reason(fault))) from fault


def _reason(fault: Exception) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0][:200]


def _dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    if dtype == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    for name in DTYPES:
        if dtype in (name, getattr(torch, name)):
            return getattr(torch, name)
    raise Fault(errors.NO_DTYPE.format(dtype=short(dtype), known=", ".join(DTYPES)))


def _pipeline(source: str, dtype: torch.dtype, device: torch.device) -> StableDiffusionXLPipeline:
    # SDXL's decoder overflows in half precision.
    dtypes = {"vae": torch.float32, "default": dtype}
    pipeline = StableDiffusionXLPipeline.from_pretrained(source, dtype=dtypes, use_safetensors=True)
    for tokenizer, encoder in (
        (pipeline.tokenizer, pipeline.text_encoder),
        (pipeline.tokenizer_2, pipeline.text_encoder_2),
    ):
        # Where the vocabulary is missing, transformers makes an empty one and says nothing.
        if tokenizer.model_max_length > encoder.config.max_position_embeddings or len(tokenizer) < 3:
            raise WeightsMissing(
                errors.WEIGHTS_PART.format(source=source, reason="its tokenizer is not there")
            )
    return pipeline.to(device)


def _model(pipeline: StableDiffusionXLPipeline, index: dict[str, Any], source: str) -> Model:
    encoders = (pipeline.text_encoder, pipeline.text_encoder_2)
    for part in (pipeline.unet, pipeline.vae, *encoders):
        part.requires_grad_(False).eval()
    return Model(
        facts=_facts(source, pipeline),
        unet=pipeline.unet,
        vae=pipeline.vae,
        encoders=encoders,
        tokenizers=(pipeline.tokenizer, pipeline.tokenizer_2),
        matrix=preview_matrix(pipeline.vae, index.get("_latent_rgb")),
        zero_negative=bool(pipeline.config.force_zeros_for_empty_prompt),
    )


def _facts(source: str, pipeline: StableDiffusionXLPipeline) -> Facts:
    unet, vae = pipeline.unet, pipeline.vae
    window, cell = unet.config.sample_size, pipeline.vae_scale_factor
    if window not in WINDOWS:
        raise ValueError(f"its native side is {window} cells")
    parts = (unet, vae, pipeline.text_encoder, pipeline.text_encoder_2)
    return Facts(
        name=Path(source).name,
        family="sdxl",
        window=window,
        cell=cell,
        channels=unet.config.in_channels,
        scheduler=dict(pipeline.scheduler.config),
        defaults=defaults_of(source, "sdxl"),
        buckets=family_buckets("sdxl", window * cell),
        view_batch=GPU_VIEWS if unet.device.type == "cuda" else CPU_VIEWS,
        footprint=Footprint(
            weights=sum(p.numel() * p.element_size() for part in parts for p in part.parameters()),
            per_cell=view_memory(unet.config.block_out_channels, unet.dtype.itemsize),
            per_px=decode_memory(vae.config.block_out_channels, vae.dtype.itemsize),
        ),
        hash=fingerprint(pipeline),
        space=f"{vae.config.latent_channels} channels of {cell} px at {vae.config.scaling_factor:g}",
        device=hardware.name(unet.device),
        dtype=str(unet.dtype).removeprefix("torch."),
    )


def fingerprint(pipeline: StableDiffusionXLPipeline) -> str:
    """A hash of all that a model's pictures depend on: weights, configs, vocabulary."""
    digest = sha256()
    for name, part in sorted(pipeline.components.items()):
        digest.update(name.encode())
        if isinstance(part, torch.nn.Module):
            digest.update(_told_of(part.config).encode())
            for weight, value in part.state_dict().items():
                digest.update(f"{weight} {tuple(value.shape)} {value.dtype}".encode())
                digest.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy())
        elif hasattr(part, "get_vocab"):
            digest.update(repr((sorted(part.get_vocab().items()), part.model_max_length)).encode())
    digest.update(str(pipeline.config.force_zeros_for_empty_prompt).encode())
    return digest.hexdigest()


def _told_of(config: Any) -> str:
    """A part's config without where it was read, by which version, and in which number format."""
    values = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    foreign = ("_", "transformers_version", "dtype", "torch_dtype")
    return repr(sorted((k, repr(v)) for k, v in values.items() if not k.startswith(foreign)))


def view_memory(widths: tuple[int, ...], itemsize: int) -> float:
    """Peak bytes per latent cell of one evaluation: live tensors of an SDXL-shaped UNet, counted."""
    return 15.8 * widths[0] * itemsize


def decode_memory(widths: tuple[int, ...], itemsize: int) -> float:
    """Peak bytes per px of one decoded tile: at full size, four maps of the first width and one wider."""
    return (4 * widths[0] + widths[1]) * itemsize
