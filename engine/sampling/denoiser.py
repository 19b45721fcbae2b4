"""The only caller of the network: gathers views into batches, counts, looks for Stop before each call, and
retreats to fewer views at once where memory runs out."""

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from engine import hardware
from engine.control.conditioning import Guide, Steering
from engine.errors import StopAsked
from engine.formulas.schedule import Step
from engine.planning.patches import STRAIGHT, Bend, Bends
from engine.planning.stage import Stage
from engine.planning.views import View


class Network(Protocol):
    """What the loop knows of a model: predictions for latents (N, C, h, w) at t, first under one text, then
    the same under the next. guides: what the views follow, none or all of them. bends: how it is bent.
    """

    device: torch.device

    def predict(
        self,
        latents: Tensor,
        t: float,
        text: Any,
        ids: Tensor,
        guides: tuple[Guide, ...] = (),
        bends: tuple[Bend, ...] = (),
    ) -> Tensor: ...


class Denoiser:
    """One run's door to the network. `text` has one row, or two: what to avoid, and what to show."""

    def __init__(
        self,
        network: Network,
        text: Any,
        copies: int,
        view_batch: int,
        stop: Any = None,
        steering: Steering | None = None,
    ) -> None:
        self.network, self.text, self.copies = network, text, copies
        self.steering = steering or Steering()
        self.view_batch = view_batch
        self.stop = stop
        self.calls = self.evaluations = self._told = 0

    @property
    def device(self) -> torch.device:
        return self.network.device

    def counted(self) -> int:
        """Evaluations since this was last asked."""
        new, self._told = self.evaluations - self._told, self.evaluations
        return new

    def evaluate(
        self, source: Tensor, views: tuple[View, ...], stage: Stage, step: Step, bends: Bends = STRAIGHT
    ) -> Iterator[tuple[tuple[View, ...], Tensor]]:
        """Batches of views of the source (1, C, H, W), and the float32 answers (views, copies, C, h, w), one
        more than there are texts where a gentler bent network answers too."""
        first = 0
        while first < len(views):
            batch = views[first : first + self.view_batch]
            answer = self._tried(source, batch, stage, step, bends)
            if answer is None:
                continue
            first += len(batch)
            yield batch, answer.float().unflatten(0, (-1, len(batch))).transpose(0, 1)

    def _tried(
        self, source: Tensor, batch: tuple[View, ...], stage: Stage, step: Step, bends: Bends
    ) -> Tensor | None:
        """The answers for a batch; None if memory ran out, and fewer views at once are to be tried."""
        try:
            return self._asked(source, batch, stage, step, bends)
        except (MemoryError, RuntimeError) as fault:
            if len(batch) == 1 or not hardware.is_memory(fault):
                raise
        # Only now is the fault, which holds on to what filled the memory, let go.
        hardware.give_back(self.device)
        self.view_batch = (len(batch) + 1) // 2
        return None

    def _asked(
        self, source: Tensor, batch: tuple[View, ...], stage: Stage, step: Step, bends: Bends
    ) -> Tensor:
        cut = torch.cat([source[..., view.rows, view.cols] for view in batch])
        ids = torch.tensor([view.ids for view in batch], device=source.device)
        guides = self.steering.guides(stage, step, batch, cut.shape[-2:], source.device)
        asked = [(self.text, self.copies, bends.strong)]
        if bends.mild is not None:
            asked.append((self.text.first, 1, bends.mild))
        answers = []
        for text, copies, bent in asked:
            if self.stop is not None and self.stop.is_set():
                raise StopAsked
            told = ids.repeat(copies, 1)
            shown = cut.repeat(copies, 1, 1, 1)
            answers.append(self.network.predict(shown, step.t, text, told, guides, bent))
        self.calls += len(asked)
        self.evaluations += len(cut) * sum(copies for _, copies, _ in asked)
        return torch.cat(answers)
