"""Redraws cases with the base, so that the judge learns from pictures in the base's own style.

A true picture is noised to some middle training time and denoised by the base; what it shows is known.
Trained on true pictures alone, the judge takes a second mast in the base's pictures for a second subject.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lab.judge.cases import Case, make_case
from lab.training.base import BaseCourse, guided_noise
from lab.training.course import has_bfloat16
from lab.world.lessons import NATIVE_SIDE, training_scene
from lab.world.paint import Array
from lab.world.scenes import phrases

# Side of a window in latent cells.
WINDOW = NATIVE_SIDE // 8
GUIDANCE, STEPS = 5.0, 5
# Height of the smallest figure, as a share of the picture's side: smaller ones may vanish in the noise.
MIN_FIGURE = 0.22
# Share of each kind of case. There are none with a small second subject: it could vanish, and its label would
# then be wrong.
KIND_SHARES = {"single": 0.6, "none": 0.1, "crowd": 0.3}
# Range of the training time that a picture is noised to, by how many times it is enlarged before.
MIN_START, MAX_START = {1: 250, 2: 350, 4: 350}, {1: 550, 2: 700, 4: 700}
# Crowds use only this lower share of that range, because their small figures must survive the noise.
CROWD_RANGE_SHARE = 0.4
# Share of prompts that are not empty.
PROMPT_SHARE = 0.8


@dataclass(frozen=True, eq=False)
class RedrawGroup:
    """Cases that are redrawn together."""

    cases: list[Case]
    # A prompt for each case; some are empty.
    prompts: list[str]
    # How many times they are enlarged before: 1, 2 or 4.
    scale: int
    # The training time that they are noised to.
    start: int


def make_group(seed: int, scale: int, size: int) -> RedrawGroup:
    """Return a group of `size` cases of one kind whose figures are large enough to survive."""
    draw = np.random.RandomState(seed)
    kind = str(draw.choice(list(KIND_SHARES), p=list(KIND_SHARES.values())))
    cases, prompts = [], []
    while len(cases) < size:
        number = int(draw.randint(1 << 30))
        case = make_case(number, kind)
        if case.smallest < MIN_FIGURE:
            continue
        cases.append(case)
        options = phrases(training_scene(number))
        prompts.append(options[draw.randint(len(options))] if draw.rand() < PROMPT_SHARE else "")
    share = 1.0 if kind in ("single", "none") else CROWD_RANGE_SHARE
    start = MIN_START[scale] + share * draw.rand() * (MAX_START[scale] - MIN_START[scale])
    return RedrawGroup(cases, prompts, scale, round(start))


class Redrawer:
    """Redraws cases with the base of a pipeline folder."""

    def __init__(self, source: Path, device: torch.device) -> None:
        self.base = BaseCourse(source, device)
        self.dtype = torch.bfloat16 if has_bfloat16(device) else torch.float32
        self.base.learner.to(self.dtype).eval().requires_grad_(False)

    @torch.inference_mode()
    def redraw(self, group: RedrawGroup, draw: np.random.RandomState) -> list[Array]:
        """Return the pictures of a group, redrawn.

        Their latents are enlarged, as a stage's are, noised, denoised by DDIM with windows as MultiDiffusion
        does, and decoded; the pictures are then shrunk to native size.
        """
        base, scale = self.base, group.scale
        z = base.encode(torch.tensor(np.stack([one.picture for one in group.cases]), device=base.device))
        if scale > 1:
            z = interpolate(z, scale_factor=scale, mode="bicubic")
        times = [round(group.start * (1 - k / STEPS)) for k in range(STEPS)]
        z = base.alpha[times[0]] * z + base.sigma[times[0]] * torch.randn_like(z)
        tokens = base.tokenize(group.prompts).to(base.device)
        for t, after in zip(times, [*times[1:], None], strict=True):
            eps = self.predict_noise(z, t, tokens, draw)
            x0 = (z - base.sigma[t] * eps) / base.alpha[t]
            z = x0 if after is None else base.alpha[after] * x0 + base.sigma[after] * eps
        made = base.decode(z)
        return [cv2.resize(one, (NATIVE_SIDE, NATIVE_SIDE), interpolation=cv2.INTER_AREA) for one in made]

    def predict_noise(self, z: Tensor, t: int, tokens: Tensor, draw: np.random.RandomState) -> Tensor:
        """Predict the noise of the whole latent: the mean of windows, which lie elsewhere in every step."""
        total, count = torch.zeros_like(z), torch.zeros_like(z[:1, :1])
        for row in window_starts(z.shape[-2], draw):
            for col in window_starts(z.shape[-1], draw):
                window = (..., slice(row, row + WINDOW), slice(col, col + WINDOW))
                total[window] += self.guided_noise(z[window], t, tokens, (8 * row, 8 * col), 8 * z.shape[-1])
                count[window] += 1
        return total / count

    def guided_noise(self, z: Tensor, t: int, tokens: Tensor, corner: tuple[int, int], side: int) -> Tensor:
        """Predict the noise in one window with guidance; corner and side (of the picture) in px."""
        ids = torch.tensor([[side, side, *corner, NATIVE_SIDE, NATIVE_SIDE]], device=z.device)
        t_batch = torch.full((len(z),), t, device=z.device)
        return guided_noise(
            self.base.learner, z.to(self.dtype), t_batch, tokens, ids.expand(len(z), -1), GUIDANCE
        )


def window_starts(side: int, draw: np.random.RandomState) -> list[int]:
    """Return the first cells of windows that together cover a side, beginning at a random offset."""
    if side == WINDOW:
        return [0]
    first = draw.randint(WINDOW)
    return sorted({min(max(0, k), side - WINDOW) for k in range(first - WINDOW, side, WINDOW)})
