"""The only caller of the network. It gathers views into batches, counts evaluations, stops on request, and continues
with smaller batches when memory runs out.
"""

from collections.abc import Generator
from typing import Protocol

import torch
from torch import Tensor

from engine import hardware
from engine.control.conditioning import Conditioning
from engine.errors import StopRequested
from engine.formulas.schedule import Step
from engine.network.controlnet import ControlInput
from engine.network.text import Text
from engine.planning.patches import NO_PATCHES, Patch, StepPatches
from engine.planning.stage import Stage
from engine.planning.views import View
from engine.sampling.signals import NetworkCalled


class Stop(Protocol):
    """The caller's signal to stop, such as threading.Event."""

    def is_set(self) -> bool:
        """Return whether the run is to stop."""
        ...


class Network(Protocol):
    """The part of a model that the loop uses; implemented by engine.network.model.Model."""

    @property
    def device(self) -> torch.device:
        """The device on which the network computes."""
        ...

    def predict(
        self,
        latents: Tensor,
        t: float,
        text: Text,
        size_ids: Tensor,
        controls: tuple[ControlInput, ...] = (),
        patches: tuple[Patch, ...] = (),
    ) -> Tensor:
        """Return predictions for latents (N, C, h, w): all views with the first prompt, then with the second prompt."""
        ...


class Denoiser:
    """Calls the network for one run.

    text: the embeddings of the prompts.
    guidance_passes: the number of prompts: 2 (negative and positive) or 1 (positive).
    view_batch: the number of views in one call.
    stop: checked before every call. None to never stop.
    conditioning: the run's controls; None without any.
    pads_batches: whether a last batch of several views is filled up, so that a compiled network sees one size of batch.
    """

    def __init__(
        self,
        network: Network,
        text: Text,
        guidance_passes: int,
        view_batch: int,
        stop: Stop | None = None,
        conditioning: Conditioning | None = None,
        *,
        pads_batches: bool = False,
    ) -> None:
        self.network, self.text, self.guidance_passes = network, text, guidance_passes
        self.view_batch, self.stop = view_batch, stop
        self.conditioning = conditioning or Conditioning()
        self.pads_batches = pads_batches
        self.calls = self.evaluations = 0

    @property
    def device(self) -> torch.device:
        return self.network.device

    def evaluate(
        self,
        source: Tensor,
        views: tuple[View, ...],
        stage: Stage,
        step: Step,
        patches: StepPatches = NO_PATCHES,
    ) -> Generator[NetworkCalled, None, tuple[tuple[View, ...], Tensor]]:
        """Evaluate the first `view_batch` views of the source (1, C, H, W).

        Return these views and their float32 predictions (views, passes, C, h, w). With mild patches there is one
        more unconditional prediction. When memory runs out, the batch is halved for the rest of the run.
        """
        while True:
            batch = views[: self.view_batch]
            before = self.calls, self.evaluations
            try:
                predictions = yield from self._call(source, batch, stage, step, patches)
                return batch, predictions.float().unflatten(0, (-1, len(batch))).transpose(0, 1)
            except (MemoryError, RuntimeError) as fault:
                if len(batch) == 1 or not hardware.is_out_of_memory(fault):
                    raise
            # Outside of the except block, so that the exception no longer holds what filled the memory.
            self.calls, self.evaluations = before
            hardware.release_memory(self.device)
            self.view_batch = (len(batch) + 1) // 2

    def _call(
        self, source: Tensor, batch: tuple[View, ...], stage: Stage, step: Step, patches: StepPatches
    ) -> Generator[NetworkCalled, None, Tensor]:
        """Call the network for one batch, and once more without the prompt if there are mild patches.

        Return the predictions (passes * views, C, h, w).
        """
        latents = torch.cat([source[..., view.rows, view.cols] for view in batch])
        size_ids = torch.tensor([view.size_ids for view in batch], device=source.device)
        rows, cols = latents.shape[-2:]
        controls = self.conditioning.inputs(stage, step, batch, (rows, cols), source.device)
        passes = [(self.text, self.guidance_passes, patches.strong)]
        if patches.mild is not None:
            passes.append((self.text.first, 1, patches.mild))
        predictions = []
        for text, count, applied in passes:
            if self.stop is not None and self.stop.is_set():
                raise StopRequested
            padding = 0 if controls or applied else self._padding(len(batch))
            padded, ids = _repeat_last(latents, padding), _repeat_last(size_ids, padding)
            inputs = padded.repeat(count, 1, 1, 1), step.t, text, ids.repeat(count, 1)
            predicted = self.network.predict(*inputs, controls, applied)
            predictions.append(_drop_padding(predicted, count, len(batch)) if padding else predicted)
            self.calls += 1
            self.evaluations += count * len(batch)
            yield NetworkCalled()
        return torch.cat(predictions)

    def _padding(self, views: int) -> int:
        """Return how many views a batch of so many lacks; a single view stays alone."""
        return self.view_batch - views if self.pads_batches and views > 1 else 0


def _repeat_last(rows: Tensor, count: int) -> Tensor:
    """Return a tensor with its last row repeated so many times more."""
    return torch.cat([rows, rows[-1:].expand(count, *rows.shape[1:])]) if count else rows


def _drop_padding(predicted: Tensor, passes: int, views: int) -> Tensor:
    """Return the predictions (passes * views, C, h, w) of the first views of each pass."""
    return predicted.unflatten(0, (passes, -1))[:, :views].flatten(0, 1)
