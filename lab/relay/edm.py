"""EDM's noise levels, preconditioning and sampler (Karras et al., 2022); pixels lie between -1 and 1."""

from collections.abc import Callable, Sequence
from math import sqrt

import torch
from torch import Tensor

# Standard deviation of pixels.
DATA_DEVIATION = 0.5
# The largest weight of a picture in the loss.
MAX_WEIGHT = 1e5
# Stochastic sampling by default: how much noise is added in all, between which levels, and its deviation.
CHURN, CHURN_LEAST, CHURN_MOST, CHURN_DEVIATION = 40.0, 0.05, 50.0, 1.003

# Scaled noisy pixels (N, C, rows, cols) and c_noise (N) to F: the network inside EDM's preconditioning.
Network = Callable[[Tensor, Tensor], Tensor]
# Noisy pixels and their noise level to clean pixels.
Denoise = Callable[[Tensor, float], Tensor]


def levels(n: int, least: float, most: float, rho: float, cut: float = float("inf")) -> Tensor:
    """Return the noise levels below `cut` of EDM's n levels, which fall from `most` to `least`."""
    share = torch.arange(n, dtype=torch.float64) / max(n - 1, 1)
    first, last = most ** (1 / rho), least ** (1 / rho)
    falling = (first + share * (last - first)) ** rho
    return falling[falling < cut]


def denoised(network: Network, x: Tensor, level: Tensor) -> Tensor:
    """Return the clean pixels that a network predicts for noisy ones. level: their noise levels (N)."""
    sigma = level.to(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))
    total = sigma**2 + DATA_DEVIATION**2
    predicted = network(x / total.sqrt(), level.to(x.dtype).log() / 4).to(x.dtype)
    return DATA_DEVIATION**2 / total * x + sigma * DATA_DEVIATION / total.sqrt() * predicted


def loss_weight(level: Tensor) -> Tensor:
    """Return the weight in the loss of pictures of these noise levels."""
    return ((level**2 + DATA_DEVIATION**2) / (level * DATA_DEVIATION) ** 2).clamp(max=MAX_WEIGHT)


def sample_edm(
    denoise: Denoise,
    first: Tensor,
    draw: Callable[[int], Tensor],
    levels: Sequence[float],
    churn: float = CHURN,
) -> Tensor:
    """Return a picture sampled by EDM's stochastic sampler with Heun's correction.

    first: noise of deviation 1. draw: returns the noise of step k, and is called in every step.
    levels: falling noise levels, without the final 0. churn: how much noise is added in all; 0 for none.
    """
    x = first * float(levels[0])
    for k, level in enumerate(map(float, levels)):
        after = float(levels[k + 1]) if k + 1 < len(levels) else 0.0
        is_churned = CHURN_LEAST <= level <= CHURN_MOST
        raised = level * (1 + min(churn / len(levels), sqrt(2) - 1) * is_churned)
        x = x + sqrt(raised**2 - level**2) * CHURN_DEVIATION * draw(k)
        slope = (x - denoise(x, raised)) / raised
        predicted = x + (after - raised) * slope
        if after:
            slope = (slope + (predicted - denoise(predicted, after)) / after) / 2
        x = x + (after - raised) * slope
    return x
