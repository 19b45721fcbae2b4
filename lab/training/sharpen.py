"""Trains an already trained VAE further, for sharper pictures.

Latents take in more of the picture's colours, and detail that a latent does not hold is drawn with the right
strength instead of being blurred. Latents stay near the old ones, so that the base need not be trained again
from scratch; where the decoder alone is trained they do not change at all.
"""

from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from lab.training.course import mixed_precision
from lab.training.vae import VaeCourse, slope_loss, slopes

# Share of the training time after which the critic is used, and the weight of its loss. It needs pictures
# that are nearly right.
CRITIC_FROM, CRITIC_WEIGHT = 1 / 4, 0.05
# Side in px of the areas over which strength and colour are compared.
AREA_PX = 8
# Weight of the change of the latents.
LATENT_WEIGHT = 0.3
# Where the decoder alone is trained: the weights of strength and critic, and the share of the time after
# which the critic is used. The weights are high, as the decoder must invent what latents do not hold.
DECODER_STRENGTH_WEIGHT, DECODER_CRITIC_WEIGHT, DECODER_CRITIC_FROM = 16.0, 0.25, 1 / 20

# Weight and value of each part of a loss, by name.
LossParts = dict[str, tuple[float, Tensor]]


def detail_strength(pixels: Tensor) -> Tensor:
    """Return the root mean square of the slopes in areas of AREA_PX px, which overlap by half."""
    down, across = slopes(pixels)
    square = down[..., :, :-1].square() + across[..., :-1, :].square()
    return (avg_pool2d(square, AREA_PX, AREA_PX // 2) + 1e-5).sqrt()


def strength_loss(made: Tensor, true: Tensor) -> Tensor:
    """Return the mean difference of two pictures' detail strength, at two scales.

    Unlike `slope_loss` it does not ask that each edge lies in the same place.
    """
    total = (detail_strength(made) - detail_strength(true)).abs().mean()
    made, true = avg_pool2d(made, 2), avg_pool2d(true, 2)
    return total + (detail_strength(made) - detail_strength(true)).abs().mean()


def picture_losses(made: Tensor, target: Tensor, strength_weight: float = 1) -> LossParts:
    """Return the parts of the loss that compare decoded pictures with true ones."""
    return {
        "levels": (1, (made - target).abs().mean()),
        "slopes": (1 / 2, slope_loss(made, target)),
        "strength": (strength_weight, strength_loss(made, target)),
        "tone": (2, (avg_pool2d(made, AREA_PX) - avg_pool2d(target, AREA_PX)).abs().mean()),
    }


def colour_residual(latents: Tensor, pixels: Tensor) -> Tensor:
    """Return how poorly latents determine the mean colours of their cells.

    That is the standard deviation of what the best linear map from latents to colours leaves over, for the
    worst of three colour axes: lightness and two axes of hue.
    """
    axes = pixels.new_tensor([[1, 1, 1], [1, 0, -1], [-1, 2, -1]])
    axes = axes / axes.norm(dim=1, keepdim=True)
    cell_px = pixels.shape[-1] // latents.shape[-1]
    colours = avg_pool2d(pixels, cell_px).permute(0, 2, 3, 1).reshape(-1, 3) @ axes.T
    cells = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    cells = torch.cat([cells, cells.new_ones(len(cells), 1)], 1)
    ridge = 1e-3 * len(cells) * torch.eye(cells.shape[1], device=cells.device)
    linear_map = torch.linalg.solve(cells.T @ cells + ridge, cells.T @ colours)
    return (cells @ linear_map - colours).square().mean(0).sqrt().amax()


class SharpenCourse(VaeCourse):
    """The course that trains encoder and decoder of a trained VAE further, on the same crops."""

    rate = 5e-4
    critic_from = CRITIC_FROM

    def __init__(
        self, source: Path | None, device: torch.device, lessons: int = 8_000, batch: int = 16
    ) -> None:
        if source is None:
            raise SystemExit("Sharpening continues from a trained VAE: --from names its folder.")
        super().__init__(source, device, lessons, batch)
        self.old_encoder = deepcopy(self.learner.encoder).requires_grad_(False).eval()

    def loss(self, batch: Tensor, share: float) -> tuple[Tensor, dict[str, float]]:
        """Return the loss: pictures, colours missing in latents, change of the latents, and the critic."""
        latent, made, target = self.reconstruct(batch)
        with mixed_precision(self.device), torch.no_grad():
            old_latent = self.old_encoder(batch).float()
        parts = picture_losses(made, target) | {
            "colours": (1 / 2, colour_residual(latent, batch)),
            "moved": (LATENT_WEIGHT, (latent - old_latent).square().mean()),
        }
        return self.weighted_sum(parts, made, target, share, CRITIC_WEIGHT)

    def weighted_sum(
        self, parts: LossParts, made: Tensor, target: Tensor, share: float, critic_weight: float
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the weighted sum of the parts, with the critic once it is used, and each part alone."""
        total = sum((weight * part for weight, part in parts.values()), made.new_zeros(()))
        if share >= self.critic_from:
            total = total - critic_weight * self.critic_score(made, target)
        return total, {name: part.item() for name, (_, part) in parts.items()}


class DecoderCourse(SharpenCourse):
    """The course that trains the decoder alone, so that latents and the base stay as they are."""

    critic_from = DECODER_CRITIC_FROM
    cooling = 1 / 2  # Strength improves most while the learning rate falls.

    def __init__(
        self, source: Path | None, device: torch.device, lessons: int = 8_000, batch: int = 16
    ) -> None:
        super().__init__(source, device, lessons, batch)
        self.learner.encoder.requires_grad_(False)

    def loss(self, batch: Tensor, share: float) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of the pictures and the critic; latents do not change."""
        _, made, target = self.reconstruct(batch)
        return self.weighted_sum(
            picture_losses(made, target, DECODER_STRENGTH_WEIGHT), made, target, share, DECODER_CRITIC_WEIGHT
        )
