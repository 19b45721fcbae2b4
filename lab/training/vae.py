"""Trains the VAE to keep detail, and so that a resized latent decodes to the resized picture."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu
from torch.nn.utils.parametrizations import spectral_norm

from lab.models import architecture
from lab.training.course import COOLING, mixed_precision
from lab.training.pool import Batch, LessonPool
from lab.world.lessons import make_lesson

# Side in px of the crops that the VAE is trained on.
CROP = 96
# Share of the training time after which the critic is used, and the weight of its loss.
CRITIC_FROM = 2 / 3
CRITIC_WEIGHT = 0.02
# Share of batches whose latents are resized before they are decoded.
RESIZED_SHARE = 1 / 3
# Standard deviation of noise added to latents, so that the base's small errors do not spoil the picture.
LATENT_NOISE = 0.05


class Critic(nn.Module):
    """A patch discriminator: scores patches of some 14 px, high for true and low for decoded ones."""

    def __init__(self) -> None:
        super().__init__()
        wide = (3, 32, 64, 64)
        layers: list[nn.Module] = []
        for k, (into, out) in enumerate(pairwise(wide)):
            layers += [spectral_norm(nn.Conv2d(into, out, 4 if k < 2 else 3, 2 if k < 2 else 1, 1))]
            layers += [nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(wide[-1], 1, 1)))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.layers(pixels)


def slopes(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the differences of neighbouring pixels, along rows and along columns."""
    return pixels.diff(dim=-2), pixels.diff(dim=-1)


def slope_loss(made: Tensor, true: Tensor) -> Tensor:
    """Return the mean difference of the slopes of two pictures, summed over three scales."""
    total = made.new_zeros(())
    for k in range(3):
        if k:
            made, true = avg_pool2d(made, 2), avg_pool2d(true, 2)
        for a, b in zip(slopes(made), slopes(true), strict=True):
            total = total + (a - b).abs().mean()
    return total


def resize_latent(latent: Tensor, pixels: Tensor, draw: np.random.RandomState) -> tuple[Tensor, Tensor]:
    """Resize a latent at random and return it with the picture that it should decode to.

    It is enlarged, shrunk, or thinned to every 2nd, 3rd or 4th cell, as in a dilated view.
    """
    way = draw.randint(3)
    if way == 0:
        side = round(latent.shape[-1] * draw.uniform(1, 2))
        latent = interpolate(latent, (side, side), mode="bicubic", antialias=True)
    elif way == 1:
        side = round(latent.shape[-1] * draw.uniform(0.25, 1))
        latent = interpolate(latent, (side, side), mode="bicubic", antialias=True)
    else:
        every = 2 + draw.randint(3)
        row, col = draw.randint(every, size=2)
        latent = latent[..., row::every, col::every]
        # The centres of the chosen cells differ from those of the shrunk picture's cells.
        span = [8 * every * n for n in latent.shape[-2:]]
        top, left = (8 * first - 4 * (every - 1) for first in (row, col))
        pixels = shifted_crop(pixels, top, left, span)
    side = [8 * n for n in latent.shape[-2:]]
    if tuple(side) != tuple(pixels.shape[-2:]):
        pixels = interpolate(pixels, side, mode="bicubic", antialias=True).clamp(-1, 1)
    return latent, pixels


def shifted_crop(pixels: Tensor, top: int, left: int, span: list[int]) -> Tensor:
    """Crop (rows, cols) of the picture from (top, left) on; beyond the picture its edge is repeated."""
    rows = torch.arange(top, top + span[0], device=pixels.device).clamp(0, pixels.shape[-2] - 1)
    cols = torch.arange(left, left + span[1], device=pixels.device).clamp(0, pixels.shape[-1] - 1)
    return pixels[..., rows[:, None], cols]


class VaeCourse:
    """The course of the VAE, on random crops of every kind of lesson."""

    rate = 1e-3
    cooling = COOLING

    def __init__(
        self, source: Path | None, device: torch.device, lessons: int = 8_000, batch: int = 16
    ) -> None:
        self.device, self.lessons, self.batch_size = device, lessons, batch
        if source:
            self.pipe = StableDiffusionXLPipeline.from_pretrained(source, use_safetensors=True)
            self.pipe.to(torch.float32)
        else:
            self.pipe = architecture.new_pipeline()
        self.learner: AutoencoderTiny = self.pipe.vae.to(device).float().requires_grad_(True).train()
        self.critic = Critic().to(device)
        self.critic_optimizer = torch.optim.AdamW(self.critic.parameters(), 4e-4, betas=(0.5, 0.99))
        self.draw = np.random.RandomState(0)

    def batches(self, first: int) -> Iterator[Tensor]:
        """Yield pixels (N, 3, CROP, CROP) between -1 and 1, without end."""
        on_cpu = self.device.type == "cpu"
        pool = LessonPool(
            lambda pictures: pictures,
            lambda prompts: torch.zeros(len(prompts), 0),
            lessons=self.lessons,
            seed=first,
            device=self.device,
        )
        pool.wait(self.lessons if on_cpu else 2048)
        self.draw = np.random.RandomState(first)
        return map(self.random_crops, pool.batches(self.batch_size, first))

    def random_crops(self, batch: Batch) -> Tensor:
        """Cut one crop from each picture of a batch, as pixels between -1 and 1."""
        pictures = batch.latents.permute(0, 3, 1, 2)
        height, width = pictures.shape[-2:]
        cuts = []
        for picture in pictures:
            top, left = self.draw.randint(height - CROP + 1), self.draw.randint(width - CROP + 1)
            cuts.append(picture[:, top : top + CROP, left : left + CROP])
        return torch.stack(cuts).float() / 127.5 - 1

    def reconstruct(self, batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode and decode a batch, with noise and sometimes a resize between.

        Returns the latents as encoded, the decoded pictures, and what these should be.
        """
        with mixed_precision(self.device):
            latent = self.learner.encode(batch).latents.float()
            target = batch
            changed = latent + LATENT_NOISE * torch.randn_like(latent)
            if self.draw.rand() < RESIZED_SHARE:
                changed, target = resize_latent(changed, batch, self.draw)
            made = self.learner.decode(changed).sample.float()
        return latent, made, target

    def loss(self, batch: Tensor, share: float) -> tuple[Tensor, dict[str, float]]:
        """Return the loss: colours, slopes, a normalised latent, and in the last third the critic's score."""
        latent, made, target = self.reconstruct(batch)
        levels = (made - target).abs().mean()
        slope_difference = slope_loss(made, target)
        mean, deviation = latent.mean((0, 2, 3)), latent.std((0, 2, 3))
        tidy = mean.square().mean() + (deviation - 1).square().mean()
        total = levels + slope_difference + 0.05 * tidy
        numbers = {"levels": levels.item(), "slopes": slope_difference.item(), "tidy": tidy.item()}
        if share >= CRITIC_FROM:
            total = total - CRITIC_WEIGHT * self.critic_score(made, target)
        return total, numbers

    def critic_score(self, made: Tensor, true: Tensor) -> Tensor:
        """Train the critic on this batch, then return its mean score for the decoded pictures."""
        self.critic_optimizer.zero_grad(set_to_none=True)
        loss = relu(1 - self.critic(true)).mean() + relu(1 + self.critic(made.detach())).mean()
        loss.backward()
        self.critic_optimizer.step()
        self.critic.requires_grad_(False)
        score = self.critic(made).mean()
        self.critic.requires_grad_(True)
        return score

    @torch.inference_mode()
    def grid(self, learned: AutoencoderTiny) -> Image.Image:
        """Show true pictures above and decoded ones below: whole scenes, a window, close-ups."""
        kinds = ("whole", "whole", "window", "close-up", "close-up")
        true = np.stack([make_lesson(77 + k, kind=kind).picture for k, kind in enumerate(kinds)])
        pixels = torch.tensor(true, device=self.device).permute(0, 3, 1, 2).float() / 127.5 - 1
        made = learned.decode(learned.encode(pixels).latents).sample
        levels = ((made.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        return Image.fromarray(np.concatenate([np.concatenate(list(row), 1) for row in (true, levels)], 0))

    def write(self, learned: AutoencoderTiny, folder: Path) -> None:
        """Write the pipeline with the averaged VAE; its latents have about unit deviation already."""
        architecture.write_pipeline(self.pipe, folder, vae=learned)
