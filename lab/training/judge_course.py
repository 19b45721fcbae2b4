"""Teaching the judge, on true renderings: as they are, worn, and drawn anew by the base from their middle."""

import copy
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits, cross_entropy, max_pool2d
from torch.utils.data import DataLoader, Dataset

from lab.judge.cases import NAMES, UNTOLD, Case, case
from lab.judge.judge import FILE, Judge, load, pixels_of
from lab.training import degrade
from lab.training.pool import workers
from lab.training.redraw import Hand, group
from lab.training.train import COOLING, half
from lab.world.lessons import NATIVE
from lab.world.paint import Array

MAP = NATIVE // 8
"""Cells along the side of the map of places."""
SURE = 64
"""Weight of the map of places beside what is said in words."""
SMALL_FIRST = 0.4
"""Share of the time in which cases are seen at half their side, where a batch costs a quarter."""


REDRAWN = 0.05
"""Of the cases, by the base at hand."""
GROUPS = {1: (16, 0.75), 2: (4, 0.21), 4: (1, 0.04)}
"""How many it draws at once, and their share, by how many times they are enlarged before."""
AMONG = 0.25
"""Of a batch, drawn anew."""
LITTERED = 0.25
"""Of batches."""
WAYS = (degrade.soft, degrade.noisy, degrade.sharpened, degrade.frayed, degrade.grained)

Taught = tuple[Tensor, Tensor, Tensor]
"""Pictures in bytes, what is told of them, maps of places."""


class Cases(Dataset[Taught]):
    """Cases by number."""

    def __init__(self, number: int, seed: int) -> None:
        self.number, self.seed = number, seed

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, k: int) -> tuple[Array, Array, Array]:
        one = case((self.seed * 1_000_003 + k) % 2**31)
        return one.picture, told_of(one), place_map(one)


def told_of(one: Case) -> Array:
    return np.array([one.told[name] for name in NAMES], np.int64)


def place_map(one: Case) -> Array:
    """1 where a figure's middle is, falling off over a cell; negative where nothing is said."""
    if one.told["number"] == UNTOLD:
        return np.full((MAP, MAP), -1, np.float32)
    rows, cols = np.mgrid[:MAP, :MAP] + 0.5
    found = np.zeros((MAP, MAP))
    for down, right in one.places:
        found = np.maximum(found, np.exp(-((rows - down * MAP) ** 2 + (cols - right * MAP) ** 2)))
    return found.astype(np.float32)


class JudgeCourse:
    """The course of the judge. With a VAE at hand some of what it sees went through it."""

    rate = 2e-3
    cooling = COOLING

    def __init__(
        self,
        source: Path | None,
        device: torch.device,
        lessons: int = 24_000,
        batch: int = 32,
        seed: int = 0,
        small: float = SMALL_FIRST,
    ) -> None:
        self.device, self.lessons, self.size, self.seed, self.small = device, lessons, batch, seed, small
        self.source = source
        self.learner = (load(source, device) if source and (source / FILE).is_file() else Judge()).to(device)
        self.learner.train().requires_grad_(True).to(memory_format=torch.channels_last)
        self.vae = None
        if source and (source / "vae").is_dir():
            self.vae = (
                AutoencoderTiny.from_pretrained(source / "vae").to(device).float().requires_grad_(False)
            )
        self.draw = np.random.RandomState(0)

    def batches(self, first: int) -> Iterator[Taught]:
        """Of every batch some are drawn anew; all cases once, then again in another order."""
        loader = DataLoader(Cases(self.lessons, self.seed * 101 + first), 64, num_workers=workers())
        plain = tuple(torch.cat(part).to(self.device) for part in zip(*loader, strict=True))
        if self.source is None or not (self.source / "unet").is_dir():
            yield from in_turn(plain, self.size)
            return
        anew = redrawn(self.source, self.device, int(REDRAWN * self.lessons), self.seed * 101 + first)
        few = int(AMONG * self.size)
        for most, some in zip(in_turn(plain, self.size - few), in_turn(anew, few), strict=True):
            yield tuple(torch.cat(both) for both in zip(most, some, strict=True))

    def loss(self, batch: Taught, share: float) -> tuple[Tensor, dict[str, float]]:
        pictures, told, maps = batch
        pixels = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
        if self.draw.rand() < 0.5:
            pixels, maps = pixels.flip(-1), maps.flip(-1)
        small = share < self.small
        pixels = self.worn(avg_pool2d(pixels, 2) if small else pixels, maps)
        if small:
            maps = max_pool2d(maps[:, None], 2)[:, 0]
        with half(self.device):
            scores, places = self.learner(pixels.contiguous(memory_format=torch.channels_last))
        total = torch.zeros((), device=self.device)
        numbers = {}
        for k, (name, score) in enumerate(scores.items()):
            known = told[:, k] != UNTOLD
            if known.any():
                missed = cross_entropy(score[known].float(), told[known, k])
                total, numbers[name] = total + missed, missed.item()
        said = maps >= 0
        where = binary_cross_entropy_with_logits(places.float()[said], maps[said]) * SURE
        return total + where, numbers | {"places": where.item()}

    @torch.no_grad()
    def worn(self, pixels: Tensor, maps: Tensor) -> Tensor:
        """As pictures out of a model are: grained, frayed, soft; some through the VAE; some littered."""
        if self.draw.rand() < LITTERED:
            pixels = degrade.littered(pixels, maps, self.draw)
        if self.draw.rand() < 1 / 8 and self.vae is not None:
            # An eighth: it takes longer than all else of a batch.
            few = -(-len(pixels) // 8)
            with half(self.device):
                again = self.vae.decode(self.vae.encode(pixels[:few]).latents).sample.float()
            pixels = torch.cat([again, pixels[few:]])
        for way in self.draw.choice(WAYS, self.draw.randint(3), replace=False):
            pixels = way(pixels, self.draw)
        return pixels

    def grid(self, learned: Judge) -> Image.Image:
        """Cases with the places that it finds, in red."""
        cases = [case(1_000_000 + k) for k in range(12)]
        learned = copy.deepcopy(learned).eval()
        with torch.inference_mode():
            places = learned(pixels_of([one.picture for one in cases], self.device))[1].sigmoid().cpu()
        shown = []
        for one, found in zip(cases, places.numpy(), strict=True):
            marks = cv2.resize(found, (NATIVE, NATIVE), interpolation=cv2.INTER_LINEAR)[..., None]
            shown.append((one.picture * (1 - marks) + np.array([255, 0, 0]) * marks).astype(np.uint8))
        return Image.fromarray(np.concatenate([np.concatenate(shown[k : k + 6], 1) for k in (0, 6)], 0))

    def write(self, learned: Judge, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        weights = {
            name: (value.half() if value.is_floating_point() else value).contiguous()
            for name, value in learned.state_dict().items()
        }
        save_file(weights, folder / FILE)


def in_turn(cases: Taught, size: int) -> Iterator[Taught]:
    """Batches without end: all cases once, then again in another order."""
    while True:
        order = torch.randperm(len(cases[0]), device=cases[0].device)
        for chosen in order[: len(order) // size * size].split(size):
            yield tuple(part[chosen] for part in cases)


def redrawn(source: Path, device: torch.device, number: int, seed: int) -> Taught:
    """So many cases that the base of a folder has drawn anew."""
    hand, draw = Hand(source, device), np.random.RandomState(seed)
    pictures, told, maps = [], [], []
    for times, (size, share) in GROUPS.items():
        for _ in range(-(-int(share * number) // size)):
            these = group(int(draw.randint(1 << 30)), times, size)
            pictures += hand.redraw(these, draw)
            told += map(told_of, these.cases)
            maps += map(place_map, these.cases)
    return tuple(torch.tensor(np.stack(part), device=device) for part in (pictures, told, maps))
