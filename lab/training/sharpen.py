"""The autoencoder, gone on with: what a latent leaves out is taken in, and what it cannot tell is drawn with
the right strength, not wiped out. Latents stay near the old ones, so that a base that knows those can follow;
or stay as they are, where the decoder alone learns.
"""

from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from lab.training.train import half
from lab.training.vae import Vae, detail, slopes

CRITIC_FROM, CRITIC_WEIGHT = 1 / 4, 0.05
"""Share of the time after which the critic is asked; it wants pictures that are nearly right."""
NEAR = 8
"""px around a place within which strength and tone are asked for."""
STAY = 0.3
"""Weight of how far the latents move."""
FIRM, FIRM_CRITIC, FIRM_FROM = 16.0, 0.25, 1 / 20
"""Weights of strength and critic where the decoder alone learns, and from when on the critic is asked: it
makes up what latents do not tell.
"""

Parts = dict[str, tuple[float, Tensor]]
"""Weight and value of each part of a loss."""


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


def of_pictures(made: Tensor, target: Tensor, strong: float = 1) -> Parts:
    """What is asked of pictures; strong: how much the strength of their detail counts."""
    return {
        "levels": (1, (made - target).abs().mean()),
        "slopes": (1 / 2, detail(made, target)),
        "faint": (strong, faint(made, target)),
        "cast": (2, (avg_pool2d(made, NEAR) - avg_pool2d(target, NEAR)).abs().mean()),
    }


def untold(latents: Tensor, pixels: Tensor) -> Tensor:
    """What the best linear map from latents to their cells' mean colours leaves out, as a deviation: of
    lightness and two axes of hue, the one that is told worst.
    """
    axes = pixels.new_tensor([[1, 1, 1], [1, 0, -1], [-1, 2, -1]])
    axes = axes / axes.norm(dim=1, keepdim=True)
    cell = pixels.shape[-1] // latents.shape[-1]
    colours = avg_pool2d(pixels, cell).permute(0, 2, 3, 1).reshape(-1, 3) @ axes.T
    told = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    told = torch.cat([told, told.new_ones(len(told), 1)], 1)
    ridge = 1e-3 * len(told) * torch.eye(told.shape[1], device=told.device)
    map_ = torch.linalg.solve(told.T @ told + ridge, told.T @ colours)
    return (told @ map_ - colours).square().mean(0).sqrt().amax()


class Sharpening(Vae):
    """The course of an autoencoder that was taught already, on the same crops."""

    rate = 5e-4
    critic_from = CRITIC_FROM

    def __init__(
        self, source: Path | None, device: torch.device, lessons: int = 8_000, batch: int = 16
    ) -> None:
        if source is None:
            raise SystemExit("Sharpening goes on from an autoencoder: --from names its folder.")
        super().__init__(source, device, lessons, batch)
        self.before = deepcopy(self.learner.encoder).requires_grad_(False).eval()

    def loss(self, batch: Tensor, share: float) -> tuple[Tensor, dict[str, float]]:
        """What is made of a batch, what its latents tell, how far they moved, and the critic's word."""
        latent, made, target = self.again(batch)
        with half(self.device), torch.no_grad():
            before = self.before(batch).float()
        parts = of_pictures(made, target) | {
            "untold": (1 / 2, untold(latent, batch)),
            "moved": (STAY, (latent - before).square().mean()),
        }
        return self.added(parts, made, target, share, CRITIC_WEIGHT)

    def added(
        self, parts: Parts, made: Tensor, target: Tensor, share: float, trust: float
    ) -> tuple[Tensor, dict[str, float]]:
        """The weighed sum, from some time on with the critic's word; and every part as it is."""
        total = sum((weight * part for weight, part in parts.values()), made.new_zeros(()))
        if share >= self.critic_from:
            total = total - trust * self.judged(made, target)
        return total, {name: part.item() for name, (_, part) in parts.items()}


class Decoding(Sharpening):
    """The course of the decoder alone: latents stay, so that what draws them need not follow."""

    critic_from = FIRM_FROM
    cooling = 1 / 2  # Where most of the strength comes.

    def __init__(
        self, source: Path | None, device: torch.device, lessons: int = 8_000, batch: int = 16
    ) -> None:
        super().__init__(source, device, lessons, batch)
        self.learner.encoder.requires_grad_(False)

    def loss(self, batch: Tensor, share: float) -> tuple[Tensor, dict[str, float]]:
        _, made, target = self.again(batch)
        return self.added(of_pictures(made, target, FIRM), made, target, share, FIRM_CRITIC)
