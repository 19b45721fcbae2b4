"""What a run follows: its ControlNets, their maps at every stage, and what each view sees of them."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.control.maps import DetectFunction, StageMaps
from engine.formulas.schedule import Step
from engine.planning.stage import Stage
from engine.planning.views import View
from engine.recipe.controls import Control


class Guide(NamedTuple):
    """A ControlNet at one step: maps (views, 3, rows, cols) from 0 to 1, and how strongly it is felt.

    mode: which kind of map a union of ControlNets is given.
    """

    net: Any
    maps: Tensor
    strength: float
    mode: int | None = None


@dataclass(frozen=True, eq=False)
class Followed:
    """A control with all that it needs: its ControlNet, and its picture, upright."""

    control: Control
    net: Any
    mode: int | None
    picture: Image.Image


class Steering:
    """What one run follows; nothing, if nothing is to be followed."""

    def __init__(self, followed: tuple[Followed, ...] = (), detect: DetectFunction | None = None) -> None:
        self.followed, self.detect = followed, detect
        # Of the present stage alone: large maps take room.
        self._at = lru_cache(maxsize=1)(self._maps)

    def guides(
        self, stage: Stage, step: Step, views: tuple[View, ...], cells: tuple[int, int], device: torch.device
    ) -> tuple[Guide, ...]:
        """What these views, of so many cells, follow at this step."""
        felt = [k for k, one in enumerate(self.followed) if _is_felt(one.control, stage, step)]
        if not felt:
            return ()
        of = self._at(stage)
        return tuple(
            Guide(
                self.followed[k].net,
                _tensor([of[k].seen(view.place, cells) for view in views], device),
                self.followed[k].control.strength(stage.number),
                self.followed[k].mode,
            )
            for k in felt
        )

    def _maps(self, stage: Stage) -> dict[int, StageMaps]:
        return {
            k: StageMaps(one.control, one.picture, stage, self.detect)
            for k, one in enumerate(self.followed)
            if one.control.strength(stage.number)
        }


def _is_felt(control: Control, stage: Stage, step: Step) -> bool:
    steps = len(stage.schedule.t)
    return control.strength(stage.number) > 0 and control.acts(step.index, steps)


def _tensor(pictures: list[np.ndarray], device: torch.device) -> Tensor:
    stacked = torch.from_numpy(np.ascontiguousarray(np.stack(pictures))).to(device)
    return stacked.permute(0, 3, 1, 2).float() / 255


def residuals(
    guides: tuple[Guide, ...], latents: Tensor, t: float, embeds: Tensor, given: dict[str, Tensor] | None
) -> dict[str, Any]:
    """What the ControlNets add inside the network for these latents, summed; for each text the same maps."""
    downs: list[Tensor] = []
    mids: list[Tensor] = []
    for guide in guides:
        down, mid = guide.net(
            latents, t, embeds, added_cond_kwargs=given, return_dict=False, **_shown(guide, latents)
        )
        downs = [a + b for a, b in zip(downs, down, strict=True)] if downs else list(down)
        mids = [mids[0] + mid] if mids else [mid]
    if not guides:
        return {}
    return {"down_block_additional_residuals": tuple(downs), "mid_block_additional_residual": mids[0]}


def _shown(guide: Guide, latents: Tensor) -> dict[str, Any]:
    """The maps as its ControlNet takes them."""
    copies = len(latents) // len(guide.maps)
    seen = guide.maps.to(latents.dtype).repeat(copies, 1, 1, 1)
    if guide.mode is None:
        return {"controlnet_cond": seen, "conditioning_scale": guide.strength}
    kinds = torch.zeros(len(latents), guide.net.config.num_control_type, device=latents.device)
    kinds[:, guide.mode] = 1
    return {
        "controlnet_cond": [seen],
        "control_type": kinds.to(latents.dtype),
        "control_type_idx": [guide.mode],
        "conditioning_scale": [guide.strength],
    }
