"""The parts of a diffusers pipeline that the engine uses, as types. diffusers gives its pipelines no common type."""

from typing import Any, Protocol, Self

import torch


class Pipeline(Protocol):
    """A loaded pipeline of the classes StableDiffusionPipeline or StableDiffusionXLPipeline."""

    # The network that denoises.
    unet: Any
    # The network between pictures and latents.
    vae: Any
    # The scheduler that the model came with.
    scheduler: Any
    # The side of a latent cell in px.
    vae_scale_factor: int

    @property
    def config(self) -> Any:
        """The content of model_index.json."""
        ...

    @property
    def components(self) -> dict[str, Any]:
        """The networks, tokenizers and the scheduler by name, such as "unet"."""
        ...

    def to(self, device: torch.device) -> Self:
        """Move all networks to a device."""
        ...

    def enable_model_cpu_offload(self, *, device: torch.device) -> None:
        """Keep each network on the device only while it is used."""
        ...

    def load_lora_weights(self, folder: str, *, weight_name: str, adapter_name: str) -> None:
        """Load a LoRA as an adapter."""
        ...

    def get_list_adapters(self) -> dict[str, list[str]]:
        """Return the names of the loaded adapters by the name of their network."""
        ...

    def set_adapters(self, names: list[str], weights: list[float]) -> None:
        """Activate adapters."""
        ...

    def fuse_lora(self) -> None:
        """Merge the active adapters into the weights."""
        ...

    def unload_lora_weights(self) -> None:
        """Remove all adapters."""
        ...
