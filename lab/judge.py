"""The judge: a small network that says what a picture shows, taught on true renderings only.

It counts subjects by finding them: a map says where one stands, and what the map holds is counted.
"""

import copy
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, max_pool2d, silu
from torch.utils.data import DataLoader, Dataset

from lab.evidence import NAMES, UNTOLD, Case, case
from lab.lessons import NATIVE
from lab.paint import Array
from lab.pool import workers
from lab.train import half

WIDTHS = (24, 40, 80, 128, 152)
MAP = NATIVE // 8
"""Cells along the side of the map of places."""
FILE = "judge.safetensors"


class Block(nn.Module):
    """Two convolutions around which the input is carried; the first may halve the side."""

    def __init__(self, into: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out))
        self.second = nn.Sequential(nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out))
        same = stride == 1 and into == out
        self.around = nn.Identity() if same else nn.Conv2d(into, out, stride, stride)

    def forward(self, x: Tensor) -> Tensor:
        return silu(self.around(x) + self.second(silu(self.first(x))))


class Judge(nn.Module):
    """Pixels (N, 3, 256, 256) between -1 and 1 to a verdict for every head of NAMES."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d, e = WIDTHS
        self.near = nn.Sequential(
            nn.Conv2d(3, a, 3, 2, 1), nn.SiLU(), Block(a, b, 2), Block(b, b), Block(b, c, 2), Block(c, c)
        )
        self.far = nn.Sequential(Block(c, d, 2), Block(d, d), Block(d, e, 2), Block(e, e))
        self.back = nn.Conv2d(e, c, 1)
        self.joined = Block(c, c)
        self.place = nn.Conv2d(c, 1, 1)
        self.heads = nn.ModuleDict({name: nn.Linear(2 * e, len(of)) for name, of in NAMES.items()})
        self.count = nn.Sequential(nn.Linear(2 * e + 2, 64), nn.SiLU(), nn.Linear(64, len(NAMES["number"])))

    def features(self, pixels: Tensor) -> Tensor:
        """(N, 2 e): what the picture has, and the strongest of it."""
        return self._seen(pixels)[0]

    def _seen(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        near = self.near(pixels)
        far = self.far(near)
        pooled = torch.cat([far.mean((2, 3)), far.amax((2, 3))], 1)
        wide = nn.functional.interpolate(self.back(far), size=near.shape[-2:], mode="bilinear")
        return pooled, self.place(self.joined(near + wide))[:, 0]

    def forward(self, pixels: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Scores by head, and the map of places as logits (N, rows, cols)."""
        pooled, places = self._seen(pixels)
        scores = {name: head(pooled) for name, head in self.heads.items()}
        found = places.float().sigmoid()[:, None]
        peaks = found * (found == max_pool2d(found, 3, 1, 1))
        counted = torch.cat([peaks.sum((2, 3)), (peaks * peaks).sum((2, 3))], 1)
        scores["number"] = scores["number"] + self.count(torch.cat([pooled, counted], 1))
        return scores, places


def load(folder: Path, device: torch.device | str = "cpu") -> Judge:
    judge = Judge()
    judge.load_state_dict({name: value.float() for name, value in load_file(folder / FILE).items()})
    return judge.to(device).eval().requires_grad_(False)


def pixels_of(pictures: list[Array], device: torch.device | str = "cpu") -> Tensor:
    """What the judge looks at: pictures in bytes, of any size, shrunk or enlarged to its own."""
    fitted = [
        one
        if one.shape[:2] == (NATIVE, NATIVE)
        else cv2.resize(one, (NATIVE, NATIVE), interpolation=cv2.INTER_AREA)
        for one in pictures
    ]
    return torch.tensor(np.stack(fitted), device=device).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.inference_mode()
def verdicts(judge: Judge, pictures: list[Array], device: torch.device | str = "cpu") -> dict[str, Array]:
    """For each head, what it says of every picture: indices into NAMES."""
    told: dict[str, list[Array]] = {name: [] for name in NAMES}
    for k in range(0, len(pictures), 64):
        scores, _ = judge(pixels_of(pictures[k : k + 64], device))
        for name, score in scores.items():
            told[name].append(score.argmax(1).cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in told.items()}


class Cases(Dataset[Case]):
    """Cases by number."""

    def __init__(self, number: int, seed: int) -> None:
        self.number, self.seed = number, seed

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, k: int) -> tuple[Array, Array, Array]:
        one = case((self.seed * 1_000_003 + k) % 2**31)
        told = np.array([one.told[name] for name in NAMES], np.int64)
        return one.picture, told, place_map(one)


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
    """The course of the judge. With a VAE at hand a quarter of what it sees went through it."""

    rate = 2e-3

    def __init__(
        self, source: Path | None, device: torch.device, lessons: int = 24_000, batch: int = 32
    ) -> None:
        self.device, self.lessons, self.size = device, lessons, batch
        self.learner = (load(source, device) if source and (source / FILE).is_file() else Judge()).to(device)
        self.learner.train().requires_grad_(True)
        self.vae = None
        if source and (source / "vae").is_dir():
            self.vae = (
                AutoencoderTiny.from_pretrained(source / "vae").to(device).float().requires_grad_(False)
            )
        self.draw = np.random.RandomState(0)

    def batches(self, first: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Pictures in bytes, what is told of them, maps: all cases once, then again in another order."""
        loader = DataLoader(Cases(self.lessons, first), 64, num_workers=workers())
        pictures, told, maps = (torch.cat(part).to(self.device) for part in zip(*loader, strict=True))
        while True:
            order = torch.randperm(len(pictures), device=self.device)
            for chosen in order.split(self.size):
                yield pictures[chosen], told[chosen], maps[chosen]

    def loss(self, batch: tuple[Tensor, Tensor, Tensor], share: float) -> tuple[Tensor, dict[str, float]]:
        pictures, told, maps = batch
        pixels = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
        if self.draw.rand() < 0.5:
            pixels, maps = pixels.flip(-1), maps.flip(-1)
        with half(self.device):
            scores, places = self.learner(self.worn(pixels))
        total = torch.zeros((), device=self.device)
        numbers = {}
        for k, (name, score) in enumerate(scores.items()):
            known = told[:, k] != UNTOLD
            if known.any():
                missed = cross_entropy(score[known].float(), told[known, k])
                total, numbers[name] = total + missed, missed.item()
        said = maps >= 0
        where = binary_cross_entropy_with_logits(places.float()[said], maps[said]) * 20
        return total + where, numbers | {"places": where.item()}

    @torch.no_grad()
    def worn(self, pixels: Tensor) -> Tensor:
        """As pictures out of a model are: some through the VAE, a little soft, a little noisy."""
        way = self.draw.randint(4)
        if way == 0 and self.vae is not None:
            pixels = self.vae.decode(self.vae.encode(pixels).latents).sample
        elif way == 1:
            side = int(NATIVE * self.draw.uniform(0.5, 1))
            small = nn.functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True)
            pixels = nn.functional.interpolate(small, pixels.shape[-2:], mode="bilinear")
        elif way == 2:
            pixels = pixels + self.draw.uniform(0, 0.08) * torch.randn_like(pixels)
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
            name: value.half() if value.is_floating_point() else value
            for name, value in learned.state_dict().items()
        }
        save_file(weights, folder / FILE)
