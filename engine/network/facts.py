"""Read the facts about a model: what planning needs, a hash of all that determines its images, and its memory."""

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
    gigaflops_for,
    level_costs_for,
)
from engine.hardware import MemoryNeed, Placement
from engine.network.pipeline import Pipeline

# Native sides in latent cells. A model with another native side is refused.
PLAUSIBLE_NATIVE_SIDES = range(4, 1025)
# The components of a pipeline that are networks.
NETWORK_NAMES = ("unet", "vae", "text_encoder", "text_encoder_2")
# The largest number of activations in memory at once in one evaluation, per latent cell and channel of the first
# level, by family (counted). SD needs more than SDXL, which has no attention at full resolution.
ACTIVATIONS_PER_CELL = {"sdxl": 15.8, "sd": 26.2}


def read_facts(pipeline: Pipeline, source: str, family: str, placement: Placement) -> Facts:
    """Return the facts about a loaded pipeline; raise ValueError if the model is not supported."""
    unet, vae = pipeline.unet, pipeline.vae
    window, cell = unet.config.sample_size, pipeline.vae_scale_factor
    if window not in PLAUSIBLE_NATIVE_SIDES:
        raise ValueError(f"its native side is {window} cells")
    if unet.config.in_channels != vae.config.latent_channels:
        raise ValueError(f"its network takes {unet.config.in_channels} channels, like an inpainting model")
    architecture = architecture_for(family, unet.config.cross_attention_dim)
    return Facts(
        name=Path(source).stem if Path(source).is_file() else Path(source).name,
        family=family,
        window=window,
        cell=cell,
        channels=unet.config.in_channels,
        scheduler=dict(pipeline.scheduler.config),
        defaults=defaults_for(source, family),
        buckets=family_buckets(family, window * cell),
        view_batch=placement.view_batch,
        footprint=measure_footprint(pipeline, family, placement),
        hash=hash_pipeline(pipeline),
        latent_space=f"{vae.config.latent_channels} channels of {cell} px at {vae.config.scaling_factor:g}",
        device=hardware.device_name(placement.device),
        dtype=str(unet.dtype).removeprefix("torch."),
        device_type=placement.device.type,
        threads=torch.get_num_threads(),
        offload=placement.offload,
        architecture=architecture,
        level_costs=level_costs_for(source, architecture),
        gigaflops=gigaflops_for(source, architecture),
    )


def get_networks(pipeline: Pipeline) -> dict[str, torch.nn.Module]:
    """Return the networks of a pipeline by component name, such as "unet"."""
    networks = {name: getattr(pipeline, name, None) for name in NETWORK_NAMES}
    return {name: network for name, network in networks.items() if network is not None}


def measure_footprint(pipeline: Pipeline, family: str, placement: Placement) -> Footprint:
    """Return the memory that a loaded pipeline takes on its device.

    With CPU offload only one network is on the device at a time, so only the largest one counts.
    """
    unet, vae = pipeline.unet, pipeline.vae
    sizes = [
        sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
        for network in get_networks(pipeline).values()
    ]
    return Footprint(
        weights=max(sizes) if placement.offload else sum(sizes),
        per_cell=evaluation_bytes_per_cell(family, unet.config.block_out_channels, unet.dtype.itemsize),
        per_px=decoding_bytes_per_px(vae.config.block_out_channels, vae.dtype.itemsize),
    )


def estimate_need(path: Path, configs: Path, family: str) -> MemoryNeed:
    """Return the memory that a model will need, without loading its weights.

    path: the model's folder or file.
    configs: the folder of the model's configs.
    """
    parameters = weights.count_parameters(path)
    try:
        unet = weights.read_config(configs, "unet")
        vae = weights.read_config(configs, "vae")
        window = int(unet["sample_size"])
        channels = tuple(vae["block_out_channels"])
    except (OSError, ValueError, KeyError, TypeError):  # Loading the model reports the fault.
        return MemoryNeed(parameters)
    # One byte per value yields numbers of values. Guidance doubles those of a view.
    view_values = 2 * window**2 * evaluation_bytes_per_cell(family, tuple(unet["block_out_channels"]), 1)
    tile_side = window * 2 ** (len(channels) - 1)
    tile_values = tile_side**2 * decoding_bytes_per_px(channels, 1)
    return MemoryNeed(parameters, int(view_values), int(tile_values))


def evaluation_bytes_per_cell(family: str, channels: tuple[int, ...], itemsize: int) -> float:
    """Return the peak memory of one evaluation, in bytes per latent cell.

    channels: the number of channels at each level of the network.
    itemsize: bytes of an activation.
    """
    return ACTIVATIONS_PER_CELL[family] * channels[0] * itemsize


def decoding_bytes_per_px(channels: tuple[int, ...], itemsize: int) -> float:
    """Return the peak memory of decoding one tile, in bytes per px.

    The peak is at full resolution, with four feature maps of the first level's channels and one of the second level's.

    channels: the number of channels at each level of the VAE.
    itemsize: bytes of an activation.
    """
    return (4 * channels[0] + channels[1]) * itemsize


def hash_pipeline(pipeline: Pipeline) -> str:
    """Return a hash (hex) of all that determines a pipeline's images: weights, configs and vocabularies."""
    digest = sha256()
    for name, part in sorted(pipeline.components.items()):
        digest.update(name.encode())
        if isinstance(part, torch.nn.Module):
            digest.update(_canonical_config(part.config).encode())
            for weight, value in part.state_dict().items():
                digest.update(f"{weight} {tuple(value.shape)} {value.dtype}".encode())
                digest.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy())
        elif hasattr(part, "get_vocab"):
            digest.update(repr((sorted(part.get_vocab().items()), part.model_max_length)).encode())
    digest.update(str(pipeline.config.get("force_zeros_for_empty_prompt", False)).encode())
    return digest.hexdigest()


def _canonical_config(config: Any) -> str:
    """Return a component's config as text, without its path, library version and number format."""
    values: Mapping[str, Any] = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    ignored = ("_", "transformers_version", "dtype", "torch_dtype")
    return repr(sorted((k, repr(v)) for k, v in values.items() if not k.startswith(ignored)))
