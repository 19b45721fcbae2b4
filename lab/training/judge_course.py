"""Trains the judge on true pictures: as they are, degraded, and redrawn by the base."""

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

from lab.judge.cases import CLASSES, UNLABELLED, Case, make_case
from lab.judge.judge import WEIGHTS_FILE, Judge, load_judge, to_input
from lab.training import degrade
from lab.training.course import COOLING, mixed_precision
from lab.training.pool import worker_count
from lab.training.redraw import Redrawer, make_group
from lab.world.lessons import NATIVE_SIDE
from lab.world.paint import Array

# Cells along the side of the location map.
MAP_SIDE = NATIVE_SIDE // 8
# Weight of the location map's loss beside the losses of the heads.
MAP_WEIGHT = 64
# First share of the training time, in which pictures are halved in size, where a batch costs a quarter.
HALF_SIZE_SHARE = 0.4
# How many cases are redrawn by the base, as a share of the number of cases.
REDRAWN_SHARE = 0.05
# By how many times redrawn cases are enlarged before: how many are redrawn at once, and their share.
REDRAW_GROUPS = {1: (16, 0.75), 2: (4, 0.21), 4: (1, 0.04)}
# Share of redrawn cases in each batch.
REDRAWN_IN_BATCH = 0.25
# Share of batches with added moons, smoke and streaks.
LITTERED_SHARE = 0.25
# Degradations, of which up to two are applied to a batch.
DEGRADATIONS = (degrade.soften, degrade.add_noise, degrade.sharpen, degrade.fray, degrade.add_grain)

# Pictures in bytes (N, rows, cols, 3), labels (N, heads), and location maps (N, rows, cols).
CaseBatch = tuple[Tensor, Tensor, Tensor]


class CaseDataset(Dataset[CaseBatch]):
    """Cases by number; the seed chooses which."""

    def __init__(self, number: int, seed: int) -> None:
        self.number, self.seed = number, seed

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, k: int) -> tuple[Array, Array, Array]:
        case = make_case((self.seed * 1_000_003 + k) % 2**31)
        return case.picture, labels_array(case), location_map(case)


def labels_array(case: Case) -> Array:
    """Return a case's labels in the order of CLASSES."""
    return np.array([case.labels[head] for head in CLASSES], np.int64)


def location_map(case: Case) -> Array:
    """Return the map that the judge shall predict: 1 at each figure's centre, falling off over a cell.

    It is -1 everywhere if the number of figures is not labelled.
    """
    if case.labels["number"] == UNLABELLED:
        return np.full((MAP_SIDE, MAP_SIDE), -1, np.float32)
    rows, cols = np.mgrid[:MAP_SIDE, :MAP_SIDE] + 0.5
    found = np.zeros((MAP_SIDE, MAP_SIDE))
    for down, right in case.centres:
        found = np.maximum(found, np.exp(-((rows - down * MAP_SIDE) ** 2 + (cols - right * MAP_SIDE) ** 2)))
    return found.astype(np.float32)


class JudgeCourse:
    """The course of the judge; if there are a trained VAE and base, it sees their pictures, too."""

    rate = 2e-3
    cooling = COOLING

    def __init__(
        self,
        source: Path | None,
        device: torch.device,
        lessons: int = 24_000,
        batch: int = 32,
        seed: int = 0,
        small: float = HALF_SIZE_SHARE,
    ) -> None:
        """Begin with the judge of the pipeline folder `source`, if it has one, or with a new one.

        lessons: how many different cases to render. batch: cases in a batch. seed: chooses the cases.
        small: first share of the time with pictures of half the size.
        """
        self.device, self.lessons, self.batch_size, self.seed, self.small = (
            device,
            lessons,
            batch,
            seed,
            small,
        )
        self.source = source
        self.learner = (
            load_judge(source, device) if source and (source / WEIGHTS_FILE).is_file() else Judge()
        ).to(device)
        self.learner.train().requires_grad_(True).to(memory_format=torch.channels_last)
        self.vae = None
        if source and (source / "vae").is_dir():
            self.vae = (
                AutoencoderTiny.from_pretrained(source / "vae").to(device).float().requires_grad_(False)
            )
        self.draw = np.random.RandomState(0)

    def batches(self, first: int) -> Iterator[CaseBatch]:
        """Yield batches without end, a quarter of each redrawn by the base if there is one."""
        loader = DataLoader(
            CaseDataset(self.lessons, self.seed * 101 + first), 64, num_workers=worker_count()
        )
        plain = tuple(torch.cat(part).to(self.device) for part in zip(*loader, strict=True))
        if self.source is None or not (self.source / "unet").is_dir():
            yield from cycle_batches(plain, self.batch_size)
            return
        redrawn = redraw_cases(
            self.source, self.device, int(REDRAWN_SHARE * self.lessons), self.seed * 101 + first
        )
        few = int(REDRAWN_IN_BATCH * self.batch_size)
        pairs = zip(cycle_batches(plain, self.batch_size - few), cycle_batches(redrawn, few), strict=True)
        for batch in pairs:
            yield tuple(torch.cat(parts) for parts in zip(*batch, strict=True))

    def loss(self, batch: CaseBatch, share: float) -> tuple[Tensor, dict[str, float]]:
        """Return the summed losses of all heads and the location map, and each of them for the log."""
        pictures, labels, maps = batch
        pixels = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
        if self.draw.rand() < 0.5:
            pixels, maps = pixels.flip(-1), maps.flip(-1)
        small = share < self.small
        pixels = self.degrade(avg_pool2d(pixels, 2) if small else pixels, maps)
        if small:
            maps = max_pool2d(maps[:, None], 2)[:, 0]
        with mixed_precision(self.device):
            scores, map_logits = self.learner(pixels.contiguous(memory_format=torch.channels_last))
        total = torch.zeros((), device=self.device)
        numbers = {}
        for k, (name, score) in enumerate(scores.items()):
            is_labelled = labels[:, k] != UNLABELLED
            if is_labelled.any():
                head_loss = cross_entropy(score[is_labelled].float(), labels[is_labelled, k])
                total = total + head_loss
                numbers[name] = head_loss.item()
        is_known = maps >= 0
        map_loss = binary_cross_entropy_with_logits(map_logits.float()[is_known], maps[is_known]) * MAP_WEIGHT
        return total + map_loss, numbers | {"locations": map_loss.item()}

    @torch.no_grad()
    def degrade(self, pixels: Tensor, maps: Tensor) -> Tensor:
        """Make true pictures resemble drawn ones: add litter, apply the VAE, blur, fray and so on."""
        if self.draw.rand() < LITTERED_SHARE:
            pixels = degrade.add_litter(pixels, maps, self.draw)
        if self.draw.rand() < 1 / 8 and self.vae is not None:
            # Only an eighth of the batch, because the VAE takes longer than all else.
            few = -(-len(pixels) // 8)
            with mixed_precision(self.device):
                reconstructed = self.vae.decode(self.vae.encode(pixels[:few]).latents).sample.float()
            pixels = torch.cat([reconstructed, pixels[few:]])
        for apply in self.draw.choice(DEGRADATIONS, self.draw.randint(3), replace=False):
            pixels = apply(pixels, self.draw)
        return pixels

    def grid(self, learned: Judge) -> Image.Image:
        """Show twelve cases with the location map that the judge predicts, in red."""
        cases = [make_case(1_000_000 + k) for k in range(12)]
        learned = copy.deepcopy(learned).eval()
        with torch.inference_mode():
            maps = learned(to_input([case.picture for case in cases], self.device))[1].sigmoid().cpu()
        marked = []
        for case, found in zip(cases, maps.numpy(), strict=True):
            marks = cv2.resize(found, (NATIVE_SIDE, NATIVE_SIDE), interpolation=cv2.INTER_LINEAR)[..., None]
            marked.append((case.picture * (1 - marks) + np.array([255, 0, 0]) * marks).astype(np.uint8))
        return Image.fromarray(np.concatenate([np.concatenate(marked[k : k + 6], 1) for k in (0, 6)], 0))

    def write(self, learned: Judge, folder: Path) -> None:
        """Write the averaged judge as float16 into the pipeline folder."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {
            name: (value.half() if value.is_floating_point() else value).contiguous()
            for name, value in learned.state_dict().items()
        }
        save_file(weights, folder / WEIGHTS_FILE)


def cycle_batches(cases: CaseBatch, size: int) -> Iterator[CaseBatch]:
    """Yield batches without end: all cases in random order, then again in another order."""
    while True:
        order = torch.randperm(len(cases[0]), device=cases[0].device)
        for chosen in order[: len(order) // size * size].split(size):
            yield tuple(part[chosen] for part in cases)


def redraw_cases(source: Path, device: torch.device, number: int, seed: int) -> CaseBatch:
    """Return about this many cases, redrawn by the base of a pipeline folder."""
    redrawer, draw = Redrawer(source, device), np.random.RandomState(seed)
    pictures, labels, maps = [], [], []
    for scale, (size, share) in REDRAW_GROUPS.items():
        for _ in range(-(-int(share * number) // size)):
            group = make_group(int(draw.randint(1 << 30)), scale, size)
            pictures += redrawer.redraw(group, draw)
            labels += map(labels_array, group.cases)
            maps += map(location_map, group.cases)
    return tuple(torch.tensor(np.stack(part), device=device) for part in (pictures, labels, maps))
