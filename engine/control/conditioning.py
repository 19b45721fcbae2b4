"""The controls of one run: their ControlNets, their control maps at every stage, and the part for each view."""

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
    controlnet: Any
    # The index of the control's kind in a union ControlNet; None for a plain ControlNet.
    union_index: int | None
    # The control image, turned upright.
    image: Image.Image


class Conditioning:
    """All controls of one run, or no controls."""

    def __init__(
        self, controls: tuple[LoadedControl, ...] = (), detect: DetectFunction | None = None
    ) -> None:
        """Create the conditioning. detect: makes the control maps that need a detector network."""
        self.controls, self.detect = controls, detect
        # Only the control maps of the present stage are kept, because large maps take much memory.
        self._stage_maps = lru_cache(maxsize=1)(self._make_maps)

    def inputs(
        self, stage: Stage, step: Step, views: tuple[View, ...], cells: tuple[int, int], device: torch.device
    ) -> tuple[ControlInput, ...]:
        """Return the ControlNets that are active at this step, with the part of their control maps for each view.

        cells: (height, width) of a view in latent cells.
        """
        active = [k for k, each in enumerate(self.controls) if _is_active(each.control, stage, step)]
        if not active:
            return ()
        maps, inputs = self._stage_maps(stage), []
        for k in active:
            view_maps = _to_tensor([maps[k].view_map(view.position, cells) for view in views], device)
            loaded = self.controls[k]
            inputs.append(
                ControlInput(
                    loaded.controlnet, view_maps, loaded.control.strength(stage.number), loaded.union_index
                )
            )
        return tuple(inputs)

    def _make_maps(self, stage: Stage) -> dict[int, StageMaps]:
        """Return the control maps of a stage, by the index of their control; inactive controls are left out."""
        return {
            k: StageMaps(each.control, each.image, stage, self.detect)
            for k, each in enumerate(self.controls)
            if each.control.strength(stage.number)
        }


def _is_active(control: Control, stage: Stage, step: Step) -> bool:
    """Return whether a control has an effect at a step of a stage."""
    return control.strength(stage.number) > 0 and control.is_active(step.index, len(stage.schedule.t))


def _to_tensor(pictures: list[np.ndarray], device: torch.device) -> Tensor:
    """Return N pictures of 8-bit RGB (rows, cols, 3) as one tensor (N, 3, rows, cols) from 0 to 1."""
    stacked = torch.from_numpy(np.ascontiguousarray(np.stack(pictures))).to(device)
    return stacked.permute(0, 3, 1, 2).float() / 255
