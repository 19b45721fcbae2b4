"""Direct inference and MultiDiffusion in a plain loop, apart from the engine.

Tests compare the engine's methods with it, and `lab.measure.pilot` draws with it.
"""

from itertools import product

import numpy as np
import torch
from torch import Tensor

from engine import Model
from engine.formulas.timesteps import timesteps
from lab.models.architecture import alphas_and_sigmas

# Rows and columns of each view.
Views = list[tuple[slice, slice]]


def native_windows(rows: int, cols: int, side: int, stride: int) -> Views:
    """Return native windows, `side` cells large, that cover the canvas at this stride."""
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
    """Draw a latent of `cells` (rows, cols) by DDIM: the whole canvas at once or, with a stride, in windows.

    Size ids as published: original = target = the final size (or `ids`, px), crop 0,0.
    """
    alpha, sigma = (level.to(model.device) for level in alphas_and_sigmas())
    rows, cols = cells
    views = [(slice(0, rows), slice(0, cols))]
    if stride:
        views = native_windows(rows, cols, model.facts.window, stride)
    size = ids or (rows * model.facts.cell, cols * model.facts.cell)
    text = model.encode_text(prompt, "", 2)
    time_ids = torch.tensor([[*size, 0, 0, *size]], device=model.device).expand(2, -1)
    start = np.random.RandomState(seed).standard_normal((1, model.facts.channels, rows, cols))
    z = torch.tensor(start, dtype=torch.float32, device=model.device)
    times = [int(t) for t in timesteps("ddim", model.facts.scheduler, steps)]
    for t, after in zip(times, [*times[1:], 0], strict=True):
        summed, count = torch.zeros_like(z).repeat(2, 1, 1, 1), torch.zeros_like(z)
        for view in views:
            part = z[..., view[0], view[1]].repeat(2, 1, 1, 1)
            summed[..., view[0], view[1]] += model.predict(part, t, text, time_ids).float()
            count[..., view[0], view[1]] += 1
        unconditional, conditional = (summed / count).chunk(2)
        eps = unconditional + guidance * (conditional - unconditional)
        x0 = (z - sigma[t] * eps) / alpha[t]
        z = alpha[after] * x0 + sigma[after] * eps
    return z
