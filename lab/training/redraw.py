"""Cases that the base has drawn anew from their middle: what they show is known, and the hand is its own.

The judge is to count in the base's pictures. Taught on true ones alone, it takes a grain or a second mast
for a second subject.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lab.judge.cases import Case, case
from lab.training.base import Base, emptied
from lab.training.train import halves
from lab.world.lessons import NATIVE, taught
from lab.world.paint import Array
from lab.world.scenes import phrases

WINDOW = NATIVE // 8
GUIDANCE, STEPS = 5.0, 5
LEAST = 0.22
"""Of the picture's side: smaller figures may not survive the noise."""
SHARES = {"single": 0.6, "none": 0.1, "crowd": 0.3}
"""Of kinds. A small second one beside a first may not live through it, and would still be told of."""
LOWEST, HIGHEST = {1: 250, 2: 350, 4: 350}, {1: 550, 2: 700, 4: 700}
"""Training times from which a picture is drawn anew, by how many times it was enlarged before."""
CAREFUL = 0.4
"""How much of the way between them is gone where small figures are to live through it."""
TOLD = 0.8
"""Share of prompts that are not empty."""


@dataclass(frozen=True, eq=False)
class Group:
    """Cases that are drawn anew together."""

    cases: list[Case]
    prompts: list[str]
    times: int
    start: int


def group(seed: int, times: int, size: int) -> Group:
    """Cases of one kind whose figures are large enough, and what is said of them."""
    draw = np.random.RandomState(seed)
    kind = str(draw.choice(list(SHARES), p=list(SHARES.values())))
    cases, prompts = [], []
    while len(cases) < size:
        number = int(draw.randint(1 << 30))
        one = case(number, kind)
        if one.least < LEAST:
            continue
        cases.append(one)
        ways = phrases(taught(number))
        prompts.append(ways[draw.randint(len(ways))] if draw.rand() < TOLD else "")
    way = 1.0 if kind in ("single", "none") else CAREFUL
    start = LOWEST[times] + way * draw.rand() * (HIGHEST[times] - LOWEST[times])
    return Group(cases, prompts, times, round(start))


class Hand:
    """A base that draws."""

    def __init__(self, source: Path, device: torch.device) -> None:
        self.base = Base(source, device)
        self.dtype = torch.bfloat16 if halves(device) else torch.float32
        self.base.learner.to(self.dtype).eval().requires_grad_(False)

    @torch.inference_mode()
    def redraw(self, these: Group, draw: np.random.RandomState) -> list[Array]:
        """Enlarged in latents as a stage is, noised, drawn to the end by windows, and shrunk."""
        base, times = self.base, these.times
        z = base.encode(torch.tensor(np.stack([one.picture for one in these.cases]), device=base.device))
        if times > 1:
            z = interpolate(z, scale_factor=times, mode="bicubic")
        levels = [round(these.start * (1 - k / STEPS)) for k in range(STEPS)]
        z = base.alpha[levels[0]] * z + base.sigma[levels[0]] * torch.randn_like(z)
        tokens = base.read(these.prompts).to(base.device)
        for t, after in zip(levels, [*levels[1:], None], strict=True):
            eps = self.foresee(z, t, tokens, draw)
            clean = (z - base.sigma[t] * eps) / base.alpha[t]
            z = clean if after is None else base.alpha[after] * clean + base.sigma[after] * eps
        made = base.decode(z)
        return [cv2.resize(one, (NATIVE, NATIVE), interpolation=cv2.INTER_AREA) for one in made]

    def foresee(self, z: Tensor, t: int, tokens: Tensor, draw: np.random.RandomState) -> Tensor:
        """The noise in all windows, those of each step elsewhere; where they overlap their mean."""
        total, count = torch.zeros_like(z), torch.zeros_like(z[:1, :1])
        for row in edges(z.shape[-2], draw):
            for col in edges(z.shape[-1], draw):
                here = (..., slice(row, row + WINDOW), slice(col, col + WINDOW))
                total[here] += self.guided(z[here], t, tokens, (8 * row, 8 * col), 8 * z.shape[-1])
                count[here] += 1
        return total / count

    def guided(self, z: Tensor, t: int, tokens: Tensor, corner: tuple[int, int], side: int) -> Tensor:
        ids = torch.tensor([[side, side, *corner, NATIVE, NATIVE]], device=z.device)
        plain, told = (
            self.base.learner(
                torch.cat([z, z]).to(self.dtype),
                torch.full((2 * len(z),), t, device=z.device),
                torch.cat([emptied(tokens), tokens]),
                ids.expand(2 * len(z), -1),
            )
            .float()
            .chunk(2)
        )
        return plain + GUIDANCE * (told - plain)


def edges(side: int, draw: np.random.RandomState) -> list[int]:
    """First cells of windows that cover a side, from a place of chance."""
    if side == WINDOW:
        return [0]
    first = draw.randint(WINDOW)
    return sorted({min(max(0, k), side - WINDOW) for k in range(first - WINDOW, side, WINDOW)})
