"""Trains the two stages of Relay Diffusion: 64 px pictures of words, and 64 to 256 px.

Each picture is rendered once at 256 px into a file under .training/; the first stage learns from the 4 x 4 means of
these renderings, since its pictures are what the second stage will be given.
"""

from collections.abc import Callable, Iterator
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from engine.formulas.schedule import EDM_LOG_LEVELS
from lab.relay import second_stage
from lab.relay.networks import FIRST, SECOND, Network
from lab.relay.system import (
    FIRST_STAGE,
    LENGTH,
    SECOND_STAGE,
    SHARE,
    TIMES,
    TOP,
    draw_small,
    enlarge,
    load_network,
    to_bytes,
    to_pixels,
    write_network,
)
from lab.relay.words import NO_WORD, scene_words
from lab.training.course import mixed_precision
from lab.training.pool import worker_count
from lab.world.lessons import NATIVE_SIDE, training_scene
from lab.world.paint import Array
from lab.world.scenes import held_out_scenes, render

# The folder of the rendered pictures.
RENDERED = Path(".training/relay-pictures")
# Sides in px of the second stage's crops by turns, multiples of TIMES. Large ones show how a flat area continues.
CROPS = (64, 64, 64, 128)
# Share of pictures whose words are left out, for guidance.
NO_WORDS_SHARE = 0.1
# Mean and deviation of the logarithm of the first stage's noise levels in training. EDM's -1.2 and 1.2 seldom reach
# the high levels, at which the subject is decided.
FIRST_LEVEL_MEAN, FIRST_LEVEL_DEVIATION = 0.3, 1.6


def render_whole(seed: int) -> Array:
    """Return a training scene's picture in bytes (rows, cols, 3)."""
    return render(training_scene(seed), (NATIVE_SIDE, NATIVE_SIDE))


def render_means(seed: int) -> Array:
    """Return the means of 4 x 4 px of a training scene's picture, in bytes."""
    picture = render_whole(seed).astype(np.float32)
    side = NATIVE_SIDE // TIMES
    return (picture.reshape(side, TIMES, side, TIMES, 3).mean((1, 3)) + 0.5).astype(np.uint8)


def rendered(name: str, make: Callable[[int], Array], count: int) -> Array:
    """Return the pictures (count, rows, cols, 3) of the first seeds from their file, which is made if need be."""
    file = RENDERED / f"{name}-{count}.npy"
    if not file.is_file():
        RENDERED.mkdir(parents=True, exist_ok=True)
        with Pool(worker_count()) as pool:
            pictures = np.stack(list(pool.imap(make, range(count), chunksize=32)))
        partial = file.with_suffix(".partial.npy")
        np.save(partial, pictures)
        partial.replace(file)
    return np.load(file, mmap_mode="r")


def in_mixed_precision(network: Network, device: torch.device) -> Callable[..., Tensor]:
    """Return the network as a function that alone computes in mixed precision: the blur around it needs float32."""

    def predict(*inputs: Tensor) -> Tensor:
        with mixed_precision(device):
            return network(*inputs)

    return predict


def to_grid(rows: list[Tensor]) -> Image.Image:
    """Show rows of pixels (N, 3, side, side) as one picture."""
    lines = [torch.cat(list(row), -1) for row in rows]
    return Image.fromarray(to_bytes(torch.cat(lines, -2)[None].cpu())[0])


class RelayCourse:
    """The course of the second stage, on crops of pictures."""

    stage, shape = SECOND_STAGE, SECOND
    rate = 1.5e-3
    cooling = 1 / 2

    def __init__(
        self, source: Path | None, device: torch.device, lessons: int = 8_000, batch: int = 12
    ) -> None:
        self.device, self.lessons, self.batch_size = device, lessons, batch
        torch.manual_seed(0)
        network = load_network(source, self.stage) if source else Network(self.shape)
        self.learner = network.requires_grad_(True).train().to(device, memory_format=torch.channels_last)
        self.generator = torch.Generator(device).manual_seed(0)

    def batches(self, first: int) -> Iterator[Tensor]:
        """Yield crops (N, 3, side, side) whose corners lie on multiples of 4 px, without end."""
        pictures = rendered("whole", render_whole, self.lessons)
        draw = np.random.RandomState(first)
        self.generator.manual_seed(first)
        while True:
            for side in CROPS:
                number = max(1, self.batch_size * CROPS[0] ** 2 // side**2)
                corners = TIMES * draw.randint((NATIVE_SIDE - side) // TIMES + 1, size=(number, 2))
                chosen = draw.randint(self.lessons, size=number)
                cut = [
                    pictures[k, top : top + side, left : left + side]
                    for k, (top, left) in zip(chosen, corners, strict=True)
                ]
                yield to_pixels(np.stack(cut)).to(self.device)

    def random_levels(self, number: int) -> Tensor:
        """Return uniform random numbers (N), one from each of N equal parts of 0 to 1."""
        inside = torch.rand(number, generator=self.generator, device=self.device)
        # Not 1, which rounding could give: its noise level is infinite.
        return ((torch.arange(number, device=self.device) + inside) / number).clamp(max=1 - 1e-6)

    def noise(self, pictures: Tensor) -> Tensor:
        """Return white noise of the pictures' shape."""
        return torch.randn(pictures.shape, generator=self.generator, device=self.device)

    def loss(self, batch: Tensor, share: float) -> tuple[Tensor, dict[str, float]]:
        """Return the loss, in all and for the lower and the upper half of the noise levels."""
        u = self.random_levels(len(batch))
        each = second_stage.loss(
            in_mixed_precision(self.learner, self.device),
            batch,
            u,
            self.noise(batch),
            self.noise(batch),
            SHARE,
            LENGTH,
            TOP,
            TIMES,
        )
        return each.mean(), half_means(each)

    @torch.inference_mode()
    def grid(self, learned: Network) -> Image.Image:
        """Show true pictures, their 4 x 4 means, and the second stage's pictures of these."""
        size = (NATIVE_SIDE, NATIVE_SIDE)
        true = to_pixels(np.stack([render(scene, size) for scene in held_out_scenes(3)]))
        small = avg_pool2d(true, TIMES)
        made = enlarge(in_mixed_precision(learned, self.device), small, level_count=18)
        return to_grid([true, interpolate(small, scale_factor=TIMES), made])

    def write(self, learned: Network, folder: Path) -> None:
        """Write the averaged network."""
        write_network(learned, folder, self.stage)


class RelayFirstCourse(RelayCourse):
    """The course of the first stage, on 4 x 4 means of whole pictures and their words."""

    stage, shape = FIRST_STAGE, FIRST

    def __init__(
        self, source: Path | None, device: torch.device, lessons: int = 24_000, batch: int = 16
    ) -> None:
        super().__init__(source, device, lessons, batch)

    def batches(self, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pictures (N, 3, 64, 64) and their words (N, 4), without end."""
        pictures = rendered("means", render_means, self.lessons)
        words = torch.tensor([scene_words(training_scene(seed)) for seed in range(self.lessons)])
        draw = np.random.RandomState(first)
        self.generator.manual_seed(first)
        while True:
            chosen = draw.randint(self.lessons, size=self.batch_size)
            told = words[torch.from_numpy(chosen)]
            told[torch.from_numpy(draw.rand(self.batch_size) < NO_WORDS_SHARE)] = NO_WORD
            yield to_pixels(pictures[chosen]).to(self.device), told.to(self.device)

    def random_levels(self, number: int) -> Tensor:
        """Return random numbers (N) that EDM's distribution of noise levels turns into the first stage's own."""
        normal = torch.special.ndtri(super().random_levels(number).clamp(min=1e-6).double())
        logarithm = FIRST_LEVEL_MEAN + FIRST_LEVEL_DEVIATION * normal
        return (
            torch.special.ndtr((logarithm - EDM_LOG_LEVELS.mean) / EDM_LOG_LEVELS.stdev)
            .float()
            .clamp(max=1 - 1e-6)
        )

    def loss(self, batch: tuple[Tensor, Tensor], share: float) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of EDM: without blur and block noise, over all noise levels."""
        pictures, words = batch
        u = self.random_levels(len(pictures))
        network = in_mixed_precision(self.learner, self.device)
        each = second_stage.loss(
            lambda y, c: network(y, c, words), pictures, u, self.noise(pictures), None, 0, 1, 0, TIMES
        )
        return each.mean(), half_means(each)

    @torch.inference_mode()
    def grid(self, learned: Network) -> Image.Image:
        """Show 4 x 4 means of true pictures above, and drawn pictures of the same words below."""
        scenes = held_out_scenes(8)
        true = to_pixels(np.stack([render(scene, (NATIVE_SIDE, NATIVE_SIDE)) for scene in scenes]))
        words = torch.tensor([scene_words(scene) for scene in scenes])
        made = draw_small(in_mixed_precision(learned, self.device), words)
        return to_grid([avg_pool2d(true, TIMES), made])


def half_means(each: Tensor) -> dict[str, float]:
    """Return the mean loss of pictures that are ordered by noise level, and that of each half."""
    low, high = each.detach().chunk(2)
    return {"loss": each.mean().item(), "low levels": low.mean().item(), "high levels": high.mean().item()}
