"""Trains the upscaler of Postcards' world, which doubles the side of a picture.

The network has the shape of Real-ESRGAN's SRVGGNetCompact, so that spandrel reads its file. It learns from pairs
of a rendering and the same rendering shrunk to half. A quarter of the shrunk pictures is worn as well: by a round
trip through Postcards' VAE, and some of them by noise or blur.

The loss is the squared error first, since the absolute error hardly moves a new network, then the absolute error,
and in the last part also the strength of detail and the score of a critic.
"""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from safetensors.torch import load_file, save_file
from spandrel.architectures.Compact import Compact
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu
from torch.utils.data import DataLoader, Dataset

from engine.paths import ASSETS
from lab.training.course import mixed_precision
from lab.training.degrade import add_noise, soften
from lab.training.pool import worker_count
from lab.training.sharpen import strength_loss
from lab.training.vae import Critic
from lab.world.lessons import training_scene
from lab.world.paint import Array
from lab.world.scenes import choose_close_up, held_out_scenes, render

# Channels and hidden convolutions of the network, and how many times larger its output is.
WIDTH, DEPTH, TIMES = 48, 14, 2
# Slope of a PReLU for negative values before training.
NEGATIVE_SLOPE = 0.25
# The weights' folder and file in a pipeline folder, and the file of the weights from before the critic.
FOLDER, FILE, FAITHFUL_FILE = "upscaler", "upscaler.safetensors", "faithful.safetensors"

# Sides in px of the renderings that pictures are cut from, and of the square that is cut.
SIDES, PICTURE_PX = (256, 512, 512, 1024, 1024), 256
# Side in px of the crops that the network is trained on; it sees them at half of that.
CROP = 128
# Largest standard deviation of the noise that is added to latents.
LATENT_NOISE = 0.05
# One of so many pairs in a batch is worn: most of its error cannot be avoided, and hides what can be learned.
WORN_EVERY = 4

# Shares of the training time after which the absolute error replaces the squared one, and the critic is used.
ABSOLUTE_FROM, CRITIC_FROM = 0.35, 0.9
# The squared error has this weight, at which an error of 0.02 counts as much as in the absolute one.
SQUARES_WEIGHT = 25.0
# Weights of the worn pairs' squared error, which is ten times that of the others, and of their absolute one.
WORN_SQUARES_WEIGHT, WORN_WEIGHT = 0.1, 0.5
# Weights of the strength of detail and of the critic's score, and batches until the latter is reached.
STRENGTH_WEIGHT, CRITIC_WEIGHT, CRITIC_WARM_UP = 0.05, 0.01, 100


def new_network(width: int = WIDTH, depth: int = DEPTH) -> Compact:
    """Return an untrained network with Kaiming's initial weights, whose output is nearly its enlarged input."""
    network = Compact(num_feat=width, num_conv=depth, upscale=TIMES)
    convolutions = [layer for layer in network.body if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        nn.init.kaiming_normal_(layer.weight, a=NEGATIVE_SLOPE)
        nn.init.zeros_(layer.bias)
    with torch.no_grad():
        convolutions[-1].weight.mul_(0.1)
    return network


def read_network(file: Path) -> Compact:
    """Return the network with the weights of a file that `UpscalerCourse.write` wrote, in float32."""
    weights = load_file(file)
    depth = sum(name.endswith(".bias") for name in weights) - 2
    network = Compact(num_feat=weights["body.0.weight"].shape[0], num_conv=depth, upscale=TIMES)
    network.load_state_dict(weights)
    return network


def write_network(network: Compact, file: Path) -> None:
    """Write the network's weights as float16."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, file)


def to_pixels(pictures: Tensor) -> Tensor:
    """Convert pictures in bytes to pixels between -1 and 1."""
    return pictures.float() / 127.5 - 1


def to_bytes(pixels: Tensor) -> Tensor:
    """Convert pixels between -1 and 1 to bytes."""
    return ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte()


def shrink(pixels: Tensor, draw: np.random.RandomState) -> Tensor:
    """Shrink pictures to half their side, by the mean of areas or by a smooth filter."""
    if draw.rand() < 0.5:
        return avg_pool2d(pixels, TIMES)
    return interpolate(pixels, scale_factor=1 / TIMES, mode="bicubic", antialias=True).clamp(-1, 1)


class Renderings(Dataset[Tensor]):
    """Square parts of scenes rendered at several sizes, as bytes (3, rows, cols), by number."""

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed = length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> Tensor:
        if not 0 <= number < self.length:
            raise IndexError(number)
        draw = np.random.RandomState((self.seed * 7919 + number) % 2**32)
        scene, side = training_scene(int(draw.randint(1 << 30))), int(draw.choice(SIDES))
        room = side - PICTURE_PX
        corner = draw.randint(room + 1, size=2)
        if draw.rand() < 0.5:
            # Most of a large rendering is sky and ground, so half of the parts show the subject.
            _, (top, left, span, _) = choose_close_up(scene, draw.randint(1 << 30), (side, side))
            corner = np.clip(np.array((top, left)) + (span - PICTURE_PX) // 2, 0, room)
        picture = render(scene, (side, side), (*map(int, corner), PICTURE_PX, PICTURE_PX))
        return torch.from_numpy(picture).permute(2, 0, 1)


# True pixels (N, 3, CROP, CROP) and small ones of half the side, between -1 and 1 as the VAE's are.
Pairs = tuple[Tensor, Tensor]


class UpscalerCourse:
    """The course of the upscaler."""

    rate = 1e-3
    cooling = 0.6  # Pictures come closer to the truth mostly while the learning rate falls.

    def __init__(
        self, source: Path | None, device: torch.device, lessons: int = 2_000, batch: int = 8
    ) -> None:
        """Begin with the upscaler in the folder `source` if it has one, and wear pictures by its VAE."""
        self.device, self.lessons, self.batch_size = device, lessons, batch
        folder = source or ASSETS / "postcards"
        begun = source is not None and (source / FOLDER / FILE).is_file()
        network = read_network(source / FOLDER / FILE) if begun else new_network()
        self.learner: Compact = network.to(device, memory_format=torch.channels_last).train()
        self.vae = AutoencoderTiny.from_pretrained(folder / "vae").to(device).float().eval()
        self.vae.requires_grad_(False)
        self.critic = Critic().to(device)
        self.critic_optimizer = torch.optim.AdamW(self.critic.parameters(), 4e-4, betas=(0.5, 0.99))
        # Batches that the critic has seen, and the share of the time that has passed.
        self.critic_batches, self.share = 0, 0.0
        self.draw = np.random.RandomState(0)

    def batches(self, first: int) -> Iterator[Pairs]:
        """Yield batches without end: true crops, and what the network is given for them.

        In each batch the last pairs are the worn ones.
        """
        self.draw = np.random.RandomState(first)
        true, worn = [], []
        for group in DataLoader(Renderings(self.lessons, first), 16, num_workers=worker_count()):
            true.append(group)
            worn.append(to_bytes(self.wear(shrink(to_pixels(group.to(self.device)), self.draw))))
        pictures = torch.cat(true), torch.cat(worn)
        return (self.random_pairs(*pictures) for _ in count())

    def random_pairs(self, true: Tensor, worn: Tensor) -> Pairs:
        """Cut a batch of pairs from random ones of these pictures in bytes; `worn` are the small ones."""
        crops, cells = [], []
        for k in self.draw.randint(len(true), size=self.batch_size):
            top, left = self.draw.randint((PICTURE_PX - CROP) // TIMES + 1, size=2)
            cells.append(worn[k, :, top : top + CROP // TIMES, left : left + CROP // TIMES])
            top, left = TIMES * top, TIMES * left
            crops.append(true[k, :, top : top + CROP, left : left + CROP])
        pixels, small = (to_pixels(torch.stack(cuts).to(self.device)) for cuts in (crops, cells))
        clean = self.batch_size - self.worn_count
        return pixels, torch.cat([shrink(pixels[:clean], self.draw), small[clean:]])

    @property
    def worn_count(self) -> int:
        """The number of worn pairs in a batch."""
        return max(1, self.batch_size // WORN_EVERY)

    def wear(self, small: Tensor) -> Tensor:
        """Wear pictures as the base's are worn: by the VAE and errors of the latent, then by noise or blur."""
        with mixed_precision(self.device), torch.no_grad():
            latents = self.vae.encode(small).latents
            latents = latents + self.draw.uniform(0, LATENT_NOISE) * torch.randn_like(latents)
            worn = self.vae.decode(latents).sample.float().clamp(-1, 1)
        kinds: tuple[Callable[[Tensor, np.random.RandomState], Tensor] | None, ...]
        kinds = (None, None, add_noise, soften)
        kind = kinds[self.draw.randint(len(kinds))]
        return kind(worn, self.draw) if kind else worn

    def upscale(self, network: nn.Module, small: Tensor) -> Tensor:
        """Return the network's picture of a small one; the network itself takes pixels between 0 and 1."""
        with mixed_precision(self.device):
            return 2 * network(((small + 1) / 2).contiguous(memory_format=torch.channels_last)).float() - 1

    def loss(self, batch: Pairs, share: float) -> tuple[Tensor, dict[str, float]]:
        """Return the loss: squares, then levels, and in the last part also strength and the critic's score."""
        self.share = share
        true, small = batch
        made = self.upscale(self.learner, small)
        differences = (made - true).split(len(made) - self.worn_count)
        clean, worn = (each.square().mean() for each in differences)
        numbers = {"dB clean": _decibels(clean), "dB worn": _decibels(worn)}
        if share < ABSOLUTE_FROM:
            return SQUARES_WEIGHT * (clean + WORN_SQUARES_WEIGHT * worn), numbers
        levels = differences[0].abs().mean() + WORN_WEIGHT * differences[1].abs().mean()
        if share < CRITIC_FROM:
            return levels, numbers
        strength, score = strength_loss(made, true), self.critic_score(made, true)
        weight = CRITIC_WEIGHT * min(1.0, self.critic_batches / CRITIC_WARM_UP)
        numbers |= {"strength": strength.item(), "score": score.item()}
        return levels + STRENGTH_WEIGHT * strength - weight * score, numbers

    def critic_score(self, made: Tensor, true: Tensor) -> Tensor:
        """Train the critic on this batch, then return its mean score for the pictures that were made."""
        self.critic_optimizer.zero_grad(set_to_none=True)
        (relu(1 - self.critic(true)).mean() + relu(1 + self.critic(made.detach())).mean()).backward()
        self.critic_optimizer.step()
        self.critic_batches += 1
        self.critic.requires_grad_(False)
        score = self.critic(made).mean()
        self.critic.requires_grad_(True)
        return score

    @torch.inference_mode()
    def grid(self, learned: nn.Module) -> Image.Image:
        """Show parts of held-out scenes: shrunk and enlarged bicubically, made, made from worn ones, true."""
        scenes = held_out_scenes(5)
        parts = np.stack([render(one, (512, 512), (160, 160, 192, 192)) for one in scenes])
        true = to_pixels(torch.tensor(parts, device=self.device).permute(0, 3, 1, 2))
        small = avg_pool2d(true, TIMES)
        worn = self.vae.decode(self.vae.encode(small).latents).sample.clamp(-1, 1)
        plain = interpolate(small, scale_factor=TIMES, mode="bicubic")
        columns = (plain, self.upscale(learned, small), self.upscale(learned, worn), true)
        return Image.fromarray(np.concatenate([_stacked(pixels) for pixels in columns], 1))

    def write(self, learned: nn.Module, folder: Path) -> None:
        """Write the averaged network into the pipeline folder; until the critic is used also as faithful one."""
        write_network(learned, folder / FOLDER / FILE)
        if self.share < CRITIC_FROM:
            write_network(learned, folder / FOLDER / FAITHFUL_FILE)


def _decibels(square: Tensor) -> float:
    """Return the peak signal-to-noise ratio that belongs to a mean squared error."""
    return -10 * torch.log10(square / 4).item()


def _stacked(pixels: Tensor) -> Array:
    """Return pictures one above the other, in bytes (rows, cols, 3)."""
    return np.concatenate(list(to_bytes(pixels).permute(0, 2, 3, 1).cpu().numpy()), 0)
