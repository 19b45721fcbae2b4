"""The judge: a small classifier of what a Postcards picture shows.

It counts subjects by finding them: a location map has a peak at every figure, and the peaks are counted.
Subject and colour are read where the map has its peaks.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, silu

from lab.judge.cases import CLASSES
from lab.world.lessons import NATIVE_SIDE
from lab.world.paint import Array

# Channels of the five levels, from fine to coarse.
WIDTHS = (24, 40, 80, 128, 152)
# Heads that are read at the figures; the others are read from the whole picture.
FIGURE_HEADS = ("subject", "colour")
# The location map's value in every cell before training: a figure is unlikely.
INITIAL_MAP_LOGIT = -4.0
WEIGHTS_FILE = "judge.safetensors"


class Block(nn.Module):
    """A residual block of two convolutions; with stride 2 the first one halves the side."""

    def __init__(self, into: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out))
        self.second = nn.Sequential(nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out))
        same = stride == 1 and into == out
        self.around = nn.Identity() if same else nn.Conv2d(into, out, stride, stride)

    def forward(self, x: Tensor) -> Tensor:
        return silu(self.around(x) + self.second(silu(self.first(x))))


class Judge(nn.Module):
    """The network: pixels (N, 3, 256, 256) between -1 and 1 to class scores for every head of CLASSES."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d, e = WIDTHS
        self.fine = nn.Sequential(nn.Conv2d(3, a, 3, 2, 1), nn.SiLU(), Block(a, b, 2), Block(b, b))
        self.near = nn.Sequential(Block(b, c, 2), Block(c, c))
        self.middle = nn.Sequential(Block(c, d, 2), Block(d, d))
        self.far = nn.Sequential(Block(d, e, 2), Block(e, e))
        self.from_middle, self.from_far = nn.Conv2d(d, c, 1), nn.Conv2d(e, d, 1)
        self.joined = Block(c, c)
        figure_classes = sum(len(CLASSES[name]) for name in FIGURE_HEADS)
        self.cells = nn.Conv2d(c, 1 + figure_classes, 1)
        assert self.cells.bias is not None
        nn.init.constant_(self.cells.bias[:1], INITIAL_MAP_LOGIT)
        features = 2 * e + c + 2 * (b + c)
        self.heads = nn.ModuleDict(
            {
                name: nn.Linear(features, len(classes))
                for name, classes in CLASSES.items()
                if name not in FIGURE_HEADS
            }
        )
        self.grain = nn.Sequential(nn.Linear(features, 64), nn.SiLU(), nn.Linear(64, len(CLASSES["zoom"])))
        self.count = nn.Sequential(nn.Linear(2 * e + 2, 64), nn.SiLU(), nn.Linear(64, len(CLASSES["number"])))

    def _features_and_cells(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return features of the whole picture, and scores of every cell of the location map.

        Features (N, 2 e + c + 2 (b + c)) are the mean and the maximum of the coarsest level, the mean of the
        picture's middle, and mean and deviation of the two finest levels, which show how detailed it is.
        Scores (N, 1 + classes, rows, cols) say whether a figure stands in the cell, and of what class.
        """
        fine = self.fine(pixels)
        near = self.near(fine)
        middle = self.middle(near)
        far = self.far(middle)
        wide = self.joined(near + _upsample(self.from_middle(middle + _upsample(self.from_far(far)))))
        centre = slice(wide.shape[-1] * 3 // 8, wide.shape[-1] * 5 // 8)
        inner = wide[..., centre, centre]
        pooled = torch.cat([far.mean((2, 3)), far.amax((2, 3)), inner.mean((2, 3))], 1).float()
        textures = [pool(x.float()) for x in (fine, near) for pool in (_channel_means, _channel_deviations)]
        pooled = torch.cat([pooled, *textures], 1)
        with torch.autocast(pixels.device.type, enabled=False):
            # In bfloat16 neighbouring cells are often equal, and then all of them would count as peaks.
            return pooled, self.cells(wide.float())

    def features(self, pixels: Tensor) -> Tensor:
        """Return the features of the whole picture (N, 624), from which most heads are read."""
        return self._features_and_cells(pixels)[0]

    def forward(self, pixels: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the scores of each head, and the location map as logits (N, rows, cols)."""
        pooled, cells = self._features_and_cells(pixels)
        places, *kinds = cells.split([1, *(len(CLASSES[name]) for name in FIGURE_HEADS)], 1)
        found = places.sigmoid()
        weight = found / found.sum((2, 3), keepdim=True)
        scores = {name: (kind * weight).sum((2, 3)) for name, kind in zip(FIGURE_HEADS, kinds, strict=True)}
        scores |= {name: head(pooled) for name, head in self.heads.items()}
        peaks = found * (found == max_pool2d(found, 3, 1, 1))
        counted = torch.cat([peaks.sum((2, 3)), (peaks * peaks).sum((2, 3))], 1)
        whole = pooled[:, : 2 * WIDTHS[-1]]
        scores["number"] = scores["number"] + self.count(torch.cat([whole, counted], 1))
        scores["zoom"] = scores["zoom"] + self.grain(pooled)
        return {name: scores[name] for name in CLASSES}, places[:, 0]


def _channel_means(x: Tensor) -> Tensor:
    """Return the mean of each channel (N, C)."""
    return x.mean((2, 3))


def _channel_deviations(x: Tensor) -> Tensor:
    """Return the standard deviation of each channel (N, C)."""
    return (x.var((2, 3)) + 1e-4).sqrt()


def _upsample(x: Tensor) -> Tensor:
    """Enlarge a feature map to twice its side."""
    return nn.functional.interpolate(x, scale_factor=2, mode="bilinear")


def load_judge(folder: Path, device: torch.device | str = "cpu") -> Judge:
    """Load the trained judge of a pipeline folder, ready for inference."""
    judge = Judge()
    judge.load_state_dict({name: value.float() for name, value in load_file(folder / WEIGHTS_FILE).items()})
    return judge.to(device).eval().requires_grad_(False)


def to_input(pictures: list[Array], device: torch.device | str = "cpu") -> Tensor:
    """Convert pictures of any size, in bytes, to the judge's input: resized, between -1 and 1."""
    fitted = [
        one
        if one.shape[:2] == (NATIVE_SIDE, NATIVE_SIDE)
        else cv2.resize(one, (NATIVE_SIDE, NATIVE_SIDE), interpolation=cv2.INTER_AREA)
        for one in pictures
    ]
    return torch.tensor(np.stack(fitted), device=device).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.inference_mode()
def classify(judge: Judge, pictures: list[Array], device: torch.device | str = "cpu") -> dict[str, Array]:
    """Return for each head the class of every picture, as indices into CLASSES."""
    answers: dict[str, list[Array]] = {name: [] for name in CLASSES}
    for k in range(0, len(pictures), 64):
        scores, _ = judge(to_input(pictures[k : k + 64], device))
        for name, score in scores.items():
            answers[name].append(score.argmax(1).cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in answers.items()}
