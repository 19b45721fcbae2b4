"""The controls of one run: their ControlNets, their maps at every stage, and the part of a map that a view sees."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.control.maps import DetectFunction, StageMaps
from engine.formulas.schedule import Step
from engine.network.controlnet import ControlInput
from engine.planning.stage import Stage
from engine.planning.views import View
from engine.recipe.controls import Control


@dataclass(frozen=True, eq=False)
class LoadedControl:
    """A control with its ControlNet and its image loaded."""

    control: Control
    # The loaded ControlNet.
    net: Any
    # The index of the control's kind in a union of ControlNets; None for a plain ControlNet.
    mode: int | None
    # The control image, upright.
    image: Image.Image


class Conditioning:
    """All controls of one run; there may be none."""

    def __init__(
        self, controls: tuple[LoadedControl, ...] = (), detect: DetectFunction | None = None
    ) -> None:
        self.controls, self.detect = controls, detect
        # The maps of the present stage alone are kept: large ones take much memory.
        self._stage_maps = lru_cache(maxsize=1)(self._make_maps)

    def inputs(
        self, stage: Stage, step: Step, views: tuple[View, ...], cells: tuple[int, int], device: torch.device
    ) -> tuple[ControlInput, ...]:
        """Return the ControlNets that act at this step, with the part of their maps that each view sees.

        cells: the size of a view in latent cells.
        """
        active = [k for k, each in enumerate(self.controls) if _is_active(each.control, stage, step)]
        if not active:
            return ()
        maps, inputs = self._stage_maps(stage), []
        for k in active:
            seen = _to_tensor([maps[k].view_map(view.place, cells) for view in views], device)
            loaded = self.controls[k]
            inputs.append(ControlInput(loaded.net, seen, loaded.control.strength(stage.number), loaded.mode))
        return tuple(inputs)

    def _make_maps(self, stage: Stage) -> dict[int, StageMaps]:
        return {
            k: StageMaps(each.control, each.image, stage, self.detect)
            for k, each in enumerate(self.controls)
            if each.control.strength(stage.number)
        }


def _is_active(control: Control, stage: Stage, step: Step) -> bool:
    return control.strength(stage.number) > 0 and control.is_active(step.index, len(stage.schedule.t))


def _to_tensor(pictures: list[np.ndarray], device: torch.device) -> Tensor:
    """Return pictures of 8 bits (rows, cols, 3) as one tensor (N, 3, rows, cols) from 0 to 1."""
    stacked = torch.from_numpy(np.ascontiguousarray(np.stack(pictures))).to(device)
    return stacked.permute(0, 3, 1, 2).float() / 255
