"""What ControlNets add to the network at one step. Tensors only."""

from typing import Any, NamedTuple

import torch
from torch import Tensor


class ControlInput(NamedTuple):
    """One ControlNet with its input at one step."""

    # The loaded ControlNet.
    net: Any
    # The control map that each view sees: (views, 3, height, width), from 0 to 1.
    maps: Tensor
    # The conditioning scale.
    strength: float
    # The index of the map's kind, for a union of ControlNets.
    mode: int | None = None


def compute_residuals(
    inputs: tuple[ControlInput, ...],
    latents: Tensor,
    t: float,
    embeds: Tensor,
    added_cond: dict[str, Tensor] | None,
) -> dict[str, Any]:
    """Return the sum of what all ControlNets add, as keyword arguments of the UNet."""
    if not inputs:
        return {}
    downs: list[Tensor] = []
    mids: list[Tensor] = []
    for each in inputs:
        down, mid = each.net(
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
    """Return the maps as keyword arguments of the ControlNet, repeated for every guidance pass."""
    passes = len(latents) // len(control.maps)
    maps = control.maps.to(latents.dtype).repeat(passes, 1, 1, 1)
    if control.mode is None:
        return {"controlnet_cond": maps, "conditioning_scale": control.strength}
    kinds = torch.zeros(len(latents), control.net.config.num_control_type, device=latents.device)
    kinds[:, control.mode] = 1
    return {
        "controlnet_cond": [maps],
        "control_type": kinds.to(latents.dtype),
        "control_type_idx": [control.mode],
        "conditioning_scale": [control.strength],
    }
