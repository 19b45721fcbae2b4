"""Compile the network with torch.compile, if the environment variable STUDIO_COMPILE asks for it."""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from engine.hardware import Placement

# Names the backend of torch.compile, such as "inductor" or "cudagraphs"; empty: the network is not compiled.
VARIABLE = "STUDIO_COMPILE"
# Set on Hugging Face's ZeroGPU. There each call runs in a new process, which would have to compile again.
ZERO_GPU_VARIABLE = "SPACES_ZERO_GPU"

# Predicts from latents, time, embeddings and added conditions, as a network of diffusers does.
CompiledNetwork = Callable[..., Tensor]


def compile_network(network: nn.Module, placement: Placement) -> CompiledNetwork | None:
    """Return a compiled function of a network; None if it is not to be compiled.

    Each size of a batch is compiled anew. If the backend fails, the network computes as without it.
    """
    backend = os.environ.get(VARIABLE, "")
    if not backend or placement.offload or os.environ.get(ZERO_GPU_VARIABLE):
        return None
    torch._dynamo.config.suppress_errors = True
    function = torch.compile(_predict, backend=backend, dynamic=False)
    return lambda *inputs: function(network, *inputs)


def _predict(
    network: Any, latents: Tensor, t: Tensor, embeds: Tensor, added_cond: dict[str, Tensor] | None
) -> Tensor:
    """Return the predictions of a network of diffusers."""
    return network(latents, t, embeds, added_cond_kwargs=added_cond).sample
