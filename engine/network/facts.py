"""What a loaded pipeline is: its facts, its name, and the memory it takes."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from engine import hardware
from engine.catalogue import weights
from engine.catalogue.entries import (
    Facts,
    Footprint,
    architecture_for,
    defaults_for,
    family_buckets,
    level_costs_for,
)
from engine.hardware import MemoryNeed, Placement

NATIVE_SIDES = range(4, 1025)
NETWORK_NAMES = ("unet", "vae", "text_encoder", "text_encoder_2")
# Peak bytes of one evaluation per latent cell, in numbers of the first width: live tensors, counted. SD has
# attention, and its wide layers, at full resolution; SDXL has none there.
VALUES_PER_CELL = {"sdxl": 15.8, "sd": 26.2}


def read_facts(pipeline: Any, source: str, family: str, place: Placement) -> Facts:
    """All that the plan needs to know; ValueError where it makes no sense."""
    unet, vae = pipeline.unet, pipeline.vae
    window, cell = unet.config.sample_size, pipeline.vae_scale_factor
    if window not in NATIVE_SIDES:
        raise ValueError(f"its native side is {window} cells")
    if unet.config.in_channels != vae.config.latent_channels:
        raise ValueError(f"its network takes {unet.config.in_channels} channels, as for inpainting")
    body = architecture_for(family, unet.config.cross_attention_dim)
    return Facts(
        name=Path(source).stem if Path(source).is_file() else Path(source).name,
        family=family,
        window=window,
        cell=cell,
        channels=unet.config.in_channels,
        scheduler=dict(pipeline.scheduler.config),
        defaults=defaults_for(source, family),
        buckets=family_buckets(family, window * cell),
        view_batch=place.view_batch,
        footprint=measure_footprint(pipeline, family, place),
        hash=hash_pipeline(pipeline),
        latent_space=f"{vae.config.latent_channels} channels of {cell} px at {vae.config.scaling_factor:g}",
        device=hardware.device_name(place.device),
        dtype=str(unet.dtype).removeprefix("torch."),
        offload=place.offload,
        architecture=body,
        level_costs=level_costs_for(source, body),
    )


def get_networks(pipeline: Any) -> dict[str, torch.nn.Module]:
    """The networks of a pipeline by name."""
    found = {name: getattr(pipeline, name, None) for name in NETWORK_NAMES}
    return {name: part for name, part in found.items() if part is not None}


def measure_footprint(pipeline: Any, family: str, place: Placement) -> Footprint:
    """Where parts wait elsewhere, only the largest is on the device."""
    unet, vae = pipeline.unet, pipeline.vae
    sizes = [
        sum(p.numel() * p.element_size() for p in part.parameters())
        for part in get_networks(pipeline).values()
    ]
    return Footprint(
        weights=max(sizes) if place.offload else sum(sizes),
        per_cell=evaluation_bytes_per_cell(family, unet.config.block_out_channels, unet.dtype.itemsize),
        per_px=decoding_bytes_per_px(vae.config.block_out_channels, vae.dtype.itemsize),
    )


def estimate_need(path: Path, configs: Path, family: str) -> MemoryNeed:
    """What a model will take, from its configs and the headers of its weights."""
    parts = weights.count_parameters(path)
    try:
        unet, vae = (weights.read_config(configs, part) for part in ("unet", "vae"))
        window, widths = int(unet["sample_size"]), tuple(vae["block_out_channels"])
    except (OSError, ValueError, KeyError, TypeError):  # Loading it will say what is wrong.
        return MemoryNeed(parts)
    view = 2 * window**2 * evaluation_bytes_per_cell(family, tuple(unet["block_out_channels"]), 1)
    tile = (window << len(widths) - 1) ** 2 * decoding_bytes_per_px(widths, 1)
    return MemoryNeed(parts, int(view), int(tile))


def evaluation_bytes_per_cell(family: str, widths: tuple[int, ...], itemsize: int) -> float:
    """Peak bytes per latent cell of one evaluation."""
    return VALUES_PER_CELL[family] * widths[0] * itemsize


def decoding_bytes_per_px(widths: tuple[int, ...], itemsize: int) -> float:
    """Peak bytes per px of one decoded tile: at full size, four maps of the first width and one wider."""
    return (4 * widths[0] + widths[1]) * itemsize


def hash_pipeline(pipeline: Any) -> str:
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
    digest.update(str(pipeline.config.get("force_zeros_for_empty_prompt", False)).encode())
    return digest.hexdigest()


def _told_of(config: Any) -> str:
    """A part's config without where it was read, by which version, and in which number format."""
    values: Mapping[str, Any] = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    foreign = ("_", "transformers_version", "dtype", "torch_dtype")
    return repr(sorted((k, repr(v)) for k, v in values.items() if not k.startswith(foreign)))
