"""Lessons at hand: rendered by all cores, encoded once, drawn again and again with fresh noise."""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lab.world.lessons import BUCKETS, Lesson, lesson

SQUARE = 0.7
"""Share of the square bucket: only it has windows and close-ups."""
GROUP = 16
"""Lessons of one bucket that are rendered together, so that they can be encoded as one batch."""


def workers() -> int:
    """Processes that render: all cores of a small machine, which learns later; most of a large one's."""
    cores = len(os.sched_getaffinity(0))
    return cores if cores <= 4 else cores - 2


@dataclass(frozen=True)
class Batch:
    """latents (N, C, rows, cols) of one bucket, tokens (N, length), size ids (N, 6), and what else was kept
    of the pictures.
    """

    latents: Tensor
    tokens: Tensor
    ids: Tensor
    kept: tuple[Tensor, ...] = ()


def _nothing(pictures: Tensor) -> tuple[Tensor, ...]:
    return ()


class Renderings(Dataset[list[Lesson]]):
    """Groups of lessons by number: the same number is the same group, wherever it is rendered."""

    def __init__(self, groups: int, seed: int, subjects: tuple[str, ...], squares: float) -> None:
        self.groups, self.seed, self.subjects, self.squares = groups, seed, subjects, squares

    def __len__(self) -> int:
        return self.groups

    def __getitem__(self, number: int) -> list[Lesson]:
        if not 0 <= number < self.groups:
            raise IndexError(number)
        draw = np.random.RandomState((self.seed * 7919 + number) % 2**32)
        square = draw.rand() < self.squares
        bucket = BUCKETS[0] if square else BUCKETS[1 + draw.randint(len(BUCKETS) - 1)]
        return [lesson(int(draw.randint(1 << 30)), bucket, subjects=self.subjects) for _ in range(GROUP)]


def _together(groups: list[list[Lesson]]) -> tuple[Tensor, list[str], Tensor]:
    """Pictures as bytes (N, rows, cols, 3), prompts, size ids."""
    (group,) = groups
    pictures = torch.from_numpy(np.stack([one.picture for one in group]))
    return pictures, [one.prompt for one in group], torch.tensor([one.ids for one in group])


class Pool:
    """A growing store of encoded lessons on the device that learns from them."""

    def __init__(
        self,
        encode: Callable[[Tensor], Tensor],
        read: Callable[[list[str]], Tensor],
        *,
        lessons: int,
        seed: int = 0,
        subjects: tuple[str, ...] = (),
        squares: float = SQUARE,
        keep: Callable[[Tensor], tuple[Tensor, ...]] = _nothing,
        device: torch.device | str = "cpu",
    ) -> None:
        self.encode, self.read, self.keep, self.device = encode, read, keep, torch.device(device)
        self.groups: list[list[Batch]] = [[] for _ in BUCKETS]
        rendered = Renderings(-(-lessons // GROUP), seed, subjects, squares)
        self.loader = DataLoader(rendered, 1, num_workers=workers(), collate_fn=_together)
        self.fault: BaseException | None = None
        self.ended = False
        self.ready = threading.Condition()
        self.filler = threading.Thread(target=self._fill, daemon=True)
        self.filler.start()

    def __len__(self) -> int:
        return GROUP * sum(map(len, self.groups))

    def _fill(self) -> None:
        shapes = {tuple(side // 8 for side in bucket): k for k, bucket in enumerate(BUCKETS)}
        try:
            for pictures, prompts, ids in self.loader:
                if self.ended:
                    return
                latents = self.encode(pictures.to(self.device))
                kept = tuple(one.to(self.device) for one in self.keep(pictures))
                batch = Batch(latents, self.read(prompts).to(self.device), ids.to(self.device), kept)
                with self.ready:
                    self.groups[shapes[tuple(side // 8 for side in pictures.shape[1:3])]].append(batch)
                    self.ready.notify_all()
        except BaseException as fault:
            with self.ready:
                self.fault = fault
                self.ready.notify_all()

    def wait(self, lessons: int) -> None:
        """Until so many are at hand."""
        with self.ready:
            self.ready.wait_for(lambda: self.fault or len(self) >= lessons)
            if self.fault:
                raise self.fault

    def draws(self, size: int, seed: int) -> Iterator[Batch]:
        """Batches of one bucket each, buckets as often as they have lessons; size in whole groups."""
        draw = np.random.RandomState(seed)
        while True:
            self.wait(1)
            weights = np.array([len(groups) for groups in self.groups], float)
            groups = self.groups[draw.choice(len(BUCKETS), p=weights / weights.sum())]
            drawn = [groups[draw.randint(len(groups))] for _ in range(size // GROUP)]
            yield Batch(
                torch.cat([group.latents for group in drawn]),
                torch.cat([group.tokens for group in drawn]),
                torch.cat([group.ids for group in drawn]),
                tuple(map(torch.cat, zip(*(group.kept for group in drawn), strict=True))),
            )

    def close(self) -> None:
        self.ended = True
