"""A pool of lessons: rendered by all cores, encoded once, and drawn again and again by a training course."""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lab.world.lessons import BUCKETS, Lesson, make_lesson

# Share of lessons of the square bucket, the only one with windows and close-ups.
SQUARE_SHARE = 0.7
# Lessons of one bucket that are rendered together, so that they can be encoded as one batch.
GROUP_SIZE = 16
# Share of lessons that show one of the focused classes, where a course has any.
FOCUS_SHARE = 0.5


def worker_count() -> int:
    """Return how many processes render: one a core on small machines, all but two cores on large ones."""
    cores = len(os.sched_getaffinity(0))
    return cores if cores <= 4 else cores - 2


@dataclass(frozen=True)
class Batch:
    """Encoded lessons of one bucket."""

    # (N, channels, rows, cols).
    latents: Tensor
    # (N, tokens).
    tokens: Tensor
    # SDXL's size ids (N, 6).
    ids: Tensor
    # What else a course has computed from the pictures, each (N, ...).
    extras: tuple[Tensor, ...] = ()


def _no_extras(pictures: Tensor) -> tuple[Tensor, ...]:
    """Compute nothing from the pictures, for courses without extras."""
    return ()


class LessonGroups(Dataset[list[Lesson]]):
    """Groups of lessons of one bucket, by number: the same number gives the same group in any process.

    focus: if not empty, FOCUS_SHARE of the lessons show at least one of these subjects, grounds and skies.
    """

    def __init__(
        self,
        groups: int,
        seed: int,
        subjects: tuple[str, ...],
        squares: float,
        focus: tuple[str, ...] = (),
    ) -> None:
        self.groups, self.seed, self.subjects, self.squares = groups, seed, subjects, squares
        self.focus = focus

    def __len__(self) -> int:
        return self.groups

    def __getitem__(self, number: int) -> list[Lesson]:
        if not 0 <= number < self.groups:
            raise IndexError(number)
        draw = np.random.RandomState((self.seed * 7919 + number) % 2**32)
        is_square = draw.rand() < self.squares
        bucket = BUCKETS[0] if is_square else BUCKETS[1 + draw.randint(len(BUCKETS) - 1)]
        seeds = [int(draw.randint(1 << 30)) for _ in range(GROUP_SIZE)]
        focused = round(FOCUS_SHARE * GROUP_SIZE) if self.focus else 0
        return [
            make_lesson(seed, bucket, classes=self.focus if k < focused else self.subjects)
            for k, seed in enumerate(seeds)
        ]


def _collate(groups: list[list[Lesson]]) -> tuple[Tensor, list[str], Tensor]:
    """Return the pictures of a single group as bytes (N, rows, cols, 3), its prompts, and its size ids."""
    (group,) = groups
    pictures = torch.from_numpy(np.stack([lesson.picture for lesson in group]))
    return pictures, [lesson.prompt for lesson in group], torch.tensor([lesson.ids for lesson in group])


class LessonPool:
    """Encoded lessons on the training device; a thread adds to them until there are enough."""

    def __init__(
        self,
        encode: Callable[[Tensor], Tensor],
        tokenize: Callable[[list[str]], Tensor],
        *,
        lessons: int,
        seed: int = 0,
        subjects: tuple[str, ...] = (),
        squares: float = SQUARE_SHARE,
        focus: tuple[str, ...] = (),
        extras: Callable[[Tensor], tuple[Tensor, ...]] = _no_extras,
        device: torch.device | str = "cpu",
    ) -> None:
        """Start to fill the pool.

        encode: makes latents of pictures in bytes (N, rows, cols, 3).
        tokenize: makes tokens of prompts.
        lessons: how many lessons the pool shall hold.
        subjects: if not empty, only lessons of these subjects.
        squares: share of lessons of the square bucket.
        focus: classes that many of the lessons show.
        extras: computes from the pictures what else a batch shall hold.
        """
        self.encode, self.tokenize, self.extras = encode, tokenize, extras
        self.device = torch.device(device)
        self.groups: list[list[Batch]] = [[] for _ in BUCKETS]
        groups = LessonGroups(-(-lessons // GROUP_SIZE), seed, subjects, squares, focus)
        self.loader = DataLoader(groups, 1, num_workers=worker_count(), collate_fn=_collate)
        self.error: BaseException | None = None
        self.is_closed = False
        self.changed = threading.Condition()
        self.filler = threading.Thread(target=self._fill, daemon=True)
        self.filler.start()

    def __len__(self) -> int:
        return GROUP_SIZE * sum(map(len, self.groups))

    def _fill(self) -> None:
        """Encode rendered groups and add them, until all are there or the pool is closed."""
        bucket_of = {tuple(side // 8 for side in bucket): k for k, bucket in enumerate(BUCKETS)}
        try:
            for pictures, prompts, ids in self.loader:
                if self.is_closed:
                    return
                latents = self.encode(pictures.to(self.device))
                extras = tuple(extra.to(self.device) for extra in self.extras(pictures))
                batch = Batch(latents, self.tokenize(prompts).to(self.device), ids.to(self.device), extras)
                with self.changed:
                    self.groups[bucket_of[tuple(side // 8 for side in pictures.shape[1:3])]].append(batch)
                    self.changed.notify_all()
        except BaseException as error:
            with self.changed:
                self.error = error
                self.changed.notify_all()

    def wait(self, lessons: int) -> None:
        """Wait until the pool holds this many lessons; raise the error that stopped the filling, if any."""
        with self.changed:
            self.changed.wait_for(lambda: self.error or len(self) >= lessons)
            if self.error:
                raise self.error

    def batches(self, size: int, seed: int) -> Iterator[Batch]:
        """Yield random batches without end, each of one bucket and of whole groups.

        A bucket is drawn as often as its share of the lessons.
        """
        draw = np.random.RandomState(seed)
        while True:
            self.wait(1)
            weights = np.array([len(groups) for groups in self.groups], float)
            groups = self.groups[draw.choice(len(BUCKETS), p=weights / weights.sum())]
            drawn = [groups[draw.randint(len(groups))] for _ in range(size // GROUP_SIZE)]
            yield Batch(
                torch.cat([group.latents for group in drawn]),
                torch.cat([group.tokens for group in drawn]),
                torch.cat([group.ids for group in drawn]),
                tuple(map(torch.cat, zip(*(group.extras for group in drawn), strict=True))),
            )

    def close(self) -> None:
        """Stop filling the pool."""
        self.is_closed = True
