"""Direct inference and MultiDiffusion in the plainest form, apart from the engine: what its rows are held
against, and what the pilot was seen to fail at.
"""

from itertools import product

import numpy as np
import torch
from torch import Tensor

from engine import Model
from engine.formulas.timesteps import timesteps
from lab.training.base import levels

Views = list[tuple[slice, slice]]


def windows(rows: int, cols: int, side: int, stride: int) -> Views:
    """Native windows that cover the canvas."""
    tops, lefts = ([*range(0, axis - side, stride), axis - side] for axis in (rows, cols))
    return [(slice(t, t + side), slice(left, left + side)) for t, left in product(tops, lefts)]


@torch.inference_mode()
def draw(
    model: Model,
    prompt: str,
    cells: tuple[int, int],
    *,
    stride: int | None = None,
    steps: int = 30,
    guidance: float = 5.0,
    seed: int = 0,
    ids: tuple[int, int] | None = None,
) -> Tensor:
    """A latent of this size by DDIM: of the whole canvas at once, or averaged over native windows (stride).

    Size ids as published: original = target = the final size (or `ids`, px), crop 0,0.
    """
    alpha, sigma = (level.to(model.device) for level in levels())
    rows, cols = cells
    views = [(slice(0, rows), slice(0, cols))]
    if stride:
        views = windows(rows, cols, model.facts.window, stride)
    size = ids or (rows * model.facts.cell, cols * model.facts.cell)
    text = model.encode_text(prompt, "", 2)
    told = torch.tensor([[*size, 0, 0, *size]], device=model.device).expand(2, -1)
    start = np.random.RandomState(seed).standard_normal((1, model.facts.channels, rows, cols))
    z = torch.tensor(start, dtype=torch.float32, device=model.device)
    times = [int(t) for t in timesteps("ddim", model.facts.scheduler, steps)]
    for t, after in zip(times, [*times[1:], 0], strict=True):
        summed, count = torch.zeros_like(z).repeat(2, 1, 1, 1), torch.zeros_like(z)
        for view in views:
            part = z[..., view[0], view[1]].repeat(2, 1, 1, 1)
            summed[..., view[0], view[1]] += model.predict(part, t, text, told).float()
            count[..., view[0], view[1]] += 1
        plain, asked = (summed / count).chunk(2)
        eps = plain + guidance * (asked - plain)
        clean = (z - sigma[t] * eps) / alpha[t]
        z = alpha[after] * clean + sigma[after] * eps
    return z
