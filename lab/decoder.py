"""Sharpening the decoder: what a latent cannot tell is drawn with the right strength, not wiped out.

Its encoder stays as it is, so that a base that was taught on its latents need not follow.
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from lab.vae import Vae, detail, slopes

CRITIC_FROM, CRITIC_WEIGHT = 1 / 20, 0.05
NEAR = 8
"""px around a place within which strength and tone are asked for."""


def strength(pixels: Tensor) -> Tensor:
    """Root mean square of the slopes around each place."""
    down, across = slopes(pixels)
    square = down[..., :, :-1].square() + across[..., :-1, :].square()
    return (avg_pool2d(square, NEAR, NEAR // 2) + 1e-5).sqrt()


def faint(made: Tensor, true: Tensor) -> Tensor:
    """How far the strengths of detail are apart, at two scales, wherever each edge may lie."""
    total = (strength(made) - strength(true)).abs().mean()
    made, true = avg_pool2d(made, 2), avg_pool2d(true, 2)
    return total + (strength(made) - strength(true)).abs().mean()


class Decoder(Vae):
    """The course of the decoder alone, on the autoencoder's crops, with a critic nearly from the start."""

    rate = 5e-4

    def __init__(
        self, source: Path | None, device: torch.device, lessons: int = 8_000, batch: int = 16
    ) -> None:
        if source is None:
            raise SystemExit("A decoder is sharpened for latents that are there: --from names their folder.")
        super().__init__(source, device, lessons, batch)
        self.learner.encoder.requires_grad_(False)

    def loss(self, batch: Tensor, share: float) -> tuple[Tensor, dict[str, float]]:
        """Levels, slopes, strength of detail, tone, and the critic's word."""
        _, made, target = self.again(batch)
        wrong, rough, weak = (made - target).abs().mean(), detail(made, target), faint(made, target)
        cast = (avg_pool2d(made, NEAR) - avg_pool2d(target, NEAR)).abs().mean()
        total = wrong + rough / 2 + weak + 2 * cast
        if share >= CRITIC_FROM:
            total = total - CRITIC_WEIGHT * self.judged(made, target)
        parts = {"levels": wrong, "slopes": rough, "faint": weak, "cast": cast}
        return total, {name: part.item() for name, part in parts.items()}
