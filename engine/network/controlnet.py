"""Compute the residuals that ControlNets add to the network at one step. Tensors only."""

from typing import Any, NamedTuple

import torch
from torch import Tensor


class ControlInput(NamedTuple):
    """A ControlNet and its input at one step."""

    # The loaded ControlNet.
    controlnet: Any
    # The part of the control map for each view: (views, 3, height, width) in px, from 0 to 1.
    maps: Tensor
    # The factor of the residuals (diffusers' conditioning_scale).
    strength: float
    # The index of the control map's kind in a union ControlNet; None for a plain ControlNet.
    union_index: int | None = None


def compute_residuals(
    inputs: tuple[ControlInput, ...],
    latents: Tensor,
    t: float,
    embeds: Tensor,
    added_cond: dict[str, Tensor] | None,
) -> dict[str, Any]:
    """Return the sum of the residuals of all ControlNets, as keyword arguments of the UNet; empty without inputs.

    latents: the network's input (N, C, h, w).
    t: the timestep.
    embeds: the prompt embeddings (N, tokens, width).
    added_cond: SDXL's added conditions; None for other models.
    """
    if not inputs:
        return {}
    downs: list[Tensor] = []
    mids: list[Tensor] = []
    for each in inputs:
        down, mid = each.controlnet(
            latents,
            t,
            embeds,
            added_cond_kwargs=added_cond,
            return_dict=False,
            **_condition(each, latents),
        )
        downs = [a + b for a, b in zip(downs, down, strict=True)] if downs else list(down)
        mids = [mids[0] + mid] if mids else [mid]
    return {"down_block_additional_residuals": tuple(downs), "mid_block_additional_residual": mids[0]}


def _condition(control: ControlInput, latents: Tensor) -> dict[str, Any]:
    """Return the control maps and their strength as keyword arguments of the ControlNet.

    The maps are repeated for every guidance pass.
    """
    passes = len(latents) // len(control.maps)
    maps = control.maps.to(latents.dtype).repeat(passes, 1, 1, 1)
    if control.union_index is None:
        return {"controlnet_cond": maps, "conditioning_scale": control.strength}
    kinds = torch.zeros(len(latents), control.controlnet.config.num_control_type, device=latents.device)
    kinds[:, control.union_index] = 1
    return {
        "controlnet_cond": [maps],
        "control_type": kinds.to(latents.dtype),
        "control_type_idx": [control.union_index],
        "conditioning_scale": [control.strength],
    }
