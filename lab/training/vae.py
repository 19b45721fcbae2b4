"""Teaching the VAE: detail is rewarded, and a latent that is resized must decode to the picture resized."""

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
from lab.training.pool import Batch, Pool
from lab.training.train import COOLING, half
from lab.world.lessons import lesson

CROP = 96
CRITIC_FROM = 2 / 3
CRITIC_WEIGHT = 0.02
RESIZED = 1 / 3
"""Share of batches whose latent is resized before it is decoded."""
SHAKEN = 0.05
"""Deviation of noise on latents, so that what the base gets nearly right is decoded well."""


class Critic(nn.Module):
    """Tells patches of true pictures from decoded ones: some 14 px see each answer."""

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
    """Differences of neighbours, along the two axes."""
    return pixels.diff(dim=-2), pixels.diff(dim=-1)


def detail(made: Tensor, true: Tensor) -> Tensor:
    """How far the slopes are apart, at three scales."""
    total = made.new_zeros(())
    for k in range(3):
        if k:
            made, true = avg_pool2d(made, 2), avg_pool2d(true, 2)
        for a, b in zip(slopes(made), slopes(true), strict=True):
            total = total + (a - b).abs().mean()
    return total


def resized(latent: Tensor, pixels: Tensor, draw: np.random.RandomState) -> tuple[Tensor, Tensor]:
    """A latent enlarged, shrunk, or thinned to one of its lattices, and the picture of that size."""
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
        # The lattice's cells are centred elsewhere than the shrunk picture's.
        span = [8 * every * n for n in latent.shape[-2:]]
        top, left = (8 * place - 4 * (every - 1) for place in (row, col))
        pixels = shifted(pixels, top, left, span)
    side = [8 * n for n in latent.shape[-2:]]
    if tuple(side) != tuple(pixels.shape[-2:]):
        pixels = interpolate(pixels, side, mode="bicubic", antialias=True).clamp(-1, 1)
    return latent, pixels


def shifted(pixels: Tensor, top: int, left: int, span: list[int]) -> Tensor:
    """The part from (top, left) on, of this span; beyond the picture its edge repeats."""
    rows = torch.arange(top, top + span[0], device=pixels.device).clamp(0, pixels.shape[-2] - 1)
    cols = torch.arange(left, left + span[1], device=pixels.device).clamp(0, pixels.shape[-1] - 1)
    return pixels[..., rows[:, None], cols]


class Vae:
    """The course of the VAE, on crops of every kind of lesson."""

    rate = 1e-3
    cooling = COOLING

    def __init__(
        self, source: Path | None, device: torch.device, lessons: int = 8_000, batch: int = 16
    ) -> None:
        self.device, self.lessons, self.size = device, lessons, batch
        if source:
            self.pipe = StableDiffusionXLPipeline.from_pretrained(source, use_safetensors=True)
            self.pipe.to(torch.float32)
        else:
            self.pipe = architecture.pipeline()
        self.learner: AutoencoderTiny = self.pipe.vae.to(device).float().requires_grad_(True).train()
        self.critic = Critic().to(device)
        self.critic_optimizer = torch.optim.AdamW(self.critic.parameters(), 4e-4, betas=(0.5, 0.99))
        self.draw = np.random.RandomState(0)

    def batches(self, first: int) -> Iterator[Tensor]:
        """Pixels (N, 3, CROP, CROP) between -1 and 1."""
        few = self.device.type == "cpu"
        pool = Pool(
            lambda pictures: pictures,
            lambda prompts: torch.zeros(len(prompts), 0),
            lessons=self.lessons,
            seed=first,
            device=self.device,
        )
        pool.wait(self.lessons if few else 2048)
        self.draw = np.random.RandomState(first)
        return map(self.cropped, pool.draws(self.size, first))

    def cropped(self, batch: Batch) -> Tensor:
        pictures = batch.latents.permute(0, 3, 1, 2)
        height, width = pictures.shape[-2:]
        cuts = []
        for picture in pictures:
            top, left = self.draw.randint(height - CROP + 1), self.draw.randint(width - CROP + 1)
            cuts.append(picture[:, top : top + CROP, left : left + CROP])
        return torch.stack(cuts).float() / 127.5 - 1

    def again(self, batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Latents, what is decoded of them, and what that should be."""
        with half(self.device):
            latent = self.learner.encode(batch).latents.float()
            target = batch
            given = latent + SHAKEN * torch.randn_like(latent)
            if self.draw.rand() < RESIZED:
                given, target = resized(given, batch, self.draw)
            made = self.learner.decode(given).sample.float()
        return latent, made, target

    def loss(self, batch: Tensor, share: float) -> tuple[Tensor, dict[str, float]]:
        """Levels, slopes, a tidy latent, and in the last third a critic's word."""
        latent, made, target = self.again(batch)
        wrong = (made - target).abs().mean()
        rough = detail(made, target)
        mean, deviation = latent.mean((0, 2, 3)), latent.std((0, 2, 3))
        tidy = mean.square().mean() + (deviation - 1).square().mean()
        total = wrong + rough + 0.05 * tidy
        numbers = {"levels": wrong.item(), "slopes": rough.item(), "tidy": tidy.item()}
        if share >= CRITIC_FROM:
            total = total - CRITIC_WEIGHT * self.judged(made, target)
        return total, numbers

    def judged(self, made: Tensor, true: Tensor) -> Tensor:
        """Teaches the critic this batch, and says what it thinks of the decoded pictures."""
        self.critic_optimizer.zero_grad(set_to_none=True)
        told = relu(1 - self.critic(true)).mean() + relu(1 + self.critic(made.detach())).mean()
        told.backward()
        self.critic_optimizer.step()
        self.critic.requires_grad_(False)
        opinion = self.critic(made).mean()
        self.critic.requires_grad_(True)
        return opinion

    @torch.inference_mode()
    def grid(self, learned: AutoencoderTiny) -> Image.Image:
        """True pictures above, decoded below: whole scenes, a window, close-ups."""
        kinds = ("whole", "whole", "window", "close-up", "close-up")
        true = np.stack([lesson(77 + k, kind=kind).picture for k, kind in enumerate(kinds)])
        pixels = torch.tensor(true, device=self.device).permute(0, 3, 1, 2).float() / 127.5 - 1
        made = learned.decode(learned.encode(pixels).latents).sample
        levels = ((made.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        return Image.fromarray(np.concatenate([np.concatenate(list(row), 1) for row in (true, levels)], 0))

    def write(self, learned: AutoencoderTiny, folder: Path) -> None:
        """Latents leave the VAE at about unit deviation, so that no factor is needed."""
        architecture.write(self.pipe, folder, vae=learned)
