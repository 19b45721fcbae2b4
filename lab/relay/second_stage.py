"""Relay Diffusion's second stage: how it corrupts pictures in training, and how it samples.

The stage continues from a small picture that is enlarged by repetition. Its pictures are blurred patch by patch
and noised with a share of block noise; see engine/sampling/relay.py.
"""

from collections.abc import Callable, Sequence
from math import log, sqrt

import torch
from torch import Tensor

from engine.formulas.schedule import EDM_LOG_LEVELS
from engine.sampling import relay
from lab.relay.edm import Denoise, Network, denoised, loss_weight

# The smallest noise level of training.
LEAST_LEVEL = 0.0075

# The kind of a draw ("first", "predictor" or "corrector") and the number of its step, to its noise
# (fields, C, rows, cols): white noise, then what block noise is made of.
Draw = Callable[[str, int], Tensor]


def corrupted(
    pictures: Tensor,
    u: Tensor,
    white: Tensor,
    source: Tensor | None,
    share: float,
    length: float,
    top: float,
    patch: int,
    published: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return blurred and noised pictures for training, their noise levels (N) and their blurs' deviations (N).

    pictures: (N, C, rows, cols). u: uniform random numbers (N), which decide levels and deviations.
    source: what block noise is made of; None where its share is 0. length, top: as for `relay.deviation`.
    published: as for `relay.mixed`.
    """
    mean, spread = EDM_LOG_LEVELS.mean, EDM_LOG_LEVELS.stdev
    # The published code multiplies by the length here, though a division would give exactly LEAST_LEVEL.
    least = length * torch.special.ndtr(torch.tensor((log(LEAST_LEVEL) - mean) / spread, dtype=torch.float64))
    u = u.clamp(min=least.item())
    level = (spread * torch.special.ndtri(u * length) + mean).exp()
    deviation = top * torch.sin(torch.pi / 2 * u) ** 2
    noise = _mixed(white, source, patch, share, published)
    sigma = level.to(pictures.dtype).reshape(-1, *(1,) * (pictures.ndim - 1))
    return relay.blurred(pictures, deviation, patch) + sigma * noise, level, deviation


def loss(
    network: Network,
    pictures: Tensor,
    u: Tensor,
    white: Tensor,
    source: Tensor | None,
    share: float,
    length: float,
    top: float,
    patch: int,
    published: bool = False,
) -> Tensor:
    """Return the weighted mean squared error of each picture (N) that a network denoises.

    network: takes scaled noisy pixels and EDM's c_noise (N). The other arguments are as for `corrupted`.
    """
    x, level, _ = corrupted(pictures, u, white, source, share, length, top, patch, published)
    error = (denoised(network, x, level) - pictures).square().flatten(1).mean(1)
    return loss_weight(level) * error


def sample(
    denoise: Denoise,
    start: Tensor,
    draw: Draw,
    levels: Sequence[float] | Tensor,
    patch: int,
    share: float,
    fresh: float,
    length: float,
    top: float,
    guidance: float = 1.0,
    published: bool = True,
) -> Tensor:
    """Return the large picture that continues from a small one.

    denoise: returns the clean picture for a noisy one and its level; with guidance it takes as third argument
    whether to condition on the prompt. start: the small picture enlarged by repetition. levels: falling noise levels
    without the final 0. share: of block noise in all noise. fresh: share s of new noise in each step.
    guidance: its scale; 1 or less means none. published: as for `relay.mixed`. Unlike in training, the published
    sampler's plain sum is the default; a network that was trained on noise of variance 1 wants False.
    """
    sigma = [float(level) for level in levels]
    factors = [relay.multiplier(relay.deviation(level, length, top), patch) for level in sigma]

    def noise(kind: str, k: int) -> Tensor:
        fields = draw(kind, k)
        return _mixed(fields[0], fields[1] if len(fields) > 1 else None, patch, share, published)

    def clean(x: Tensor, level: float) -> Tensor:
        if guidance <= 1:
            return denoise(x, level)
        return guidance * denoise(x, level, True) - (guidance - 1) * denoise(x, level, False)

    x = start + sigma[0] * noise("first", 0)
    for k in range(len(sigma) - 1):
        now, after, a, a_next = *sigma[k : k + 2], *factors[k : k + 2]
        gamma = sqrt(1 - fresh**2) * after / now
        predicted = clean(x, now)
        y = relay.step(x, predicted, a, a_next, gamma) + fresh * after * noise("predictor", k)
        corrected = clean(y, after)
        # The slope d = (U - X) / sigma becomes the mean of both ends' slopes, which is another clean picture.
        slope = ((x - predicted) / now + (y - corrected) / after) / 2
        x = relay.step(x, x - now * slope, a, a_next, gamma) + fresh * after * noise("corrector", k)
    return clean(x, sigma[-1])


def _mixed(white: Tensor, source: Tensor | None, patch: int, share: float, published: bool) -> Tensor:
    """Return white noise, with a share of block noise if there is any."""
    return white if not share or source is None else relay.mixed(white, source, patch, share, published)
